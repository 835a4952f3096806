"""Grids of axes: a column for each group of runs, a row for each quantity."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from snnjax.figures.groups import Group
from snnjax.figures.pooling import pool
from snnjax.figures.records import Array
from snnjax.figures.style import make_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_GROUPS = 12
"""So many groups are drawn at most."""
FEW = 8
"""So many layers are told apart by a legend and have bands, more by a colour bar."""

_COLUMNS = 4  # more groups than that go below
_SIZE = 2.5, 1.75  # of one of the axes, in inches
_MANY = 30  # values that differ by more than this factor are drawn on a logarithmic axis
_LEAST = 1e-12  # below the largest by this factor, values are rounding
_EARLY = 8  # looks whose median is before this part of the training are on a logarithmic axis
_PEAK = 4  # peaks higher than all else by this factor are cut


class Row(NamedTuple):
    """A quantity that each group has axes for.

    Attributes:
        label: What its vertical axis says.
        draw: Draws a group into axes.
        scale: `auto` is logarithmic where positive values differ much; `share` is 0 to 100 %.
    """

    label: str
    draw: Callable[[Any, Group], None]
    scale: Literal["auto", "linear", "share", "free"] = "auto"


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
    size = max(6.0, _SIZE[0] * columns + 1.2), _SIZE[1] * len(rows) * blocks + 0.5
    figure, axes = make_figure(size, len(rows) * blocks, columns, title)
    for down, row in enumerate(rows):
        own = [
            axes[place // columns * len(rows) + down, place % columns]
            for place in range(len(groups))
        ]
        for ax, group in zip(own, groups, strict=True):
            row.draw(ax, group)
            if down == 0:
                ax.set_title(group.label)
        _scale(own, row.scale)
        for ax in own[::columns]:
            ax.set_ylabel(row.label)
    for place in range(len(groups), blocks * columns):
        for down in range(len(rows)):
            axes[place // columns * len(rows) + down, place % columns].remove()
    if names is not None:
        draw_key(figure, axes, names)
    return figure


def layer_colors(count: int) -> list[Any]:
    """Return colours from dark, near the inputs, to light."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.88 * place / max(count - 1, 1)) for place in range(count)]


def draw_key(figure: "Figure", axes: Array, names: Sequence[str]) -> None:
    """Tell which colour is which layer: in a legend, or in a colour bar where there are many."""
    colors = layer_colors(len(names))
    if len(names) <= FEW:
        from matplotlib.lines import Line2D

        handles = [
            Line2D([], [], color=color, label=name)
            for color, name in zip(colors, names, strict=True)
        ]
        figure.legend(
            handles=handles, title="layer", loc="outside right upper", fontsize=8, title_fontsize=8
        )
        return
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    edges = np.arange(len(names) + 1) + 0.5
    scale = ScalarMappable(BoundaryNorm(edges, len(names)), ListedColormap(colors))
    present = [ax for ax in axes.ravel() if ax.figure is not None]
    bar = figure.colorbar(scale, ax=present, label="layer", aspect=40, pad=0.01)
    ticks = sparse(len(names))
    bar.set_ticks([tick + 1 for tick in ticks], labels=[names[tick] for tick in ticks])
    bar.minorticks_off()


def sparse(count: int, most: int = 6) -> list[int]:
    """Return at most so many places from 0 to `count` - 1, evenly, first and last among them."""
    return sorted({int(x) for x in np.linspace(0, count - 1, min(count, most)).round()})


def draw_layers(ax: Any, group: Group, values: Array) -> None:
    """Draw a line for each layer over epochs; of a single look a point for each layer.

    Args:
        ax: Axes.
        group: Whose epochs are meant.
        values: (runs, looks, layers).
    """
    band = pool(values)
    count = values.shape[2]
    colors = layer_colors(count)
    if len(group.epochs) == 1:
        numbers = np.arange(1, count + 1)
        ax.vlines(numbers, band.low[0], band.high[0], colors=colors, alpha=0.5, linewidth=3)
        ax.scatter(numbers, band.middle[0], c=colors, s=14, zorder=3)
        label_layers(ax)
        return
    is_light = count <= 2 * FEW  # many lines are an image in a vector file, else it is heavy
    for place, color in enumerate(colors):
        line = band.middle[:, place]
        ax.plot(
            group.epochs,
            line,
            color=color,
            linewidth=1.3 if is_light else 0.8,
            rasterized=not is_light,
        )
        if len(values) > 1 and count <= FEW:
            ax.fill_between(
                group.epochs,
                band.low[:, place],
                band.high[:, place],
                color=color,
                alpha=0.2,
                linewidth=0,
            )
    label_epochs(ax, group.epochs)


def label_epochs(ax: Any, epochs: Array) -> None:
    """Make the horizontal axis one of epochs; logarithmic where most looks are early."""
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("epoch")
    later = epochs[epochs > 0]
    if len(later) > 2 and np.median(later) * _EARLY < epochs[-1]:
        ax.set_xscale("symlog", linthresh=float(later[0]), linscale=0.5)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=bool(epochs[-1] >= 3)))
    if len(epochs) > 1:
        ax.set_xlim(float(epochs[0]), float(epochs[-1]))


def label_layers(ax: Any) -> None:
    """Make the horizontal axis one of layers, counted from the inputs."""
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("layer")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


def _scale(axes: Sequence[Any], scale: str) -> None:
    """Give axes of a row the same limits, so that they can be compared by eye."""
    if scale == "free":
        return
    if scale == "share":
        from matplotlib.ticker import PercentFormatter

        for ax in axes:
            ax.set_ylim(-0.03, 1.03)
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
    room = 0.06 * (high - low) or 0.1 * abs(high) or 0.1
    for ax in axes:
        ax.set_ylim(0 if scale == "auto" and low >= 0 else low - room, high + room)


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


def say(ax: Any, text: str) -> None:
    """Write into axes why nothing is drawn there."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color="#555555")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
