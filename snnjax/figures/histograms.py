"""How values are distributed: histograms by layer, at the beginning, at the end, over epochs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest
from snnjax.figures.captions import look_text
from snnjax.figures.groups import Group
from snnjax.figures.panels import (
    FEW,
    Row,
    draw_panels,
    label_epochs,
    label_values,
    layer_colors,
    names_of,
    say,
    sparse,
)
from snnjax.figures.picture import Choices, Drawn, held, longest
from snnjax.figures.pooling import Histogram, common_edges, rebin
from snnjax.figures.records import Array
from snnjax.figures.style import distinct_colors

INITIAL: Mapping[str, str] = {
    "activation": "activations",
    "activation_gradient": "gradients of activations",
    "preactivation_gradient": "gradients of pre-activations",
    "weight_gradient": "gradients of weights",
}
"""Whose histograms are drawn before training, by the beginning of their names in the file."""

_TAIL = 0.002  # share of values that may lie beyond either end of the axis
_PEAK = 4  # peaks higher by this factor than the bins below the highest few are cut
_TOP = 4  # so many bins of a histogram are peaks
_BINS = 100
_BEHIND: Any = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
_MOST_LAYERS = 5  # that have a histogram of their own


def draw_initial_histograms(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw activations and gradients of each layer before training (Figures 6, 7 and 8)."""
    quantities = held(groups, [f"{name}_histogram" for name in INITIAL])
    present = [name for name in INITIAL if f"{name}_histogram" in quantities]
    if "activation_gradient" in present:
        present = [name for name in present if name != "preactivation_gradient"]
    return _draw_histograms(groups, present, 0, "Histograms by layer at the first look")


def draw_final_histograms(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw histograms of the activations of each layer at the end (Figure 4)."""
    return _draw_histograms(groups, ["activation"], -1, "Activations by layer at the last look")


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
    return Drawn(figure, [seen, "darker is more, on a scale of roots.", _added(groups)])


def draw_by_layer(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw the last look's activations by layer, groups beside each other."""
    known = {group.label: group.histograms("activation", -1) for group in groups}
    limits = _limits([h for own in known.values() for h in own])
    shades = distinct_colors(len(groups))
    colors = {group.label: color for group, color in zip(groups, shades, strict=True)}

    def image(ax: Any, group: Group) -> None:
        _draw_image(ax, known[group.label], limits)

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
    return Drawn(figure, [seen, below, f"Last look: {look_text(groups, -1)}.", _added(groups)])


def _draw_filled(
    ax: Any, shown: Histogram, limits: tuple[float, float], color: Any, name: str
) -> None:
    ax.stairs(shown.density, shown.edges, fill=True, color=color)
    ax.text(0.98, 0.92, name, transform=ax.transAxes, ha="right", va="top", fontsize=8, bbox=_BEHIND)
    ax.set(xlim=limits, ylim=(0, _top([shown])), yticks=[])
    label_values(ax)


def _draw_histograms(
    groups: Sequence[Group], quantities: Sequence[str], look: int, title: str
) -> Drawn:
    most = max(len(group.layers) for group in groups)
    is_few = most <= FEW
    of_kernels = any("weight" in name for name in quantities)
    names = longest(group.kernels if of_kernels else group.layers for group in groups)
    rows = []
    for quantity in quantities:
        own = [group.holding([f"{quantity}_histogram"]) for group in groups]
        every = [h for group in own if group for h in group.histograms(quantity, look)]
        cell = _cell(quantity, look, _limits(every), most)
        rows.append(Row("density" if is_few else "layer", cell, "free"))
    figure = draw_panels(groups, rows, title, names if is_few else None)
    seen = "Histograms of " + ", ".join(INITIAL[name] for name in quantities)
    seen += (
        ", each panel on its own scale of heights, high peaks cut."
        if is_few
        else "; darker is more (scale of roots)."
    )
    when = f"{'First' if look == 0 else 'Last'} look: {look_text(groups, look)}."
    return Drawn(figure, [seen, when, _added(groups)])


def _cell(
    quantity: str, look: int, limits: tuple[float, float], count: int
) -> Callable[[Any, Group], None]:
    def draw(ax: Any, group: Group) -> None:
        own = group.holding([f"{quantity}_histogram"])
        if own is None:
            say(ax, "not measured")
            return
        known = own.histograms(quantity, look)
        ax.set_xlabel(INITIAL[quantity])
        if count > FEW:
            _draw_image(ax, known, limits)
            return
        known = [histogram.coarser() for histogram in known]
        for histogram, color in zip(known, layer_colors(names_of(own, len(known))), strict=True):
            ax.stairs(histogram.density, histogram.edges, color=color, linewidth=1.1, baseline=None)
        ax.set(xlim=limits, ylim=(0, _top(known)), yticks=[])
        label_values(ax)

    return draw


def _draw_image(ax: Any, known: Sequence[Histogram], limits: tuple[float, float]) -> None:
    """Draw a row for each layer, the lowest for the first."""
    grid = np.linspace(*limits, _BINS + 1)
    rows = np.stack([_on(grid, histogram) for histogram in known])
    ax.pcolormesh(
        grid, np.arange(len(rows) + 1) + 0.5, _relative(rows), cmap="Blues", rasterized=True
    )
    places = sparse(len(rows))
    ax.set(xlim=limits, yticks=[place + 1 for place in places])
    label_values(ax)
    ax.grid(False)


def _draw_time(ax: Any, group: Group, layer: str | None) -> None:
    place = len(group.kernels) - 1 if layer is None else group.kernels.index(layer)
    known = [group.histograms("weight", look)[place] for look in range(len(group.epochs))]
    limits = _limits(known, 0.0)
    grid = np.linspace(*limits, len(known[-1].coarser().counts) + 1)
    columns = np.stack([_on(grid, histogram) for histogram in known], 1)
    ax.pcolormesh(
        _between(group.epochs), grid, np.sqrt(columns), cmap="Blues", vmin=0, rasterized=True
    )
    label_epochs(ax, group.epochs)
    ax.set_xlim(auto=True)
    ax.set(ylim=limits)
    ax.grid(False)


def _on(grid: Array, histogram: Histogram) -> Array:
    total = histogram.counts.sum()
    first, last = float(histogram.edges[0]), float(histogram.edges[-1])
    return rebin(histogram.counts / total, first, last, grid) if total else np.zeros(len(grid) - 1)


def _relative(rows: Array) -> Array:
    """Return roots of shares of each row's largest value."""
    most = rows.max(1, keepdims=True)
    return np.sqrt(np.divide(rows, most, out=np.zeros_like(rows), where=most > 0))


def _between(epochs: Array) -> Array:
    """Return the edges of columns around epochs."""
    if len(epochs) == 1:
        return np.array([epochs[0] - 0.5, epochs[0] + 0.5])
    middles = (epochs[1:] + epochs[:-1]) / 2
    return np.concatenate([[epochs[0]], middles, [epochs[-1]]])


def _limits(known: Sequence[Histogram], tail: float = _TAIL) -> tuple[float, float]:
    """Return from where to where values lie, but for the tails."""
    low = [histogram.quantile(tail) for histogram in known]
    high = [histogram.quantile(1 - tail) for histogram in known]
    if not np.isfinite([*low, *high]).any():
        return 0.0, 1.0
    edges = common_edges(np.array([[np.nanmin(low), np.nanmax(high)]]), 1)
    room = 0.03 * (edges[1] - edges[0])
    return float(edges[0] - room), float(edges[1] + room)


def _top(known: Sequence[Histogram]) -> float:
    """Return where the axis of densities ends: at the highest, unless few bins are peaks."""
    tops = [np.sort(histogram.density)[::-1] for histogram in known if histogram.counts.sum()]
    if not tops:
        return 1.0
    highest = max(float(top[0]) for top in tops)
    rest = max(float(top[min(_TOP, len(top) - 1)]) for top in tops)
    return 1.05 * (min(highest, _PEAK * rest) if rest else highest)


def _share_limits(axes: Sequence[Any], which: str) -> None:
    limits = [getattr(ax, f"get_{which}lim")() for ax in axes]
    for ax in axes:
        getattr(ax, f"set_{which}lim")(min(low for low, _ in limits), max(h for _, h in limits))


def _added(groups: Sequence[Group]) -> str:
    return "Histograms of runs are added up." if any(len(g.runs) > 1 for g in groups) else ""
