"""Which trial stands for a method: chosen on the validation rows, as the SNN paper does it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from snnjax.metric_names import MAXIMIZED
from snnjax.report.table import varying

GROUP = ("method", "data.name", "data.fold", "seed")
"""Each method has one chosen run for every data set, fold and seed."""

INFEASIBLE = ("diverged", "failed")
OPEN = ("left", "running")

# Ties on validation: more layers, then lower learning rate, then higher dropout (appendix A4.2).
_TIES = (("model.depth", False), ("optimizer.learning_rate", True), ("model.dropout", False))
# Means of the same values in another order differ in their last digits.
_DIGITS = 10


@dataclass(frozen=True)
class Selection:
    """What was chosen.

    Attributes:
        chosen: The chosen rows of the run table, with `trials`, out of how many done ones.
        counts: By method: `trials` (settings tried), `runs`, `done`, `diverged`, `failed`, `open`.
        empty: Groups in which every run is infeasible or not done: their score is missing.
        notes: What there is to say, a line each.
    """

    chosen: pd.DataFrame
    counts: pd.DataFrame
    empty: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def select(runs: pd.DataFrame, by: Sequence[str] = GROUP) -> Selection:
    """Choose in each group the run with the best objective; diverged runs are never chosen.

    Args:
        runs: Rows of the run table with a column `method`.
        by: The columns whose values make a group.
    """
    alike, notes = _watching_alike(runs)
    ranked = in_order(alike[(alike["status"] == "done") & alike["objective"].notna()])
    groups = ranked.groupby([*by], sort=False, dropna=False)
    chosen = groups.head(1).copy()
    chosen["trials"] = groups["objective"].transform("size").loc[chosen.index]
    return Selection(
        chosen.sort_values([*by]).reset_index(drop=True),
        count(runs),
        _empty(runs, chosen, by),
        notes,
    )


def in_order(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs from the best to the worst by objective and the rules for ties.

    Among runs that these do not tell apart the one whose folder comes first is the better.
    """
    is_more_better = runs["training.monitor"].isin(MAXIMIZED)
    value = runs["objective"].astype(float).round(_DIGITS)
    keys = pd.DataFrame({"objective": value.where(~is_more_better, -value)})
    for column, ascending in _TIES:
        if column in runs:
            number = pd.to_numeric(runs[column], errors="coerce")
            keys[column] = number if ascending else -number
    return runs.loc[keys.sort_values([*keys.columns], kind="stable").index]


def number_trials(runs: pd.DataFrame) -> pd.Series:
    """Return for each run the number of its trial: equal settings, equal number."""
    columns = varying(runs)
    if not columns:
        return pd.Series(0, index=runs.index)
    return runs.groupby(columns, sort=False, dropna=False).ngroup()


def _watching_alike(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out runs whose objective is another metric than that of most runs on a data set."""
    notes, kept = [], []
    for data, own in runs.groupby("data.name", sort=False):
        watched = own["training.monitor"].dropna()
        if watched.nunique() > 1:
            most = watched.mode()[0]
            others = ", ".join(sorted(set(watched) - {most}))
            notes.append(f"{data}: runs that watch {others} are not chosen from, most watch {most}")
            own = own[own["training.monitor"] == most]
        kept.append(own)
    return (pd.concat(kept).sort_index() if kept else runs.iloc[:0]), notes


def count(runs: pd.DataFrame) -> pd.DataFrame:
    """Return by method how many trials and runs there are, and how these ended."""
    status = runs["status"].where(runs["status"].isin(("done", *INFEASIBLE)), "open")
    table = pd.crosstab(runs["method"], status)
    table = table.reindex(columns=["done", *INFEASIBLE, "open"], fill_value=0)
    trials = number_trials(runs).groupby(runs["method"]).nunique()
    table.insert(0, "runs", table.sum(axis=1))
    table.insert(0, "trials", trials)
    table.columns.name = None
    return table


def _empty(runs: pd.DataFrame, chosen: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the groups without a chosen run, and without one to come."""
    wanted = pd.MultiIndex.from_frame(runs[[*by]].dropna()).unique()
    to_come = pd.MultiIndex.from_frame(runs.loc[runs["status"].isin(OPEN), [*by]])
    had = pd.MultiIndex.from_frame(chosen[[*by]])
    return wanted.difference(had.append(to_come), sort=False).to_frame(index=False)
