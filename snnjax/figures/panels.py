"""Grids of axes: a column for each group of runs, a row for each quantity."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from snnjax.figures.axes import FEW, layer_colors, sparse
from snnjax.figures.groups import Group
from snnjax.figures.records import Array
from snnjax.figures.style import make_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_GROUPS = 8
"""So many groups are drawn at most."""

_COLUMNS = 4  # more groups than that go below
_WIDTH = 2.5  # of one of the axes, in inches
_MANY = 30  # values that differ by more than this factor are drawn on a logarithmic axis
_LEAST = 1e-12  # below the largest by this factor, values are rounding
_LEAST_SHARE = 0.1  # so far an axis of shares goes at least


class Row(NamedTuple):
    """A quantity that each group has axes for.

    Attributes:
        label: What its vertical axis says.
        draw: Draws a group into axes.
        scale: `auto` is logarithmic where positive values differ much; `share` is in percent.
        height: Of its axes in inches.
    """

    label: str
    draw: Callable[[Any, Group], None]
    scale: Literal["auto", "linear", "share", "free"] = "auto"
    height: float = 1.75


def draw_panels(
    groups: Sequence[Group], rows: Sequence[Row], title: str, names: Sequence[str] | None = None
) -> "Figure":
    """Return a figure with a column for each group and a row for each quantity.

    Args:
        groups: At most `MOST_GROUPS`.
        rows: What is drawn of each, from top to bottom.
        title: What stands above all.
        names: Labels of layers or kernels for the key to the colours; without, there is no key.
    """
    columns = min(len(groups), _COLUMNS)
    blocks = math.ceil(len(groups) / columns)
    heights = [row.height for row in rows] * blocks
    size = max(6.0, _WIDTH * columns + 1.2), sum(heights) + 0.5
    shape = {"gridspec_kw": {"height_ratios": heights}}
    figure, axes = make_figure(size, len(heights), columns, title, **shape)
    used = [_cells(axes, down, len(rows), len(groups)) for down in range(len(rows))]
    for row, own in zip(rows, used, strict=True):
        for ax, group in zip(own, groups, strict=True):
            row.draw(ax, group)
        _scale(own, row.scale)
        for place, ax in enumerate(own):
            if place % columns == 0:
                ax.set_ylabel(row.label)
            elif row.scale != "free":
                ax.tick_params(labelleft=False)
    for ax, group in zip(used[0], groups, strict=True):
        ax.set_title(group.label)
    _share_labels(used)
    for ax in set(axes.ravel()) - {ax for own in used for ax in own}:
        ax.remove()
    if names is not None:
        draw_key(figure, names, len({len(group.layers) for group in groups}) > 1)
    return figure


def _cells(axes: Array, down: int, rows: int, count: int) -> list[Any]:
    """Return the axes of each group in one row; groups that do not fit go below."""
    columns = axes.shape[1]
    return [axes[place // columns * rows + down, place % columns] for place in range(count)]


def _share_labels(rows: Sequence[Sequence[Any]]) -> None:
    """Leave out what the axes below say too."""
    for upper, lower in pairwise(rows):
        for above, below in zip(upper, lower, strict=True):
            alike = above.get_xlim() == below.get_xlim() and len(below.get_xticks())
            if above.get_xlabel() == below.get_xlabel() and alike:
                above.set_xlabel("")
                above.tick_params(labelbottom=False)


def draw_key(figure: "Figure", names: Sequence[str], is_mixed: bool) -> None:
    """Tell which colour is which layer: in a legend, or in a colour bar where there are many.

    Args:
        figure: A figure.
        names: The labels of the layers.
        is_mixed: Whether networks of several depths share the colours, each from its first layer
            to its last.
    """
    colors = layer_colors(names)
    if len(names) <= FEW + 1 and not is_mixed:
        from matplotlib.lines import Line2D

        pairs = zip(colors, names, strict=True)
        handles = [Line2D([], [], color=color, label=name) for color, name in pairs]
        place: Any = {"loc": "outside right upper", "fontsize": 8, "title_fontsize": 8}
        figure.legend(handles=handles, title="layer", **place)
        return
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    edges = np.arange(len(names) + 1) + 0.5
    scale = ScalarMappable(BoundaryNorm(edges, len(names)), ListedColormap(colors))
    bar = figure.colorbar(scale, ax=figure.axes, aspect=40, pad=0.01)
    bar.ax.set_title("layer", fontsize=8)
    ticks = [0, len(names) - 1] if is_mixed else sparse(len(names))
    labels = ["first", "last"] if is_mixed else [names[tick] for tick in ticks]
    bar.set_ticks([tick + 1 for tick in ticks], labels=labels, fontsize=8)
    bar.minorticks_off()


def _scale(axes: Sequence[Any], scale: str) -> None:
    """Give axes of a row the same limits, so that they can be compared by eye."""
    if scale == "free":
        return
    if scale == "share":
        from matplotlib.ticker import PercentFormatter

        top = max([_LEAST_SHARE, *(ax.dataLim.y1 for ax in axes if np.isfinite(ax.dataLim.y1))])
        for ax in axes:
            ax.set_ylim(-0.03 * top, 1.05 * top)
            ax.yaxis.set_major_formatter(PercentFormatter(1))
        return
    limits = [tuple(ax.dataLim.intervaly) for ax in axes]
    known = [pair for pair in limits if np.isfinite(pair).all()]
    if not known:
        return
    low, high = min(pair[0] for pair in known), max(pair[1] for pair in known)
    positive = _positive(axes) if scale == "auto" else np.array([])
    if len(positive) and low >= 0 and positive.max() > _MANY * positive.min():
        bottom = max(positive.min(), positive.max() * _LEAST)
        for ax in axes:
            ax.set_yscale("log")
            ax.set_ylim(bottom / 1.5, positive.max() * 1.5)
        return
    from_zero = scale == "auto" and low >= 0
    room = 0.06 * (high - (0 if from_zero else low)) or 0.1 * abs(high) or 0.1
    for ax in axes:
        ax.set_ylim(0 if from_zero else low - room, high + room)


def _positive(axes: Iterable[Any]) -> Array:
    """Return the positive values drawn, lines and points alike."""
    drawn = [np.asarray(line.get_ydata(), np.float64) for ax in axes for line in ax.lines]
    drawn += [
        np.asarray(dots.get_offsets(), np.float64)[:, 1]
        for ax in axes
        for dots in ax.collections
        if len(dots.get_offsets()) > 1
    ]
    values = np.concatenate(drawn) if drawn else np.array([])
    return values[np.isfinite(values) & (values > 0)]
