"""Our scores beside the printed ones, and what of the difference chance explains."""

import pandas as pd

from snnjax import stats
from snnjax.report.evidence import Evidence
from snnjax.report.section import Section, Table
from snnjax.report.studies import in_order

# Rows of Table A11 to be read with care: annealing is .07 to .76 over seeds, the test file of
# spectf has 92 % of one class while its training file is balanced.
_CHAOTIC = ("annealing", "monks-1", "monks-2", "monks-3", "spectf")
_MOST = 12  # sets that are named as those that differ most


def beside(own: Evidence) -> Section | None:
    """Set each score beside the printed one; None without a printed table or a common method."""
    if own.printed is None or not own.printed_methods:
        return None
    pairs = compare(own)
    if pairs.empty:
        return None
    summary = _by_method(pairs)
    inside = pairs["inside"].mean()
    text = [
        f"{len(pairs)} results on {pairs['data set'].nunique()} data sets have a printed one: the "
        f"mean absolute difference is {pairs['absolute'].mean():.4f}, where "
        f"{pairs['expected'].mean():.4f} is to be expected of two networks that are equally good "
        f"and are right by chance on these numbers of test rows. {inside:.0%} of our results lie "
        "in the 95 % binomial interval of the printed ones.",
    ]
    apart = pairs["data set"].isin(_CHAOTIC)
    if apart.any() and not apart.all():
        left = pairs[~apart]
        text.append(
            f"Without {', '.join(name for name in _CHAOTIC if name in set(pairs['data set']))}, "
            "whose results hang on the seed or on how inputs were scaled, the mean absolute "
            f"difference is {left['absolute'].mean():.4f}, by chance "
            f"{left['expected'].mean():.4f}."
        )
    tables = [summary, _sets(own, pairs), _most(pairs)]
    return Section("Beside the printed table", text, [t for t in tables if t is not None])


def compare(own: Evidence) -> pd.DataFrame:
    """Return one row per data set and method that the printed table has too.

    The columns are `data set`, `method`, `seeds`, `absolute` (mean over seeds of absolute
    differences), and those of `stats.compare_with_printed`, `ours` being the mean over seeds.
    """
    chosen = own.chosen[own.chosen["data.fold"] == 0]
    if "rows.test" not in chosen:
        return pd.DataFrame()
    parts = []
    for method in own.printed_methods:
        runs = chosen[chosen["method"] == method].dropna(subset=["score", "rows.test"])
        known = runs.set_index("data.name")
        if own.printed is None or not known.index.isin(own.printed[method].dropna().index).any():
            continue
        grouped = known.groupby(level=0)
        pairs = stats.compare_with_printed(
            grouped["score"].mean(), own.printed[method], grouped["rows.test"].first()
        )
        away = (known["score"] - own.printed[method].reindex(known.index)).abs()
        pairs = pairs.assign(
            method=method, seeds=grouped.size(), absolute=away.groupby(level=0).mean()
        )
        parts.append(pairs.reset_index(names="data set"))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _by_method(pairs: pd.DataFrame) -> Table:
    grouped = pairs.groupby("method", sort=False)
    frame = grouped.agg(
        sets=("ours", "size"), ours=("ours", "mean"), printed=("printed", "mean"),
        difference=("difference", "mean"), absolute=("absolute", "mean"),
        expected=("expected", "mean"), inside=("inside", "mean"),
    )  # fmt: skip
    frame = frame.reindex(in_order(frame.index)).reset_index()
    frame = frame.rename(
        columns={
            "absolute": "mean |difference|",
            "expected": "by chance",
            "inside": "inside interval",
        }
    )
    return Table(
        "beside_by_method",
        frame,
        "Mean accuracy beside the printed one on the same data sets; the mean absolute difference "
        "of single runs beside that of two equally good networks which differ by chance alone; the "
        "share of our results inside the 95 % binomial interval of the printed ones.",
        {"difference": "+.4f", "inside interval": ".0%"},
    )


def _sets(own: Evidence, pairs: pd.DataFrame) -> Table:
    methods = own.printed_methods

    def spread(column: str) -> pd.DataFrame:
        wide = pairs.pivot(index="data set", columns="method", values=column)
        return wide.reindex(columns=methods)

    ours, printed = spread("ours"), spread("printed")
    is_outside = spread("inside") == False  # noqa: E712  missing is neither
    marks = pd.DataFrame("", index=ours.index, columns=ours.columns).mask(is_outside, "off")
    rows = pairs.groupby("data set")["rows"].first()
    frame = ours.reset_index()
    frame.insert(1, "test rows", rows.reindex(ours.index).to_numpy())
    return Table(
        "beside_by_set",
        frame,
        "Ours, with the printed accuracy below; marked where ours lies outside the 95 % binomial "
        "interval of the printed one.",
        {"test rows": ",.0f"},
        marks=marks.reset_index(drop=True),
        below=printed.reset_index(drop=True),
        is_folded=len(frame) > 2 * _MOST,
    )


def _most(pairs: pd.DataFrame) -> Table:
    """Return the sets whose scores differ most from the printed ones, over all methods."""
    grouped = pairs.groupby("data set").agg(
        rows=("rows", "first"), methods=("method", "size"), difference=("difference", "mean"),
        absolute=("absolute", "mean"), expected=("expected", "mean"), outside=("inside", "mean"),
    )  # fmt: skip
    grouped["outside"] = 1 - grouped["outside"]
    grouped = grouped.sort_values("absolute", ascending=False).head(_MOST).reset_index()
    grouped = grouped.rename(
        columns={"rows": "test rows", "absolute": "mean |difference|", "expected": "by chance"}
    )
    return Table(
        "differ_most",
        grouped,
        "The data sets whose results differ most from the printed ones, over all methods: what "
        "chance explains, and the share of methods outside the binomial interval.",
        {"test rows": ",.0f", "difference": "+.4f", "outside": ".0%"},
    )
