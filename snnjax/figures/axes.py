"""What is drawn into single axes: lines of layers, bands of runs, labels that leave room."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from snnjax.figures.groups import Group
from snnjax.figures.pooling import pool
from snnjax.figures.records import Array
from snnjax.figures.style import BLACK, GREY

OUTPUT = "output"
"""The label of the output layer's kernel."""
FEW = 8
"""So many layers are told apart by a legend and have bands, more by a colour bar."""

_MARKED = 12  # so many looks are marked by points
_EARLY = 8  # looks whose median is before this part of the training are on a logarithmic axis
_ROOM = 0.05  # of an axis of epochs, to both sides


def layer_colors(names: Sequence[str]) -> list[Any]:
    """Return colours from dark, near the inputs, to light; black for an output layer."""
    from matplotlib import colormaps

    hidden = len(names) - (names[-1] == OUTPUT)
    colors = [colormaps["viridis"](0.88 * place / max(hidden - 1, 1)) for place in range(hidden)]
    return [*colors, BLACK][: len(names)]


def sparse(count: int, most: int = 6) -> list[int]:
    """Return at most so many places from 0 to `count` - 1, evenly, first and last among them."""
    return sorted({int(x) for x in np.linspace(0, count - 1, min(count, most)).round()})


def names_of(group: Group, count: int) -> list[str]:
    """Return the labels of so many layers, kernels, or blocks of layers of a group."""
    known = (group.layers, group.kernels, numbered(count))
    return next(names for names in known if len(names) == count)


def numbered(count: int) -> list[str]:
    """Return the labels of what has no other names than its place."""
    return [str(place) for place in range(1, count + 1)]


def draw_layers(ax: Any, group: Group, values: Array) -> None:
    """Draw a line for each layer over epochs; of a single look a point for each layer.

    Args:
        ax: Axes.
        group: Whose epochs are meant.
        values: (runs, looks, layers).
    """
    band = pool(values)
    count = values.shape[2]
    colors = layer_colors(names_of(group, count))
    if len(group.epochs) == 1:
        numbers = np.arange(1, count + 1)
        ax.vlines(numbers, band.low[0], band.high[0], colors=colors, alpha=0.5, linewidth=3)
        ax.scatter(numbers, band.middle[0], c=colors, s=14, zorder=3)
        places = sparse(count)
        labels = names_of(group, count)
        ax.set_xticks([place + 1 for place in places], labels=[labels[place] for place in places])
        ax.set_xlabel("layer")
        return
    # Of few looks it is seen which values were measured, and where a line only joins them.
    marker = "." if len(group.epochs) <= _MARKED else None
    is_light = count <= 2 * FEW  # many lines are an image in a vector file, else it is heavy
    for place, color in enumerate(colors):
        line = band.middle[:, place]
        ax.plot(
            group.epochs,
            line,
            color=color,
            linewidth=1.3 if is_light else 0.8,
            marker=marker,
            markersize=4,
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
    if len(epochs) == 1:
        ax.set_xticks(epochs, labels=[f"{epochs[0]:g}"])
        return
    later = epochs[epochs > 0]
    if len(later) > 2 and np.median(later) * _EARLY < epochs[-1]:
        ax.set_xscale("symlog", linthresh=float(later[0]), linscale=0.5)
        powers = np.arange(np.ceil(np.log10(later[0])), np.floor(np.log10(epochs[-1])) + 1)
        ticks = [*([0.0] if epochs[0] == 0 else []), *(10.0**powers)]
        ax.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=bool(epochs[-1] >= 3)))
        room = _ROOM * float(epochs[-1] - epochs[0])
        ax.set_xlim(float(epochs[0]) - room, float(epochs[-1]) + room)


def label_layers(ax: Any) -> None:
    """Make the horizontal axis one of layers, counted from the inputs."""
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("layer")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


def label_values(ax: Any) -> None:
    """Let the horizontal axis have few ticks, so that their labels do not meet."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(4))


def say(ax: Any, text: str) -> None:
    """Write into axes why nothing is drawn there."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=GREY)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)


def lines_of(
    key: str, change: Callable[[Array], Array] = lambda values: values
) -> Callable[[Any, Group], None]:
    """Return a function that draws one array of diagnostics as `draw_layers` does.

    Args:
        key: Its name.
        change: What becomes of the values before they are drawn, (runs, looks, layers) at the end.
    """

    def draw(ax: Any, group: Group) -> None:
        own = group.holding([key])
        if own is None:
            say(ax, "not measured")
            return
        draw_layers(ax, own, change(own.values(key)))

    return draw


def draw_band(
    ax: Any,
    group: Group,
    values: Array,
    color: Any,
    low: Array | None = None,
    high: Array | None = None,
) -> None:
    """Draw the median of (runs, looks) in a band: of the runs, or the one given."""
    band = pool(values)
    is_alone = len(group.epochs) == 1
    marker = "o" if is_alone else "." if len(group.epochs) <= _MARKED else None
    low, high = band.low if low is None else low, band.high if high is None else high
    ax.plot(group.epochs, band.middle, color=color, marker=marker, markersize=4)
    if is_alone:
        ax.vlines(group.epochs, low, high, colors=color, alpha=0.5, linewidth=3)
    else:
        ax.fill_between(group.epochs, low, high, color=color, alpha=0.2, linewidth=0)
    label_epochs(ax, group.epochs)
