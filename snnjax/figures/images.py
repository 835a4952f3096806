"""Histograms as images: of one kernel over epochs, of all layers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest
from snnjax.figures.axes import label_epochs, label_values, sparse
from snnjax.figures.captions import look_text
from snnjax.figures.groups import Group
from snnjax.figures.histograms import added_text, draw_image, limits_of, on_grid, top_of
from snnjax.figures.panels import Row, draw_panels
from snnjax.figures.picture import Choices, Drawn
from snnjax.figures.pooling import Histogram
from snnjax.figures.records import Array
from snnjax.figures.style import distinct_colors

_MOST_LAYERS = 5  # that have a histogram of their own
_LABEL: Any = {
    "fontsize": 8,
    "bbox": {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1},
}


def draw_weights_over_time(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw the histogram of one kernel's weights over epochs."""
    layer = choices.layer
    for group in groups:
        if layer is not None and layer not in group.kernels:
            known = group.kernels
            problem, hint = "no such layer", nearest(layer, known)
            raise ConfigError(complaint("--layer", layer, problem, enumerate_names(known), hint))
    shown = layer or groups[0].kernels[-1]
    rows = [Row("weight", lambda ax, group: _draw_time(ax, group, layer), "free")]
    figure = draw_panels(groups, rows, f"Weights of kernel {shown} over epochs")
    _share_limits([ax for ax in figure.axes if ax.images or ax.collections], "y")
    seen = f"Each column is the histogram of the weights of kernel {shown} at one look;"
    return Drawn(figure, [seen, "darker is more, on a scale of roots.", added_text(groups)])


def draw_by_layer(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw the last look's activations by layer, groups beside each other."""
    known = {group.label: group.histograms("activation", -1) for group in groups}
    limits = limits_of([h for own in known.values() for h in own])
    shades = distinct_colors(len(groups))
    colors = {group.label: color for group, color in zip(groups, shades, strict=True)}

    def image(ax: Any, group: Group) -> None:
        draw_image(ax, known[group.label], limits)

    def filled(place: int) -> Callable[[Any, Group], None]:
        def draw(ax: Any, group: Group) -> None:
            chosen = sparse(len(group.layers), _MOST_LAYERS)
            if place < len(chosen):
                shown = known[group.label][chosen[place]].coarser()
                name = f"layer {group.layers[chosen[place]]}"
                _draw_filled(ax, shown, limits, colors[group.label], name)
            else:
                ax.set_axis_off()

        return draw

    most = max(len(sparse(len(group.layers), _MOST_LAYERS)) for group in groups)
    rows = [Row("layer", image, "free")]
    rows += [Row("density", filled(place), "free", 1.0) for place in range(most)]
    figure = draw_panels(groups, rows, "Activations by layer")
    seen = "Above an image of all layers, a row for each, darker for more values (scale of roots);"
    below = "below the histograms of some layers, each on a scale of its own, high peaks cut."
    return Drawn(figure, [seen, below, f"Last look: {look_text(groups, -1)}.", added_text(groups)])


def _draw_filled(
    ax: Any, shown: Histogram, limits: tuple[float, float], color: Any, name: str
) -> None:
    ax.stairs(shown.density, shown.edges, fill=True, color=color)
    ax.text(0.98, 0.92, name, transform=ax.transAxes, ha="right", va="top", **_LABEL)
    ax.set(xlim=limits, ylim=(0, top_of([shown])), yticks=[])
    label_values(ax)


def _draw_time(ax: Any, group: Group, layer: str | None) -> None:
    place = len(group.kernels) - 1 if layer is None else group.kernels.index(layer)
    known = [group.histograms("weight", look)[place] for look in range(len(group.epochs))]
    limits = limits_of(known, 0.0)
    grid = np.linspace(*limits, len(known[-1].coarser().counts) + 1)
    columns = np.stack([on_grid(grid, histogram) for histogram in known], 1)
    ax.pcolormesh(
        _between(group.epochs), grid, np.sqrt(columns), cmap="Blues", vmin=0, rasterized=True
    )
    label_epochs(ax, group.epochs)
    ax.set_xlim(auto=True)
    ax.set(ylim=limits)
    ax.grid(False)


def _between(epochs: Array) -> Array:
    """Return the edges of columns around epochs."""
    if len(epochs) == 1:
        return np.array([epochs[0] - 0.5, epochs[0] + 0.5])
    middles = (epochs[1:] + epochs[:-1]) / 2
    return np.concatenate([[epochs[0]], middles, [epochs[-1]]])


def _share_limits(axes: Sequence[Any], which: str) -> None:
    limits = [getattr(ax, f"get_{which}lim")() for ax in axes]
    for ax in axes:
        getattr(ax, f"set_{which}lim")(min(low for low, _ in limits), max(h for _, h in limits))
