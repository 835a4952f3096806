"""Gradients layer by layer, networks of several depths and activations beside each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snnjax.figures.axes import label_layers
from snnjax.figures.captions import look_text
from snnjax.figures.groups import Group, label_of, telling
from snnjax.figures.picture import Choices, Drawn, held
from snnjax.figures.pooling import pool
from snnjax.figures.style import distinct_colors, make_figure

KEYS = {
    "activation_gradient_variance": "activations",
    "preactivation_gradient_variance": "pre-activations",
}
"""Arrays of which the first that was measured is drawn, and with respect to what they are."""

_DEPTH = "model.depth"
_WIDE = 4  # depths that differ by more than this factor are on a logarithmic axis
_MARKED = 20  # so many layers are marked by points
_LEAST = 1e-30  # below that a gradient is none


def draw_gradient_by_layer(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw the deviation of back-propagated gradients by layer, at the first and last look."""
    key = held(groups, KEYS)[0]
    own = [kept for group in groups if (kept := group.holding([key]))]
    panels = _panels(own)
    looks = [0, -1] if any(len(group.epochs) > 1 for group in own) else [0]
    by_depth = len(panels) > 1 or "" not in panels
    rows, columns = (len(looks), len(panels)) if by_depth else (1, len(looks))
    size = max(6.4, 2.3 * columns + 1.6), 2.1 * rows + 0.5
    title = "Back-propagated gradients by layer"
    figure, axes = make_figure(size, rows, columns, title, sharey=True, sharex=True)
    cells = [(look, name) for look in looks for name in panels]
    for ax, (look, name) in zip(axes.ravel(), cells, strict=True):
        _draw_lines(ax, panels[name], key, look)
        when = "first look" if look == 0 else "last look"
        ax.set_title(f"{name}, {when}" if name else when)
    for ax in axes[:, 0]:
        ax.set_ylabel("deviation")
    handles, labels = axes.ravel()[0].get_legend_handles_labels()
    for ax in axes.ravel()[1:]:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles, labels = [*handles, handle], [*labels, label]
    if any(labels):
        figure.legend(handles, labels, loc="outside right upper", fontsize=8)
    depths = [len(group.layers) for group in own]
    if max(depths) > _WIDE * min(depths):
        axes[0, 0].set_xscale("log")
    seen = f"Standard deviation of the gradient with respect to {KEYS[key]}, over rows and units."
    times = [f"First look: {look_text(own, 0)}.", f"Last look: {look_text(own, -1)}."]
    return Drawn(figure, [seen, *times[: len(looks)], _spread(own)])


def _panels(groups: Sequence[Group]) -> Mapping[str, Mapping[str, tuple[Group, Any]]]:
    """Return groups by panel and by label of their line, each with its colour.

    Networks that differ in depth and something else have a panel for each of the latter.
    """
    from matplotlib import colormaps

    keys = telling([group.settings for group in groups])
    depths = sorted({group.settings.get(_DEPTH) or len(group.layers) for group in groups})
    if _DEPTH not in keys:
        pairs = zip(groups, distinct_colors(len(groups)), strict=True)
        return {"": {group.label: (group, color) for group, color in pairs}}
    panels: dict[str, dict[str, tuple[Group, Any]]] = {}
    for group in groups:
        name = label_of(group.settings, [key for key in keys if key != _DEPTH])
        place = depths.index(group.settings.get(_DEPTH) or len(group.layers))
        color = colormaps["viridis"](0.88 * place / max(len(depths) - 1, 1))
        panels.setdefault(name or "by depth", {})[f"depth {depths[place]}"] = group, color
    return panels


def _draw_lines(ax: Any, lines: Mapping[str, tuple[Group, Any]], key: str, look: int) -> None:
    ax.set_yscale("log")
    for label, (group, color) in lines.items():
        band = pool(np.sqrt(group.values(key)[:, look]))
        numbers = np.arange(1, len(band.middle) + 1)
        low, middle, high = (np.where(values > _LEAST, values, np.nan) for values in band)
        marker = "o" if len(numbers) <= _MARKED else None
        ax.plot(numbers, middle, color=color, label=label, marker=marker, markersize=3)
        if len(group.runs) > 1:
            ax.fill_between(numbers, low, high, color=color, alpha=0.2, linewidth=0)
    label_layers(ax)


def _spread(groups: Sequence[Group]) -> str:
    if all(len(group.runs) == 1 for group in groups):
        return ""
    return "Lines are medians of runs, shading spans all runs."
