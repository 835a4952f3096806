"""How values are distributed: histograms by layer, at the beginning, at the end, over epochs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from snnjax.figures.axes import FEW, label_values, layer_colors, names_of, say, sparse
from snnjax.figures.captions import look_text
from snnjax.figures.groups import Group
from snnjax.figures.panels import Row, draw_panels
from snnjax.figures.picture import Choices, Drawn, held, longest
from snnjax.figures.pooling import Histogram, common_edges, rebin
from snnjax.figures.records import Array

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
BINS = 100


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
        cell = _cell(quantity, look, limits_of(every), most)
        rows.append(Row("density" if is_few else "layer", cell, "free"))
    figure = draw_panels(groups, rows, title, names if is_few else None)
    seen = "Histograms of " + ", ".join(INITIAL[name] for name in quantities)
    seen += (
        ", each panel on its own scale of heights, high peaks cut."
        if is_few
        else "; darker is more (scale of roots)."
    )
    when = f"{'First' if look == 0 else 'Last'} look: {look_text(groups, look)}."
    return Drawn(figure, [seen, when, added_text(groups)])


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
            draw_image(ax, known, limits)
            return
        known = [histogram.coarser() for histogram in known]
        for histogram, color in zip(known, layer_colors(names_of(own, len(known))), strict=True):
            ax.stairs(histogram.density, histogram.edges, color=color, linewidth=1.1, baseline=None)
        ax.set(xlim=limits, ylim=(0, top_of(known)), yticks=[])
        label_values(ax)

    return draw


def draw_image(ax: Any, known: Sequence[Histogram], limits: tuple[float, float]) -> None:
    """Draw a row for each layer, the lowest for the first."""
    grid = np.linspace(*limits, BINS + 1)
    rows = np.stack([on_grid(grid, histogram) for histogram in known])
    ax.pcolormesh(
        grid, np.arange(len(rows) + 1) + 0.5, _relative(rows), cmap="Blues", rasterized=True
    )
    places = sparse(len(rows))
    ax.set(xlim=limits, yticks=[place + 1 for place in places])
    label_values(ax)
    ax.grid(False)


def on_grid(grid: Array, histogram: Histogram) -> Array:
    """Return shares between the edges `grid`, zeros where nothing was counted."""
    total = histogram.counts.sum()
    first, last = float(histogram.edges[0]), float(histogram.edges[-1])
    return rebin(histogram.counts / total, first, last, grid) if total else np.zeros(len(grid) - 1)


def _relative(rows: Array) -> Array:
    """Return roots of shares of each row's largest value."""
    most = rows.max(1, keepdims=True)
    return np.sqrt(np.divide(rows, most, out=np.zeros_like(rows), where=most > 0))


def limits_of(known: Sequence[Histogram], tail: float = _TAIL) -> tuple[float, float]:
    """Return from where to where values lie, but for the tails."""
    low = [histogram.quantile(tail) for histogram in known]
    high = [histogram.quantile(1 - tail) for histogram in known]
    if not np.isfinite([*low, *high]).any():
        return 0.0, 1.0
    edges = common_edges(np.array([[np.nanmin(low), np.nanmax(high)]]), 1)
    room = 0.03 * (edges[1] - edges[0])
    return float(edges[0] - room), float(edges[1] + room)


def top_of(known: Sequence[Histogram]) -> float:
    """Return where the axis of densities ends: at the highest, unless few bins are peaks."""
    tops = [np.sort(histogram.density)[::-1] for histogram in known if histogram.counts.sum()]
    if not tops:
        return 1.0
    highest = max(float(top[0]) for top in tops)
    rest = max(float(top[min(_TOP, len(top) - 1)]) for top in tops)
    return 1.05 * (min(highest, _PEAK * rest) if rest else highest)


def added_text(groups: Sequence[Group]) -> str:
    """Return what became of the histograms of several runs."""
    return "Histograms of runs are added up." if any(len(g.runs) > 1 for g in groups) else ""
