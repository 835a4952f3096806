"""Several labels at once, by task and by depth beside the printed means: Tox21."""

import pandas as pd

from snnjax.report import printed
from snnjax.report.evidence import GROUP, Evidence
from snnjax.report.section import Section, Table
from snnjax.report.selection import select


def tasks(own: Evidence) -> Section | None:
    """Give the mean over tasks beside the printed one, by method, by depth and by task."""
    if own.chosen.empty:
        return None
    told = printed.tox21()
    tables = [_by_method(own, told), _by_depth(own, told), _by_task(own)]
    return Section("Beside the printed table", (), [table for table in tables if table is not None])


def _by_method(own: Evidence, told: pd.DataFrame) -> Table:
    best = told.loc[told.groupby("method")["auc"].idxmax()].set_index("method")
    frame = own.chosen.groupby("method")["score"].agg(["mean", "std", "count"])
    frame = frame.reindex([m for m in own.methods if m in frame.index])
    frame.columns = ["mean", "sd", "runs"]
    frame["best printed"] = best["auc"].reindex(frame.index)
    frame["± printed"] = best["pm"].reindex(frame.index)
    frame["at depth"] = best["depth"].reindex(frame.index)
    frame["difference"] = frame["mean"] - frame["best printed"]
    return Table(
        "tasks",
        frame.reset_index(names="method"),
        f"{own.split.capitalize()} area under the ROC curve, mean over tasks, of the trial chosen "
        "by validation: mean and standard deviation over seeds, beside the best printed mean of "
        "the method, which is that of the depth with the best test result.",
        {"difference": "+.4f", "at depth": ".0f"},
    )


def _by_depth(own: Evidence, told: pd.DataFrame) -> Table | None:
    """Let each depth have its own chosen trial, as the printed table has."""
    if "model.depth" not in own.runs or own.runs["model.depth"].nunique() < 2:
        return None
    chosen = select(own.runs, (*GROUP, "model.depth")).chosen
    ours = chosen.pivot_table(index="method", columns="model.depth", values=own.score_column)
    ours = ours.reindex([m for m in own.methods if m in ours.index])
    ours.columns = [f"{depth:g}" for depth in ours.columns]
    known = told.assign(depth=told["depth"].map(lambda depth: f"{depth:g}"))
    same = known.pivot(index="method", columns="depth", values="auc")
    same = same.reindex(index=ours.index, columns=ours.columns)
    return Table(
        "by_depth",
        ours.reset_index(names="method"),
        "By depth, the other parameters chosen by validation; the printed mean below.",
        below=same.reset_index(drop=True),
    )


def _by_task(own: Evidence) -> Table | None:
    prefix = f"{own.split}.roc_auc."
    columns = [name for name in own.chosen if str(name).startswith(prefix)]
    columns = [name for name in columns if own.chosen[name].notna().any()]
    if not columns:
        return None
    means = own.chosen.groupby("method")[columns].mean()
    means = means.reindex([m for m in own.methods if m in means.index]).T
    means.index = [name.removeprefix(prefix) for name in means.index]
    return Table(
        "by_task",
        means.reset_index(names="task"),
        "Area under the ROC curve of single tasks, mean over seeds.",
    )
