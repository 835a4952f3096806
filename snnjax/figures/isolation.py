"""Isolation plots: scores by value of one hyperparameter, all others being free."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from snnjax.figures.axes import sparse
from snnjax.figures.style import BLUE, GREY, RED, make_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 3
_MOST_LABELS = 7  # of values; of more, such as those drawn at random, some have none
_SIZE = 2.5, 2.3  # of the axes of one hyperparameter, in inches
_CROSS = "✕"
_TEXT = 11  # longer values are cut
_LEGEND = 0.5  # inches


@styled
def draw_isolation(values: pd.DataFrame, score: str, *, title: str = "") -> "Figure":
    """Draw the best score and the quartiles of each value of each hyperparameter.

    Args:
        values: As `stats.isolation` returns them: key, value, trials, failed, worst, lower,
            median, upper and best.
        score: What the vertical axis is, such as `validation accuracy`.
        title: What stands above the axes.
    """
    from matplotlib.lines import Line2D

    keys = list(dict.fromkeys(values["key"]))
    columns = min(_COLUMNS, len(keys))
    rows = -(-len(keys) // columns)
    size = max(3.6, _SIZE[0] * columns + 0.5), _SIZE[1] * rows + 0.3 + _LEGEND
    figure, axes = make_figure(
        size, rows, columns, title or "One hyperparameter at a time", sharey=True
    )
    for ax, key in zip(axes.flat, keys, strict=False):
        own = values[values["key"] == key].reset_index(drop=True)
        _draw_values(ax, own)
        ax.set_xlabel(key)
    _leave_room(axes[0, 0], values)
    for ax in axes.flat[len(keys) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel(score)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if values["failed"].any():
        handles, labels = [*handles, Line2D([], [], ls="none")], [*labels, f"{_CROSS} failed"]
    figure.legend(handles, labels, loc="outside lower center", ncols=5 if columns > 1 else 3)
    return figure


def _leave_room(ax: Any, values: pd.DataFrame) -> None:
    """Let the numbers of failed trials have room below all scores."""
    low, high = values["worst"].min(), values["best"].max()
    low, high = min(low, high), max(low, high)  # of errors the best is lowest
    if np.isfinite(low) and high > low:
        below = 0.14 if values["failed"].any() else 0.05
        ax.set_ylim(low - below * (high - low), high + 0.05 * (high - low))


def _draw_values(ax: Any, own: pd.DataFrame) -> None:
    """Draw one hyperparameter: values in their order, evenly spaced."""
    places = np.arange(len(own))
    ax.vlines(places, own["worst"], own["best"], color=GREY, linewidth=0.8, label="all trials")
    ax.vlines(
        places, own["lower"], own["upper"], color=BLUE, linewidth=7, alpha=0.35, label="middle half"
    )
    ax.plot(places, own["median"], "_", color=BLUE, markersize=10, label="median")
    ax.plot(places, own["best"], "o-", color=RED, markersize=4, linewidth=1, label="best")
    shown = sparse(len(own), _MOST_LABELS)
    ax.set_xticks(shown, [_text(own["value"][place]) for place in shown])
    ax.set_xlim(-0.5, len(own) - 0.5)
    ax.grid(False, axis="x")
    for place, failed in zip(places, own["failed"], strict=True):
        if failed:
            ax.annotate(
                f"{failed} {_CROSS}", (place, 0), xycoords=("data", "axes fraction"), xytext=(0, 2),
                textcoords="offset points", ha="center", va="bottom", fontsize=7, color=GREY,
            )  # fmt: skip


def _text(value: object) -> str:
    if value is None or value != value:
        return "null"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
