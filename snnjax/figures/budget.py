"""Score against budget: what the best of k trials is expected to reach."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from snnjax.figures.style import distinct_colors, make_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE = 6.4, 3.6
_FEW = 2  # so many methods have a band each; those of more would hide one another
_MARKED = 12  # so many values have a point each
_LINES = ("-", "--")
_ASIDE = 0.02  # distance of bars, in trials per trial


@styled
def draw_budget(curves: pd.DataFrame, score: str, *, title: str = "") -> "Figure":
    """Draw the expected score of the best of k trials over k, methods by their best score.

    Args:
        curves: As `stats.best_of_k` returns them: method, k, expected, low and high.
        score: What the vertical axis is, such as `test accuracy`.
        title: What stands above the axes.
    """
    figure, axes = make_figure(_SIZE, 1, 1, title or "Score of the best of k trials")
    ax = axes[0, 0]
    methods = list(dict.fromkeys(curves["method"]))
    ends = {}
    colors = distinct_colors(len(methods))
    for place, (name, color) in enumerate(zip(methods, colors, strict=True)):
        own = curves[curves["method"] == name]
        ends[name] = own["expected"].iloc[-1]
        marker = "o" if len(own) <= _MARKED else None
        ax.plot(
            own["k"], own["expected"], _LINES[place % 2], color=color, label=name, linewidth=1.5,
            marker=marker, markersize=3,
        )  # fmt: skip
        _draw_spread(ax, own, place, len(methods), color)
    _label(ax, int(curves["k"].max()), score)
    _legend(figure, ax, ends)
    return figure


def _draw_spread(ax: Any, own: pd.DataFrame, place: int, methods: int, color: Any) -> None:
    """Draw intervals: a band, or bars beside one another where 1, 2, 4, ... trials were made."""
    if methods <= _FEW:
        ax.fill_between(own["k"], own["low"], own["high"], color=color, alpha=0.15, linewidth=0)
        return
    marked = own[np.log2(own["k"]) % 1 == 0]
    aside = 1 + _ASIDE * (place - (methods - 1) / 2)
    ax.vlines(
        marked["k"] * aside, marked["low"], marked["high"], color=color, alpha=0.6, linewidth=1
    )


def _label(ax: Any, most: int, score: str) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    ticks = [2**power for power in range(most.bit_length())]
    ax.set(xlabel="trials (k)", ylabel=score, xscale="log")
    ax.xaxis.set_major_locator(FixedLocator([*ticks[:-1], most]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _legend(figure: "Figure", ax: Any, ends: dict[str, float]) -> None:
    """List the methods beside the axes in the order in which their curves end, upper ones first."""
    lines = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    order = sorted(ends, key=lambda name: -ends[name])
    figure.legend([lines[str(name)] for name in order], order, loc="outside right upper")
