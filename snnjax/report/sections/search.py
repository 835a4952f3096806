"""What searching brought: the score against the number of trials, and each parameter alone."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from snnjax import stats
from snnjax.metric_names import MAXIMIZED
from snnjax.report import drawing
from snnjax.report.evidence import GROUP, Evidence
from snnjax.report.section import Picture, Section, Table
from snnjax.report.selection import in_order as by_objective
from snnjax.report.table import varying

_BUDGETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_PANELS = 8  # parameters that are drawn


def budget(own: Evidence) -> Section | None:
    """Tell what score is to be expected of the best of k trials; None without a search."""
    curves = expected_best(own)
    if curves.empty:
        return None
    shown = [k for k in _BUDGETS if k in curves.index]
    shown = list(dict.fromkeys([*shown, int(curves.index.max())]))
    frame = curves.loc[shown].reset_index(names="trials")
    what = f"{own.split} {own.study.metric}"
    table = Table(
        "budget",
        frame,
        f"Mean {what} of the trial with the best validation among k trials drawn at random from "
        "those that were run, without replacement; a diverged trial counts, worth as little as "
        "the worst.",
    )
    picture = Picture(
        "budget",
        drawing.lines(curves, "trials", what, logarithmic=True),
        f"Mean {what} to be expected of the best of k trials.",
    )
    return Section("Score against budget", (), [table], [picture])


def expected_best(own: Evidence) -> pd.DataFrame:
    """Return the mean expected score of the best of k trials: rows k, columns methods.

    The mean is over the data sets, folds and seeds with the most trials of their method.
    """
    column, sign = own.score_column, 1 if own.is_more_better else -1
    runs = own.runs[own.runs["status"].isin(("done", "diverged", "failed"))]
    if column not in runs or runs.empty:
        return pd.DataFrame()
    is_done = (runs["status"] == "done") & runs["objective"].notna()
    is_maximized = runs["training.monitor"].isin(MAXIMIZED)
    by = runs["objective"].where(is_maximized, -runs["objective"]).where(is_done)
    scored = runs.assign(by=by, score=sign * runs[column].where(is_done))
    found: dict[str, list[NDArray[np.float64]]] = {}
    for (method, *_), group in scored.groupby([*GROUP], sort=False):
        if len(group) > 1 and group["score"].notna().any():
            best = stats.best_of_trials(group["score"].to_numpy(float), group["by"].to_numpy(float))
            found.setdefault(method, []).append(sign * best.expected)
    means = {}
    for method in own.methods:
        curves = found.get(method, [])
        most = max(map(len, curves), default=0)
        full = [curve for curve in curves if len(curve) == most]
        if full:
            means[method] = pd.Series(np.mean(full, axis=0))
    table = pd.DataFrame(means)
    table.index += 1
    return table


def isolation(own: Evidence) -> Section | None:
    """Draw each searched parameter alone: the best objective with each of its values."""
    parameters = [
        name for name in varying(own.runs) if name not in ("model.name", *own.study.method)
    ]
    done = own.runs[(own.runs["status"] == "done") & own.runs["objective"].notna()]
    tables = {}
    for name in parameters:
        best = best_with(done, name)
        if best["value"].nunique() > 1:
            tables[name] = best
    if not tables or own.selection.counts["trials"].max() < 2:
        return None
    monitor = done["training.monitor"].mode()[0]
    stacked = pd.concat([t.assign(parameter=name) for name, t in tables.items()])
    frame = stacked[["parameter", "value", "method", "best", "groups"]]
    table = Table(
        "isolation",
        frame.assign(value=frame["value"].map(str)),
        f"Mean over data sets, folds and seeds of the best validation {monitor} among the trials "
        "with a value of one parameter, whatever the others are.",
        is_folded=True,
    )
    shown = dict(list(tables.items())[:_PANELS])
    picture = Picture(
        "isolation",
        drawing.isolation(shown, own.methods, f"best validation {monitor}"),
        f"The best validation {monitor} with each value of one parameter, mean over data sets, "
        "folds and seeds.",
    )
    return Section("Each parameter alone", (), [table], [picture])


def best_with(done: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the mean over groups of the best objective with each value of a parameter, by method.

    Only groups in which every value of the method was tried count, so that means compare.
    """
    known = done.dropna(subset=[name])
    best = by_objective(known).groupby([*GROUP, name], sort=False)["objective"].first().unstack()
    rows = []
    for method, of_method in best.groupby(level="method"):
        own = of_method.dropna(axis=1, how="all").dropna()
        if own.shape[1] > 1 and len(own):
            rows += [
                {"value": value, "method": method, "best": own[value].mean(), "groups": len(own)}
                for value in sorted(own.columns)
            ]
    return pd.DataFrame(rows, columns=["value", "method", "best", "groups"])
