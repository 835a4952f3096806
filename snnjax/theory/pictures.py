"""The pictures of the theory, as figures of matplotlib that need no display."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from snnjax.config.schema import ModelConfig
from snnjax.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    make_figure,
    styled,
)
from snnjax.theory.depth.forecast import Layer, forecast
from snnjax.theory.depth.network import Ends
from snnjax.theory.depth.slopes import numpy_slope
from snnjax.theory.moments.activations import TWINS, numpy_activation
from snnjax.theory.moments.jacobian import selu_jacobian, spectral_radius
from snnjax.theory.moments.moment_map import Moments, selu_map
from snnjax.theory.moments.quadrature import Array, Function

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Values that differ by more than this factor are drawn on a logarithmic axis.
_MANY = 5
_GRADIENTS = 1e-8, 1e6
_VARIANCES = 1e-6, 1e2  # what is drawn of all methods; those that leave it have failed
_DOMAIN = ((-0.1, 0.1), (0.8, 1.5))  # of mu and nu in Theorem 1
_LINES = (-0.6, -0.5), (0.8, 0.2)  # slopes and intercepts of two pieces of a maxout unit


def _dashes(place: int) -> tuple[float, tuple[float, float]]:
    """Return dashes that leave room for those of two other places of the same curve."""
    return 3.0 * (3 - place), (3, 6)


_SELU = "SELU, LeCun"
_METHODS: Mapping[str, tuple[dict[str, Any], str, Any]] = {
    _SELU: ({"activation": "selu", "init": "lecun_normal"}, BLUE, "-"),  # below all others
    "ReLU, He": ({"activation": "relu", "init": "he_normal"}, ORANGE, "-"),
    "ReLU, batch norm": (
        {"activation": "relu", "init": "he_normal", "norm": "batch"}, ORANGE, _dashes(0)
    ),
    "ReLU, layer norm": (
        {"activation": "relu", "init": "he_normal", "norm": "layer"}, SKY, _dashes(1)
    ),
    "ReLU, weight norm": (
        {"activation": "relu", "init": "he_normal", "norm": "weight"}, BLACK, _dashes(2)
    ),
    "tanh, Glorot": ({"activation": "tanh", "init": "glorot_uniform"}, GREEN, "-"),
    "tanh, standard": ({"activation": "tanh", "init": "uniform"}, GREEN, "--"),
    "sigmoid, N(0, 1)": ({"activation": "sigmoid", "init": "normal"}, RED, "-"),
    "highway (ReLU)": (
        {"name": "highway", "activation": "relu", "init": "he_normal"}, PURPLE, "-"
    ),
    "residual (ReLU, batch norm)": (
        {"name": "resnet", "activation": "relu", "init": "he_normal", "norm": "batch"}, GREY, "-"
    ),
}  # fmt: skip


@styled
def draw_flow() -> "Figure":
    """Draw where SELU's map takes mean and variance, with Theorem 1's domain and fixed point."""
    figure, axes = make_figure(
        (8.0, 4.2), 1, 2, "How one SELU layer moves mean and variance, g(x) - x"
    )
    for ax, (omega, tau) in zip(axes[0], ((0.0, 1.0), (0.1, 1.1)), strict=True):
        means, variances = np.meshgrid(np.linspace(-0.3, 0.3, 25), np.linspace(0.4, 2.0, 33))
        moved = [
            selu_map(float(m), omega, float(v), tau)
            for m, v in zip(means.ravel(), variances.ravel(), strict=True)
        ]
        across = np.array([x.mean for x in moved]).reshape(means.shape) - means
        up = np.array([x.variance for x in moved]).reshape(means.shape) - variances
        ax.streamplot(
            means, variances, across, up, color=BLUE, linewidth=0.7, density=0.9, arrowsize=0.7
        )
        (left, right), (low, high) = _DOMAIN
        corners = [left, right, right, left, left], [low, low, high, high, low]
        ax.plot(*corners, color=ORANGE, linewidth=1.8, label="domain of Theorem 1")
        point = _settled(omega, tau)
        label = f"fixed point ({point.mean + 0.0:.3f}, {point.variance:.3f})"
        ax.plot(*point, "o", color=RED, markersize=6, label=label, zorder=5)
        ax.set(xlabel=r"mean $\mu$", ylabel=r"variance $\nu$")
        ax.set(title=rf"$\omega$ = {omega:g}, $\tau$ = {tau:g}", xlim=(-0.3, 0.3), ylim=(0.4, 2.0))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=8)
    return figure


@styled
def draw_contraction() -> "Figure":
    """Draw by how much a layer brings moments closer to the fixed point of its omega and tau."""
    omegas, taus = np.linspace(-0.5, 0.5, 33), np.linspace(0.7, 1.4, 36)
    rates = np.empty((len(taus), len(omegas)))
    for column, omega in enumerate(omegas):
        start = Moments(0.0, 1.0)
        for row, tau in enumerate(taus):
            start = _settled(float(omega), float(tau), start)
            rates[row, column] = float(
                spectral_radius(selu_jacobian(start.mean, omega, start.variance, tau))
            )
    figure, axes = make_figure((6.0, 4.4), 1, 1, "Contraction of SELU's map at its fixed point")
    ax = axes[0, 0]
    levels = np.arange(np.floor(rates.min() * 50) / 50, rates.max() + 0.01, 0.01)
    filled = ax.contourf(omegas, taus, rates, levels, cmap="viridis")
    lines = ax.contour(omegas, taus, rates, levels[::2], colors="white", linewidths=0.7)
    middle = rates[:, len(omegas) // 2]
    within = [level for level in lines.levels if middle.min() < level < middle.max()]
    places = [(0.0, float(taus[np.abs(middle - level).argmin()])) for level in within]
    ax.clabel(lines, within, fmt="%.2f", fontsize=8, manual=places)
    corners = [-0.1, 0.1, 0.1, -0.1, -0.1], [0.95, 0.95, 1.1, 1.1, 0.95]
    ax.plot(*corners, color=ORANGE, linewidth=1.8, label="domain of Theorem 1")
    ax.plot(
        0, 1, "o", color=RED, markersize=6, label=r"$\omega = 0$, $\tau = 1$: fixed point (0, 1)"
    )
    ax.set(xlabel=r"sum of weights $\omega$", ylabel=r"sum of squared weights $\tau$")
    ax.grid(False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=8)
    figure.colorbar(filled, label="largest eigenvalue of the Jacobian")
    return figure


@styled
def draw_activations() -> "Figure":
    """Draw every activation and its derivative."""
    figure, axes = make_figure((8.4, 8.4), 4, 4, "Activations and their derivatives")
    x = np.linspace(-4, 4, 401)
    for ax, name in zip(axes.ravel(), TWINS, strict=True):
        function, slope = _curves(name)
        ax.axhline(0, color="black", linewidth=0.5)
        ax.axvline(0, color="black", linewidth=0.5)
        ax.plot(x, np.asarray(function(x)), color=BLUE, linewidth=1.6, label="f(x)")
        slopes = _broken(np.asarray(slope(x), np.float64))
        ax.plot(x, slopes, color=ORANGE, linestyle=(0, (2, 1.5)), label="f'(x)")
        title = f"{name} of two lines" if name == "maxout" else name
        ax.set(title=title, xlim=(-4, 4), ylim=(-2.2, 2.6))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


@styled
def draw_depth(depth: int = 32, width: int = 256) -> "Figure":
    """Draw what methods make of mean, variance and gradients, layer by layer."""
    title = f"Networks of width {width} at initialisation, by theory"
    figure, axes = make_figure((9.6, 4.2), 1, 3, title)
    for name, (choices, color, line) in _METHODS.items():
        plain = ModelConfig(name="mlp", depth=depth, width=width, dropout=0.0)
        model = replace(plain, **choices)
        layers = forecast(model, Ends(width, 10), training=False)
        if layers is not None:
            outer = [layer for layer in layers if ".hidden." not in layer.name]
            width_of_line = 4.0 if name == _SELU else 1.5
            style = {"color": color, "linestyle": line, "linewidth": width_of_line}
            _draw_layers(axes[0], outer, label=name, **style)
    _label_layers(axes[0])
    axes[0, 1].set_ylim(*_VARIANCES)
    axes[0, 2].set_ylim(*_GRADIENTS)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, fontsize=8, handlelength=3.5
    )
    return figure


FIGURES: Mapping[str, Callable[[], "Figure"]] = {
    "flow": draw_flow,
    "contraction": draw_contraction,
    "activations": draw_activations,
    "depth": draw_depth,
}
"""By the name of its file."""


@styled
def draw_network(layers: Sequence[Layer], title: str) -> "Figure":
    """Draw mean, variance and gradient of one network, layer by layer."""
    figure, axes = make_figure((9.6, 3.6), 1, 3, title)
    _draw_layers(axes[0], layers, color=BLUE, marker="o", markersize=3)
    numbers = np.arange(1, len(layers) + 1)
    finite = [layer.finite for layer in layers]
    if any(one is not None and one.moments is not None for one in finite):
        known = [
            (math.nan, math.nan)
            if one is None or one.moments is None
            else (one.moments.variance, one.spread)
            for one in finite
        ]
        variance, spread = np.array(known).T
        axes[0, 1].plot(numbers, variance, color=ORANGE, label="at this width")
        band = np.maximum(variance * (1 - spread), variance * 1e-3), variance * (1 + spread)
        axes[0, 1].fill_between(
            numbers, *band, color=ORANGE, alpha=0.2, linewidth=0, label="spread of networks"
        )
        axes[0, 1].legend(fontsize=8)
    _label_layers(axes[0])
    return figure


def _draw_layers(axes: Array, layers: Sequence[Layer], **style: Any) -> None:
    numbers = np.arange(1, len(layers) + 1)
    columns = (
        [layer.after.mean for layer in layers],
        [layer.after.variance for layer in layers],
        [math.nan if layer.backward is None else layer.backward.gradient for layer in layers],
    )
    for ax, values in zip(axes, columns, strict=True):
        y = np.array(values, np.float64)
        ax.plot(numbers, np.where(np.isfinite(y), y, np.nan), **{"linewidth": 1.5, **style})


def _label_layers(axes: Array) -> None:
    from matplotlib.ticker import MaxNLocator

    titles = "mean of activations", "variance of activations", "mean squared gradient"
    for ax, title in zip(axes, titles, strict=True):
        ax.set(title=title, xlabel="layer")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(min(low, -0.1), max(high, 0.1))
    for ax in axes[1:]:
        low, high = ax.dataLim.intervaly
        if high > _MANY * low:
            ax.set_yscale("log")
        else:
            ax.set_ylim(0, 1.1 * high)


def _settled(omega: float, tau: float, start: Moments = Moments(0.0, 1.0)) -> Moments:  # noqa: B008
    """Return the fixed point that layers of equal weights come to."""
    x = start
    for _ in range(500):
        after = selu_map(x.mean, omega, x.variance, tau)
        if abs(after.mean - x.mean) + abs(after.variance - x.variance) < 1e-7 * after.variance:
            return after
        x = after
    return x


def _curves(name: str) -> tuple[Function, Function]:
    """Return an activation and its derivative; of maxout those of the larger of two lines."""
    if name == "maxout":
        (a, b), (c, d) = _LINES
        larger = lambda x: np.maximum(a * x + b, c * x + d)  # noqa: E731  a pair of functions
        return larger, lambda x: np.where(a * x + b > c * x + d, a, c)
    model = ModelConfig(activation=name)
    function, slope = numpy_activation(model), numpy_slope(model)
    if function is None or slope is None:
        raise ValueError(f"{name}: no such activation")
    return function, slope


def _broken(slopes: Array) -> Array:
    """Return slopes with a gap where they jump."""
    jumps = np.abs(np.diff(slopes, append=slopes[-1])) > 0.3
    return np.where(jumps, np.nan, slopes)
