"""Intervals of methods below one another."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from snnjax.figures.style import BLUE, GREY, make_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _LINE = 6.0, 0.26  # inches


@styled
def draw_intervals(
    table: pd.DataFrame, score: str, *, reference: float | None = None, title: str = ""
) -> "Figure":
    """Draw a value and its interval for every method, in the order of the table.

    Args:
        table: As `stats.bootstrap_interval` and `stats.probability_of_improvement` return it: one
            row per method, columns value, low and high.
        score: What the horizontal axis is.
        reference: Where a line says that there is no difference.
        title: What stands above the axes.
    """
    figure, axes = make_figure((_WIDTH, _LINE * len(table) + 0.9), 1, 1, title)
    ax = axes[0, 0]
    places = np.arange(len(table))
    if reference is not None:
        ax.axvline(reference, color=GREY, linewidth=1)
    ax.hlines(places, table["low"], table["high"], color=BLUE, linewidth=6, alpha=0.35)
    ax.plot(table["value"], places, "|", color=BLUE, markersize=10, markeredgewidth=2)
    ax.set_yticks(places, [str(name) for name in table.index])
    ax.set(ylim=(len(table) - 0.5, -0.5), xlabel=score)
    ax.grid(False, axis="y")
    return figure
