"""What becomes of the layers during training: a line for each of them, over epochs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from snnjax.figures.axes import FEW, draw_band, draw_layers, layer_colors, lines_of, say, sparse
from snnjax.figures.captions import lines_text
from snnjax.figures.groups import Group
from snnjax.figures.panels import Row, draw_panels
from snnjax.figures.picture import Choices, Drawn, held, longest
from snnjax.figures.pooling import pool
from snnjax.figures.records import Array
from snnjax.figures.style import BLUE, GREY

_BARS = 6  # looks at which deviations are drawn as bars
_BESIDE = 12  # points between the bars of the first and the last layer


def draw_activations(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw mean and deviation of the activations of each layer (Glorot & Bengio, Figure 2)."""
    names = longest(group.layers for group in groups)
    rows = [
        Row("mean", _draw_means, "linear"),
        Row("deviation", lines_of("activation_variance", np.sqrt)),
    ]
    figure = draw_panels(groups, rows, "Activations by layer", names)
    seen = ["Above the mean of each layer's activations over probe rows and units"]
    has_bars = any(len(g.layers) <= FEW and len(g.epochs) > 1 for g in groups)
    seen[0] += ", bars, if any, one standard deviation to both sides;" if has_bars else ";"
    return Drawn(figure, [*seen, "below the standard deviation.", lines_text(groups)])


def draw_percentiles(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw 98th percentile and deviation of the activations of each layer (Figure 3)."""
    names = longest(group.layers for group in groups)
    rows = [
        Row("98th percentile", lines_of("activation_p98"), "linear"),
        Row("deviation", lines_of("activation_variance", np.sqrt)),
    ]
    figure = draw_panels(groups, rows, "98th percentiles of activations by layer", names)
    text = "Above the 98th percentile of each layer's activations over probe rows and units,"
    return Drawn(figure, [text, "below their standard deviation.", lines_text(groups)])


def draw_weight_gradients(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw the deviation of the gradients of each layer's weights (Figure 9)."""
    names = longest(group.kernels for group in groups)
    rows = [Row("deviation", lines_of("weight_gradient_variance", np.sqrt))]
    figure = draw_panels(groups, rows, "Gradients of the weights by layer", names)
    text = "Standard deviation of the gradient of the mean loss with respect to each kernel."
    return Drawn(figure, [text, lines_text(groups)])


def draw_units(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw the shares of saturated values, of dead units and of units that came back."""
    names = longest(group.layers for group in groups)
    meanings = {
        "saturated": "saturated: share of values where the activation is saturated",
        "dead": "dead: share of units that are flat on the whole split",
        "revived": "revived: share of units dead at the look before and not any more",
    }
    present = held(groups, meanings)
    text = "; ".join(meanings[key] for key in present) + "."
    rows = [Row(key, lines_of(key), "share") for key in present]
    figure = draw_panels(groups, rows, "Saturated and dead units by layer", names)
    return Drawn(figure, [text[0].upper() + text[1:], lines_text(groups)])


def draw_moments(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw how far each layer's mean and variance are from the theory and the fixed point."""
    names = longest(group.layers for group in groups)
    rows, seen = [], []
    if held(groups, ["predicted_mean"]):
        rows.append(Row("from prediction", _distances("predicted")))
        seen.append("prediction: the moment map of the measured layer below;")
    if not rows or any(_has_fixed_point(group) for group in groups):
        rows.append(Row("from fixed point", _distances("fixed")))
        seen.append("fixed point: that of the activation;")
    figure = draw_panels(groups, rows, "Distance of each layer's mean and variance", names)
    text = (
        "Euclidean distance between measured (mean, variance) of activations and what is expected;"
    )
    return Drawn(figure, [text, *seen[:-1], seen[-1].rstrip(";") + ".", lines_text(groups)])


def draw_speed(groups: Sequence[Group], choices: Choices) -> Drawn:
    """Draw how far one step moves each layer's weights, and the first against the last layer."""
    names = longest(group.kernels for group in groups)
    rows = [
        Row("update / weights", _draw_speeds),
        Row("first / last layer", _draw_relative_speed),
    ]
    figure = draw_panels(groups, rows, "Learning speed by layer", names)
    text = "Above the norm of one step's update over the norm of the weights, by kernel;"
    below = "below that ratio of layer 1 over that of the last hidden layer, dashed where equal."
    return Drawn(figure, [text, below, lines_text(groups)])


def _draw_means(ax: Any, group: Group) -> None:
    """Draw means, and around them the deviation of the activations rather than that of runs."""
    means, deviations = (
        group.values("activation_mean"),
        np.sqrt(group.values("activation_variance")),
    )
    has_bars = means.shape[2] <= FEW
    draw_layers(ax, group, pool(means).middle[None] if has_bars else means)
    if has_bars and len(group.epochs) > 1:
        _draw_bars(ax, group, pool(means).middle, pool(deviations).middle)


def _draw_bars(ax: Any, group: Group, middle: Array, room: Array) -> None:
    """Draw bars of each layer at some looks, those of several layers beside each other."""
    from matplotlib.transforms import ScaledTranslation

    places = sparse(len(group.epochs), _BARS)
    for layer, color in enumerate(layer_colors(group.layers)):
        low, high = (middle + sign * room for sign in (-1, 1))
        shown = {"colors": color, "linewidth": 1.1, "alpha": 0.8}
        bars = ax.vlines(group.epochs[places], low[places, layer], high[places, layer], **shown)
        points = (layer / max(len(group.layers) - 1, 1) - 0.5) * _BESIDE
        move = ScaledTranslation(points / 72, 0, ax.figure.dpi_scale_trans)
        bars.set_transform(ax.transData + move)


def _has_fixed_point(group: Group) -> bool:
    own = group.holding(["fixed_mean", "fixed_variance"])
    return own is not None and bool(np.isfinite(_expected(own, "fixed_mean")).all())


def _distances(kind: str) -> Callable[[Any, Group], None]:
    def draw(ax: Any, group: Group) -> None:
        keys = [f"{kind}_mean", f"{kind}_variance"]
        own = group.holding(keys)
        if own is None:
            say(ax, "not measured")
            return
        expected = [_expected(own, key) for key in keys]
        if not np.isfinite(expected[0]).any():
            say(ax, "no fixed point" if kind == "fixed" else "not known")
            return
        measured = own.values("activation_mean"), own.values("activation_variance")
        draw_layers(ax, own, np.hypot(measured[0] - expected[0], measured[1] - expected[1]))

    return draw


def _expected(group: Group, key: str) -> Array:
    """Return what is expected, (runs, looks, layers) or as one number for all."""
    if key.startswith("fixed"):
        return np.asarray(group.runs[0].record[key], np.float64)
    return group.values(key)


def _speeds(group: Group) -> Array:
    """Return (runs, looks, kernels)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return group.values("update_norm") / group.values("weight_norm")


def _draw_speeds(ax: Any, group: Group) -> None:
    draw_layers(ax, group, _speeds(group))


def _draw_relative_speed(ax: Any, group: Group) -> None:
    speeds = _speeds(group)
    if len(group.layers) < 2:
        say(ax, "one hidden layer")
        return
    # There may be others between them, such as those of gates.
    first, last = (group.kernels.index(group.layers[end]) for end in (0, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        draw_band(ax, group, speeds[..., first] / speeds[..., last], BLUE)
    ax.axhline(1, color=GREY, linewidth=0.8, linestyle="--")
