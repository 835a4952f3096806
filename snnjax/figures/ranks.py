"""Critical-difference diagrams: average ranks, and what does not differ (Demsar 2006)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from snnjax.figures.style import BLACK, BLUE, GREY, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 7.0  # inches
_LINE = 0.23  # height of a line of text, in inches; vertical distances are in such lines
_SCALE = 1.6  # lines above the axis: its numbers
_RULER = 1.4  # more lines: the critical difference above them
_BAR = 0.45  # lines between bars of groups
_MOST_TICKS = 13
_LETTER = 0.078  # mean width of a letter, in inches
_LEAST_SIDE = 0.8  # least room for names on either side, in inches
_ROOM = 0.02  # between the end of a line and the name there, as a share of the axis


@styled
def draw_critical_difference(
    average: pd.Series,
    difference: float | None = None,
    groups: Sequence[Sequence[str]] = (),
) -> "Figure":
    """Draw methods on an axis of average ranks, best on the left, with bars over groups.

    Args:
        average: Average rank by method.
        difference: How far apart ranks must be to differ, drawn as a ruler; None for no ruler.
        groups: Names of methods that are not told apart, each group a bar (`stats.cliques`).
    """
    from matplotlib.figure import Figure

    ordered = average.sort_values(kind="stable")
    half = (len(ordered) + 1) // 2
    levels = _levels(ordered, groups)
    bars = _BAR * (max(levels, default=-1) + 1) + (0.5 if groups else 0.2)
    above = _SCALE + (_RULER if difference is not None else 0)
    figure = Figure((_WIDTH, _LINE * (above + bars + half + 0.4)))
    side = max(_LEAST_SIDE, _LETTER * (max(len(str(name)) for name in ordered.index) + 9)) / _WIDTH
    ax = figure.add_axes((side, 0, 1 - 2 * side, 1))
    low, high = _ends(ordered, difference)
    ax.set(xlim=(low, high), ylim=(bars + half + 0.4, -above))
    ax.axis("off")
    _draw_axis(ax, low, high)
    if difference is not None:
        _draw_ruler(ax, low, difference)
    _draw_names(ax, ordered, half, bars)
    for names, level in zip(groups, levels, strict=True):
        _draw_bar(ax, ordered[list(names)], 0.4 + _BAR * level)
    return figure


def _levels(ordered: pd.Series, groups: Sequence[Sequence[str]]) -> list[int]:
    """Return how far below the axis the bar of each group is, so that bars do not meet."""
    ends: list[float] = []  # of the last bar at each level
    found = []
    for names in groups:
        own = ordered[list(names)]
        free = [level for level, end in enumerate(ends) if own.min() > end]
        level = free[0] if free else len(ends)
        ends[level : level + 1] = [own.max() + 0.02 * (ordered.iloc[-1] - ordered.iloc[0])]
        found.append(level)
    return found


def _draw_bar(ax: Any, own: pd.Series, height: float) -> None:
    room = 0.004 * (ax.get_xlim()[1] - ax.get_xlim()[0])
    ends = own.min() - room, own.max() + room
    ax.plot(ends, [height] * 2, color=BLUE, linewidth=3.5, solid_capstyle="butt", zorder=3)


def _ends(ordered: pd.Series, difference: float | None) -> tuple[float, float]:
    """Return where the axis of ranks begins and ends: whole ranks around all that is drawn."""
    low = max(np.floor(ordered.iloc[0]), 1.0)
    high = max(np.ceil(ordered.iloc[-1]), low + np.ceil(difference or 0), low + 1)
    return float(low), float(high)


def _draw_axis(ax: Any, low: float, high: float) -> None:
    step = max(1, int(np.ceil((high - low) / _MOST_TICKS)))
    fine = step / 2 if high - low <= _MOST_TICKS else step
    ax.plot([low, high], [0, 0], color=BLACK, linewidth=1, clip_on=False)
    for rank in np.arange(low, high + fine / 2, fine):
        is_main = (rank - low) % step == 0
        ax.plot(
            [rank] * 2, [0, -0.4 if is_main else -0.22], color=BLACK, linewidth=1, clip_on=False
        )
        if is_main:
            ax.text(rank, -0.55, f"{rank:g}", ha="center", va="bottom")


def _draw_ruler(ax: Any, low: float, difference: float) -> None:
    height = -_SCALE - 0.2
    for x in (low, low + difference):
        ax.plot([x] * 2, [height - 0.2, height + 0.2], color=BLUE, linewidth=1, clip_on=False)
    ax.plot([low, low + difference], [height] * 2, color=BLUE, linewidth=1.5)
    ax.text(
        low + difference, height, f"  critical difference {difference:.2f}", va="center", color=BLUE
    )


def _draw_names(ax: Any, ordered: pd.Series, half: int, bars: float) -> None:
    """Write the better half on the left from the top down, the others on the right."""
    low, high = ax.get_xlim()
    room = _ROOM * (high - low)
    for place, (name, rank) in enumerate(ordered.items()):
        is_left = place < half
        line = place if is_left else len(ordered) - 1 - place
        height = bars + line + 0.5
        end = low - room if is_left else high + room
        ax.plot([rank, rank, end], [0, height, height], color=GREY, linewidth=0.8, clip_on=False)
        ax.text(
            end - room if is_left else end + room,
            height,
            f"{name}  {rank:.2f}" if is_left else f"{rank:.2f}  {name}",
            ha="right" if is_left else "left",
            va="center",
        )
