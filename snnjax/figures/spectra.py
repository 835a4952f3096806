"""Singular values of the Jacobians, over depth and over epochs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from snnjax.figures.axes import draw_band, label_layers, lines_of, numbered, say
from snnjax.figures.captions import lines_text
from snnjax.figures.groups import Group
from snnjax.figures.panels import Row, draw_panels
from snnjax.figures.picture import Choices, Drawn, held, longest
from snnjax.figures.pooling import pool
from snnjax.figures.style import BLUE, ORANGE

_MARKED = 20  # so many layers are marked by points


def draw_singular_values(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw singular values of the Jacobians over depth and over epochs."""
    rows: list[Row] = []
    seen: list[str] = []
    names = None
    if held(groups, ["layer_singular"]):
        names = longest(_blocks(group) for group in groups)
        rows += [
            Row("singular value", _draw_depth_spectrum),
            Row("mean, by layer", lines_of("layer_singular", lambda x: x[..., 1])),
        ]
        seen.append("Above mean singular values of the layers' Jacobians, least to largest shaded,")
        several = any(len(group.epochs) > 1 for group in groups)
        when = "first look blue, last orange; then the same means over epochs."
        seen.append(when if several else "then the same means alone.")
    if held(groups, ["whole_singular"]):
        rows.append(Row("whole network", _draw_whole_spectrum))
        seen.append("Whole network: mean of those from inputs to logits (least to largest shaded).")
    figure = draw_panels(groups, rows, "Singular values of the Jacobians", names)
    return Drawn(figure, [*seen, "Means over probe rows.", lines_text(groups)])


def _blocks(group: Group) -> list[str]:
    """Return the labels of what has a Jacobian of its own: layers, or blocks of several."""
    own = group.holding(["layer_singular"])
    return numbered(own.values("layer_singular").shape[2]) if own else []


def _draw_whole_spectrum(ax: Any, group: Group) -> None:
    own = group.holding(["whole_singular"])
    if own is None:
        say(ax, "not measured")
        return
    values = own.values("whole_singular")
    draw_band(
        ax, own, values[..., 1], BLUE, pool(values[..., 0]).middle, pool(values[..., 2]).middle
    )


def _draw_depth_spectrum(ax: Any, group: Group) -> None:
    own = group.holding(["layer_singular"])
    if own is None:
        say(ax, "not measured")
        return
    values = own.values("layer_singular")
    numbers = np.arange(1, values.shape[2] + 1)
    looks = [(0, BLUE), (len(own.epochs) - 1, ORANGE)][: len(own.epochs)]
    for look, color in looks:
        low, middle, high = (pool(values[:, look, :, place]).middle for place in range(3))
        marker = "o" if len(numbers) <= _MARKED else None
        ax.plot(numbers, middle, color=color, marker=marker, markersize=3)
        ax.fill_between(numbers, low, high, color=color, alpha=0.15, linewidth=0)
    label_layers(ax)
