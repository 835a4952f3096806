"""Average ranks over data sets, their differences, tests of them, and pairs of methods."""

from dataclasses import replace
from typing import Any

import pandas as pd

from snnjax import stats
from snnjax.report import drawing
from snnjax.report.evidence import Evidence
from snnjax.report.section import Picture, Section, Table
from snnjax.report.studies import in_order

_FEWEST_SETS = 2


def comparable(
    own: Evidence, methods: list[str] | None = None, *, all_folds: bool = False
) -> pd.DataFrame | None:
    """Return the scores on the data sets that all of some methods have, None of less than two.

    Args:
        own: The runs.
        methods: Which; None for all.
        all_folds: Whether to take the mean over folds although the printed table is of one.
    """
    fold = None if all_folds else own.printed_fold
    scores = own.scores(fold)
    kept = [name for name in scores if methods is None or name in methods]
    scores = own.complete(scores[kept], fold)
    is_enough = len(scores) >= _FEWEST_SETS and scores.shape[1] >= 2
    return scores if is_enough and scores.notna().any(axis=None) else None


def ranks(own: Evidence) -> Section | None:
    """Rank methods over data sets, beside the printed ranks on the same sets."""
    tables, pictures, text = [], [], []
    networks = comparable(own, own.printed_methods) if own.printed_methods else None
    if networks is not None:
        tables.append(_rank_table(own, networks, "ranks"))
        pictures.append(_diagram(own, networks, "ranks"))
        text.append(_in_words(own, networks))
    everything = comparable(own)
    if everything is not None and (networks is None or set(everything) != set(networks)):
        tables.append(_rank_table(own, everything, "ranks_all"))
        pictures.append(_diagram(own, everything, "ranks_all"))
    if not tables:
        return None
    folds = comparable(own, all_folds=True)
    if own.printed_fold is not None and folds is not None and own.chosen["data.fold"].nunique() > 1:
        table = _rank_table(own, folds, "ranks_all_folds", beside=False)
        tables.append(replace(table, caption=f"Mean over all folds. {table.caption}"))
    warnings = []
    counts = own.scores().notna().sum()
    compared = everything if everything is not None else networks
    if compared is not None and (counts > len(compared)).any():
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        warnings.append(
            f"ranks are over the {len(compared)} data sets that every method has; results: {told}"
        )
    return Section("Average ranks", text, tables, pictures, warnings)


def _rank_table(own: Evidence, scores: pd.DataFrame, name: str, *, beside: bool = True) -> Table:
    better: Any = {"higher_is_better": own.is_more_better}
    frame = pd.DataFrame(
        {
            "average rank": stats.average_ranks(scores, **better),
            "rank difference": stats.rank_differences(scores, **better),
            f"mean {own.study.metric}": scores.dropna().mean(),
        }
    )
    caption = (
        f"Over {len(scores)} data sets; ties share their mean rank, a method without a result "
        "comes last; the rank difference is to the middle rank; the mean is over data sets that "
        "all have."
    )
    printed = own.printed if beside else None
    if printed is not None and set(scores) <= set(printed):
        same = printed.reindex(scores.index)[list(scores)].dropna(how="all")
        if len(same) >= _FEWEST_SETS:
            frame["printed rank difference"] = stats.rank_differences(same)
            whole = scores.dropna().index.intersection(same.dropna().index)
            frame["printed mean"] = same.loc[whole].mean()
            frame["difference of means"] = scores.loc[whole].mean() - same.loc[whole].mean()
            caption += " Printed: computed from the printed scores of the same methods and sets."
    frame = frame.sort_values("average rank").reset_index(names="method")
    formats = {"average rank": ".2f", "rank difference": "+.3f", "difference of means": "+.4f"}
    return Table(name, frame, caption, formats | {"printed rank difference": "+.3f"})


def _diagram(own: Evidence, scores: pd.DataFrame, name: str) -> Picture:
    average = stats.average_ranks(scores, higher_is_better=own.is_more_better)
    apart = stats.critical_difference(scores.shape[1], len(scores))
    return Picture(
        name.replace("ranks", "critical_difference"),
        drawing.critical_difference(average, apart, stats.cliques(average, apart)),
        f"Average ranks over {len(scores)} data sets, 1 is best. A bar joins methods that "
        f"Nemenyi's test does not tell apart at 5 % (critical difference {apart:.2f}).",
    )


def _in_words(own: Evidence, scores: pd.DataFrame) -> str:
    average = stats.average_ranks(scores, higher_is_better=own.is_more_better).sort_values()
    order = ", ".join(f"{name} {value:.2f}" for name, value in average.items())
    return f"By average rank on {len(scores)} data sets: {order}."


def significance(own: Evidence) -> Section | None:
    """Test whether methods differ: Friedman over all, Wilcoxon of the first against each other."""
    scores = comparable(own)
    if scores is None:
        return None
    better: Any = {"higher_is_better": own.is_more_better}
    reference = reference_of(own, scores)
    one = stats.wilcoxon(scores, reference, alternative="greater", **better)
    two = stats.wilcoxon(scores, reference, **better)
    frame = pd.DataFrame({"one-sided p": one, "two-sided p": two})
    frame["two-sided p (Holm)"] = stats.holm(two)
    if (printed := _printed_p(own, scores, reference)) is not None:
        frame["printed one-sided p, same sets"] = printed
    frame = frame.reindex(in_order(frame.index)).reset_index(names="against")
    table = Table(
        "wilcoxon",
        frame,
        f"Wilcoxon's signed-rank test of {reference} over {len(scores)} data sets; one-sided: "
        f"{reference} is better.",
        dict.fromkeys(frame.columns[1:], ".2g"),
    )
    text = []
    if len(scores) > 1 and scores.shape[1] > 2:
        found = stats.friedman(scores, **better)
        text.append(
            f"Friedman's test of equal ranks of {found.methods} methods over {found.rows} data "
            f"sets: chi-square {found.chi_square:.2f}, p = {found.p:.2g}; Iman and Davenport: F = "
            f"{found.f:.2f}, p = {found.f_p:.2g}."
        )
    return Section("Tests", text, [table])


def reference_of(own: Evidence, scores: pd.DataFrame) -> str:
    """Return the method that others are compared with: SNN where it is there, else the best."""
    average = stats.average_ranks(scores, higher_is_better=own.is_more_better)
    return "SNN" if "SNN" in scores else str(average.idxmin())


def _printed_p(own: Evidence, scores: pd.DataFrame, reference: str) -> pd.Series | None:
    printed = own.printed
    if printed is None or reference not in printed:
        return None
    same = printed.reindex(scores.index)[[name for name in scores if name in printed]]
    same = same.dropna(how="all")
    if len(same) < _FEWEST_SETS or same.shape[1] < 2:
        return None
    return stats.wilcoxon(same, reference, alternative="greater")


def pairs(own: Evidence) -> Section | None:
    """Compare one method with each other, and all with intervals, by resampling."""
    scores = comparable(own)
    if scores is None:
        return None
    better: Any = {"higher_is_better": own.is_more_better}
    reference = reference_of(own, scores)
    runs = by_seed(own, scores)
    counts = stats.win_tie_loss(scores, reference, **better)
    improved = stats.probability_of_improvement(runs, reference, **better)
    frame = counts.join(improved.rename(columns={"value": "P(better)"})).reset_index(
        names="against"
    )
    rank = stats.bootstrap_interval(runs, "average_rank", **better)
    rank = rank.reindex(in_order(rank.index)).reset_index(names="method")
    mean = stats.bootstrap_interval(runs.dropna(), "mean") if len(runs.dropna()) > 1 else None
    what = "data sets and seeds" if isinstance(runs.index, pd.MultiIndex) else "data sets"
    tables = [
        Table(
            "pairs",
            frame,
            f"Data sets on which {reference} wins, ties and loses, and the probability that it is "
            f"better on a data set drawn at random, with its 95 % bootstrap interval over {what}.",
            {"P(better)": ".3f", "low": ".3f", "high": ".3f"},
        ),
        Table(
            "rank_intervals",
            rank,
            f"Average rank with its 95 % bootstrap interval over {what}.",
            {"value": ".2f", "low": ".2f", "high": ".2f"},
        ),
    ]
    if mean is not None:
        mean = mean.reindex(in_order(mean.index)).reset_index(names="method")
        caption = f"Mean {own.study.metric} with its 95 % bootstrap interval over {what}."
        tables.append(Table("mean_intervals", mean, caption))
    return Section("Pairs and intervals", (), tables)


def by_seed(own: Evidence, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of single seeds, indexed by data set and seed where there are several."""
    fold = own.printed_fold
    chosen = own.chosen[own.chosen["data.name"].isin(scores.index)]
    chosen = chosen[chosen["method"].isin(scores.columns)]
    if fold is not None:
        chosen = chosen[chosen["data.fold"] == fold]
    if chosen["seed"].nunique() < 2:
        return scores
    wide = chosen.pivot_table(
        index=["data.name", "seed"], columns="method", values="score", aggfunc="mean"
    )
    return wide.reindex(columns=scores.columns)


def sizes(own: Evidence) -> Section | None:
    """Split ranks and means at 1,000 points, as the paper's tables are."""
    scores = comparable(own)
    if scores is None:
        return None
    known = scores[scores.index.isin(own.points.index)]
    if known.empty:
        return None
    tables = []
    for name, part in stats.split_by_size(known, own.points)._asdict().items():
        if len(part) >= _FEWEST_SETS:
            table = _rank_table(own, part, f"ranks_{name}")
            words = "less than 1,000 points" if name == "small" else "1,000 points or more"
            tables.append(replace(table, caption=f"Data sets of {words}. {table.caption}"))
    return Section("Small and large data sets", (), tables) if len(tables) > 1 else None
