"""What to know of the grid itself: chosen values on its edge, trials that diverged."""

import pandas as pd

from snnjax.report.evidence import Evidence
from snnjax.report.section import Section, Table, several
from snnjax.report.studies import UNKNOWN
from snnjax.report.table import varying

_FEWEST_VALUES = 3  # of two values each lies on an edge
_OFTEN = 0.5

# Average depth that the paper's selection chose on UCI, in layers, of ResNet in blocks (section 4).
_PRINTED_DEPTHS = {
    "SNN": 10.8, "MSRAinit": 7.1, "LayerNorm": 7.0, "ResNet": 6.35, "BatchNorm": 6.0,
    "Highway": 5.9, "WeightNorm": 3.8,
}  # fmt: skip


def edges(own: Evidence) -> Section | None:
    """Warn where the chosen value of a parameter lies on the edge of what was searched."""
    table = shares_on_edges(own)
    if table.empty:
        return None
    warnings = [
        f"{row.method}: {row.share:.0%} of the chosen trials have {row.parameter} = {row.value}, "
        f"the {row.edge} value searched: a better one may lie beyond"
        for row in table[table["share"] >= _OFTEN].itertuples()
    ]
    shown = Table(
        "edges",
        table,
        "How often the chosen trial has the lowest or the highest value of what was searched, for "
        f"parameters with at least {_FEWEST_VALUES} values.",
        {"share": ".0%"},
        is_folded=True,
    )
    return Section("Edges of the grid", (), [shown], warnings=warnings)


def shares_on_edges(own: Evidence) -> pd.DataFrame:
    """Return for each method and parameter the share of chosen trials on either edge.

    Zero is no edge: there is nothing beyond it.
    """
    columns = ["method", "parameter", "edge", "value", "share", "chosen"]
    rows = []
    for method, runs in own.runs.groupby("method", sort=False):
        chosen = own.chosen[own.chosen["method"] == method]
        for name in varying(runs):
            if not pd.api.types.is_numeric_dtype(runs[name]) or name not in chosen:
                continue
            values = runs[name].dropna().unique()
            if len(values) < _FEWEST_VALUES or not len(chosen):
                continue
            for edge, value in (("lowest", values.min()), ("highest", values.max())):
                share = float((chosen[name] == value).mean())
                if value != 0:
                    rows.append((method, name, edge, f"{value:g}", share, len(chosen)))
    return pd.DataFrame(rows, columns=columns)


def infeasible(own: Evidence) -> Section | None:
    """Count the runs that diverged or failed, by method and learning rate."""
    counts = own.selection.counts
    counts = counts.reindex([m for m in (*own.methods, UNKNOWN) if m in counts.index])
    tables = [
        Table(
            "runs",
            counts.reset_index(names="method"),
            "Trials and runs of each method, and how these ended. Diverged and failed runs are "
            "never chosen; `open` ones have not ended.",
        )
    ]
    rates, rate = own.runs, "optimizer.learning_rate"
    if rate in rates and rates[rate].nunique() > 1:
        ended = rates[rates["status"].isin(("done", "diverged", "failed"))]
        share = (ended["status"] != "done").groupby([ended["method"], ended[rate]]).mean().unstack()
        share = share.reindex([m for m in own.methods if m in share.index])
        share.columns = [f"{value:g}" for value in share.columns]
        tables.append(
            Table(
                "infeasible",
                share.reset_index(names="method"),
                "Share of runs that diverged or failed, by learning rate.",
                dict.fromkeys(share.columns, ".0%"),
            )
        )
    empty = own.selection.empty
    warnings = [
        f"{method}: no run ended well for {len(groups)} of data set, fold and seed "
        f"({', '.join(dict.fromkeys(groups['data.name'].astype(str)))[:120]}): missing, ranked last"
        for method, groups in empty.groupby("method", sort=False)
    ]
    messages = own.runs["message"].dropna()
    warnings += [
        f"{several(count, 'run')} failed: {message.splitlines()[0]}"
        for message, count in messages[messages != ""].value_counts().head(5).items()
    ]
    return Section("Runs that came to nothing", (), tables, warnings=warnings)


def selected(own: Evidence) -> Section | None:
    """Tell which values were chosen: the mean depth, and how often each value of a parameter."""
    names = [n for n in varying(own.runs) if n not in ("model.name", *own.study.method)]
    chosen, rows = own.chosen, []
    for method in own.methods:
        for name in names:
            values = chosen.loc[chosen["method"] == method, name].dropna()
            shares = values.value_counts(normalize=True).sort_index()
            if len(own.runs.loc[own.runs["method"] == method, name].dropna().unique()) > 1:
                rows += [(method, name, str(value), share) for value, share in shares.items()]
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=["method", "parameter", "value", "share"])
    caption = "How often each value was chosen."
    tables = [Table("selected", frame, caption, {"share": ".0%"}, is_folded=True)]
    if "model.depth" in names:
        depth = chosen.groupby("method")["model.depth"].mean()
        depth = depth.reindex([m for m in own.methods if m in depth.index])
        frame = depth.rename("mean depth").reset_index()
        if own.study.name == "uci":
            frame["printed"] = frame["method"].map(_PRINTED_DEPTHS)
        caption = "Mean depth of the chosen trials (printed: over the paper's own grid)."
        tables.insert(0, Table("depth", frame, caption, dict.fromkeys(frame.columns[1:], ".1f")))
    return Section("What was chosen", (), tables)
