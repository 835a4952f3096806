"""How much results differ between seeds, and the table of all results."""

from snnjax.report.evidence import Evidence, repetitions
from snnjax.report.section import Section, Table, several

_LONG = 24  # rows from which the page shows a table only when asked to


def ours(own: Evidence) -> Section | None:
    """List all scores: one row per data set, one column per method, mean over seeds and folds."""
    scores = own.scores()
    if scores.empty:
        return None
    spread = repetitions(own.chosen).pivot(index="data.name", columns="method", values="std")
    spread = spread.reindex(index=scores.index, columns=scores.columns)
    below = spread.map(lambda value: "" if value != value else f"± {value:.4f}")
    folds = sorted(own.chosen["data.fold"].dropna().astype(int).unique())
    counts = own.chosen["seed"].nunique(), len(folds)
    table = Table(
        "scores",
        scores.reset_index(names="data set"),
        f"{own.split.capitalize()} {own.study.metric}: mean over {several(counts[0], 'seed')} and "
        f"{several(counts[1], 'fold')}, the standard deviation below. Empty: no run ended well.",
        below=below.reset_index(drop=True) if (below != "").any(axis=None) else None,
        is_folded=len(scores) > _LONG,
    )
    return Section("All scores", (), [table])


def spread(own: Evidence) -> Section | None:
    """Tell how far results of single seeds lie apart; None where there is one seed."""
    chosen = own.chosen.dropna(subset=["score"])
    keys = ["data.name", "data.fold", "method"]
    grouped = chosen.groupby(keys)["score"].agg(["std", "min", "max", "count"])
    repeated = grouped[grouped["count"] > 1].reset_index()
    if repeated.empty:
        return None
    repeated["range"] = repeated["max"] - repeated["min"]
    by_method = repeated.groupby("method", sort=False).agg(
        sets=("data.name", "nunique"), seeds=("count", "mean"), sd=("std", "mean"),
        median=("std", "median"), largest=("range", "max"),
    )  # fmt: skip
    by_method = by_method.reindex([m for m in own.methods if m in by_method.index]).reset_index()
    widest = repeated.sort_values("range", ascending=False).head(10)
    widest = widest[["data.name", "method", "count", "min", "max", "range"]]
    names = {"data.name": "data set", "count": "seeds"}
    tables = [
        Table(
            "spread",
            by_method,
            f"Standard deviation of {own.split} {own.study.metric} over seeds on one split of a "
            "data set: its mean and median over data sets, and the largest range.",
            {"seeds": ".1f"},
        ),
        Table("spread_widest", widest.rename(columns=names), "Where seeds lie furthest apart."),
    ]
    return Section("Spread over seeds", (), tables)
