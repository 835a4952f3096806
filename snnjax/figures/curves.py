"""Learning curves up to the best epoch."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from snnjax.figures.axes import label_epochs
from snnjax.figures.groups import Group
from snnjax.figures.picture import Choices, Drawn
from snnjax.figures.pooling import pool
from snnjax.figures.records import Array, Run
from snnjax.figures.style import GREY, distinct_colors, make_figure

_SPLITS: Mapping[str, Literal["--", "-"]] = {"train": "--", "validation": "-"}
_MOST = 4  # metrics that are drawn
_SIZE = 3.0, 2.6  # of the axes of one metric, in inches

Curve = Mapping[float, float]
"""Values by epoch."""


def draw_learning_curves(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw the metrics of training and validation rows up to the best epoch."""
    metrics = metric_names(groups)[:_MOST]
    size = _SIZE[0] * len(metrics) + 1.6, _SIZE[1]
    figure, axes = make_figure(size, 1, len(metrics), "Learning curves up to the best epoch")
    for ax, metric in zip(axes[0], metrics, strict=True):
        for group, color in zip(groups, distinct_colors(len(groups)), strict=True):
            for split, style in _SPLITS.items():
                _draw_curve(ax, group, metric, split, color, style)
        ax.set_ylabel(metric)
        ax.set_xlim(left=0)
    _draw_legend(figure, groups)
    seen = "Dashed: training rows; solid: validation rows, a dot at the best epoch of each run."
    several = any(len(group.runs) > 1 for group in groups)
    spread = (
        "Lines are medians of runs; shading, of validation rows only, spans all runs."
        if several
        else ""
    )
    return Drawn(figure, [seen, spread, _ends(groups)])


def metric_names(groups: Sequence[Group]) -> list[str]:
    """Return the metrics that any run has on validation rows, or on training rows; loss first."""
    runs = [run for group in groups for run in group.runs]
    found = [_metrics(run, split) for split in ("validation", "train") for run in runs]
    names = dict.fromkeys(name for own in found for name in own)
    return sorted(names, key=lambda name: name != "loss")


def has_metrics(run: Run) -> bool:
    """Tell whether there is anything to draw: of a run that diverged at once there is not."""
    return any(_metrics(run, split) for split in _SPLITS)


def _metrics(run: Run, split: str) -> list[str]:
    lines = [line for line in run.history if line.get("split") == split]
    return [key for line in lines for key in line if _is_metric(key, line[key])]


def curve_of(run: Run, metric: str, split: str) -> Curve:
    """Return the values of a metric on a split by epoch."""
    return {
        float(line["epoch"]): float(line[metric])
        for line in run.history
        if line.get("split") == split and isinstance(line.get(metric), int | float)
    }


def _is_metric(key: str, value: Any) -> bool:
    """Tell a metric from the place of a line, and from the scalars of diagnostics by layer."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return key not in ("epoch", "step", "seconds") and is_number and "/" not in key


def _draw_curve(ax: Any, group: Group, metric: str, split: str, color: str, style: str) -> None:
    curves = [curve_of(run, metric, split) for run in group.runs]
    last = _last_epoch(group)
    epochs = np.array(sorted({e for curve in curves for e in curve if e <= last}))
    if not len(epochs):
        return
    values = np.array([[curve.get(epoch, np.nan) for epoch in epochs] for curve in curves])
    band = pool(values)
    marker = "." if len(epochs) == 1 else None
    ax.plot(epochs, band.middle, style, color=color, linewidth=1.3, marker=marker)
    label_epochs(ax, epochs)
    if split == "train":
        return
    if len(curves) > 1:
        ax.fill_between(epochs, band.low, band.high, color=color, alpha=0.2, linewidth=0)
    best = _best(group, curves)
    if len(best):
        ax.plot(*best.T, "o", color=color, markersize=4, clip_on=False, zorder=4)


def _best(group: Group, curves: Sequence[Curve]) -> Array:
    """Return best epochs and the values there, (runs, 2)."""
    pairs = [
        (run.best_epoch, curve[run.best_epoch])
        for run, curve in zip(group.runs, curves, strict=True)
        if run.best_epoch is not None and run.best_epoch in curve
    ]
    return np.array(pairs, np.float64).reshape(-1, 2)


def _last_epoch(group: Group) -> float:
    """Return the latest of the runs' best epochs; without a result there is no end."""
    known = [run.best_epoch for run in group.runs]
    return max((np.inf if epoch is None else epoch for epoch in known), default=np.inf)


def _ends(groups: Sequence[Group]) -> str:
    best = [run.best_epoch for group in groups for run in group.runs]
    known = [epoch for epoch in best if epoch is not None]
    if not known:
        return "No result is there yet: all epochs are drawn."
    few, many = min(known), max(known)
    span = f"{few}" if few == many else f"{few} to {many}"
    text = f"Best epochs: {span}; lines end at the latest of their group."
    if len(known) < len(best):
        text += f" {len(best) - len(known)} of {len(best)} runs have no result yet."
    return text


def _draw_legend(figure: Any, groups: Sequence[Group]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=color, label=group.label)
        for group, color in zip(groups, distinct_colors(len(groups)), strict=True)
        if group.label
    ]
    handles += [Line2D([], [], color=GREY, linestyle=s, label=n) for n, s in _SPLITS.items()]
    figure.legend(handles=handles, loc="outside right upper", fontsize=8)
