"""What layers of finite width add to the moments of infinitely wide ones, to first order.

The mean square Q of one row over the units of a layer differs between networks. Given that of the
layer below, the units are independent, so that Q is a Markov chain over layers: its variance grows
like depth / width, and because activations are curved, so does what this adds to its mean. Weights
that are not normal, or orthogonal to each other, add what the kurtosis of net inputs makes of it.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from snnjax.config.schema import ModelConfig
from snnjax.theory.depth.layer import is_after
from snnjax.theory.moments.activations import numpy_activation
from snnjax.theory.moments.dropout import ALPHA_KINDS, alpha_affine
from snnjax.theory.moments.moment_map import Moments, net_input
from snnjax.theory.moments.nodes import normal_law
from snnjax.theory.moments.quadrature import Array
from snnjax.theory.moments.weights import CUT, Weights

LARGEST_SPREAD = 0.75
"""The next orders are as large as the square of the spread: beyond this the first says nothing."""
_STEP = 0.03  # relative, of the variance of net inputs, for derivatives
# Of the distributions that weights are drawn from: fourth moment over squared variance, less 3.
_UNIFORM = -6 / 5
_CUT_FOURTH = 3 * CUT - 16 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
_TRUNCATED = _CUT_FOURTH / CUT**2 - 3


class Finite(NamedTuple):
    """One layer of finite width.

    Attributes:
        moments: Mean and variance of its units over networks, rows and units; None where the
            first order says nothing of them: the spread is above `LARGEST_SPREAD`, or the
            variance would not be positive.
        spread: Standard deviation over networks of a row's mean square, over its mean.
    """

    moments: Moments | None
    spread: float


class _Row(NamedTuple):
    """The mean square of a row over the units of a layer, and what else the next one needs."""

    limit: float  # what it is in layers without end
    shift: float  # of its mean from there
    variance: float
    fourth: float  # mean fourth power of a unit


def finite_widths(
    model: ModelConfig,
    weights: list[Weights],
    widths: list[int],
    start: Moments,
    training: bool,
) -> list[Finite] | None:
    """Return what is known of every layer of a perceptron.

    The inputs are taken to be independent and normal. What is corrected: the mean and the variance
    of units, the expectation over networks of what is measured over rows and units; and the spread
    of a single row.

    Args:
        model: Its choices.
        weights: Of its hidden layers.
        widths: Columns of the inputs, then units of the hidden layers.
        start: Moments of the inputs.
        training: Whether dropout is on.

    Returns:
        None where units are normalised by what other rows are, where dropout follows a
        normalisation, or where a piece is not the library's own.
    """
    is_dropped = training and model.dropout > 0
    if model.norm in ("batch", "weight") or model.init in ("lsuv", "constant"):
        return None
    if (is_after(model) and is_dropped) or (rates := _powers(model, training)) is None:
        return None
    row = _of_inputs(model, start, widths[0], training)
    found = []
    for layer, fans in zip(weights, pairwise(widths), strict=True):
        if row is None or (step := _through(model, layer, fans, row, rates)) is None:
            return None
        moments, row = step
        spread = math.sqrt(max(row.variance, 0.0)) / max(row.limit + row.shift, 1e-300)
        is_small = spread <= LARGEST_SPREAD and moments.variance > 0
        found.append(Finite(moments if is_small else None, spread))
    return found


class _Drop(NamedTuple):
    """Dropout: a kept unit y becomes scale * y + shift, another one `dropped`."""

    rate: float = 0.0
    scale: float = 1.0
    shift: float = 0.0
    dropped: float = 0.0

    def powers(self, y: Array) -> Array:
        """Return the mean first, second and fourth power of units after dropout, (3, units)."""
        kept = self.scale * y + self.shift
        powers = np.array([1, 2, 4])[:, None]
        return (1 - self.rate) * kept[None, :] ** powers + self.rate * self.dropped**powers


def _powers(model: ModelConfig, training: bool) -> _Drop | None:
    return _drop(model, model.dropout) if training else _Drop()


def _drop(model: ModelConfig, rate: float) -> _Drop | None:
    if rate == 0:
        return _Drop()
    if model.dropout_kind == "ordinary":
        return _Drop(rate, 1 / (1 - rate))
    if model.dropout_kind not in ALPHA_KINDS:
        return None
    low = -model.selu_lambda * model.selu_alpha
    a, b = alpha_affine(rate, Moments(model.dropout_mean, model.dropout_variance), low)
    return _Drop(rate, a, b, a * low + b)


def _of_inputs(model: ModelConfig, start: Moments, features: int, training: bool) -> _Row | None:
    drop = _drop(model, model.input_dropout if training else 0.0)
    if drop is None:
        return None
    x, masses = normal_law(start)
    _, square, fourth = (float(mean) for mean in drop.powers(x) @ masses)
    return _Row(square, 0.0, (fourth - square**2) / features, fourth)


def _through(
    model: ModelConfig, layer: Weights, fans: tuple[int, int], below: _Row, drop: _Drop
) -> tuple[Moments, _Row] | None:
    """Return the moments of a layer, and its row."""
    net = net_input(Moments(0.0, below.limit), layer.omega, layer.tau, model.init_bias)
    fixed = model.norm in ("layer", "rms") and model.norm_placement == "before"
    if fixed:
        root = math.sqrt(net.variance if model.norm == "layer" else net.mean_square)
        mean = 0.0 if model.norm == "layer" else net.mean / root
        net = Moments(mean, net.variance / root**2)
        below = below._replace(shift=0.0, variance=0.0)
    if not net.variance > 0 or (at := _powers_around(model, net, drop)) is None:
        return None
    value, first, second = at
    shift, variance = below.shift / below.limit, below.variance / below.limit**2
    kurtosis = _kurtosis(model, fans, below, fixed)
    moved = first * shift + second * (variance / 2 + kurtosis / 6)
    mean, square, fourth = map(float, value)
    noise = fourth - square**2
    noise_change = first[2] - 2 * square * first[1]
    noise_curve = second[2] - 2 * (first[1] ** 2 + square * second[1])
    noise += noise_change * shift + noise_curve * variance / 2
    noise -= _held(model, fans, fixed) * 2 * first[1] ** 2
    if fixed and model.norm == "layer":
        noise -= _tilt(model, net, drop) ** 2
    after = float(first[1] ** 2 * variance + noise / fans[1])
    row = _Row(square, float(moved[1]), after, fourth)
    mean = mean + float(moved[0])
    if is_after(model):
        return _normalised(model, row, mean)
    return Moments(mean, square + float(moved[1]) - mean**2), row


def _powers_around(
    model: ModelConfig, net: Moments, drop: _Drop
) -> tuple[Array, Array, Array] | None:
    """Return mean powers of units, and v d/dv and v^2 d^2/dv^2 of them, v the net variance."""
    if (function := numpy_activation(model)) is None:
        return None
    pieces = model.pieces if model.activation == "maxout" else 1

    def powers(factor: float) -> Array:
        z, masses = normal_law(Moments(net.mean, net.variance * factor), pieces)
        return np.asarray(drop.powers(np.asarray(function(z), np.float64)) @ masses)

    low, middle, high = (powers(1 + step) for step in (-_STEP, 0, _STEP))
    return middle, (high - low) / (2 * _STEP), (high - 2 * middle + low) / _STEP**2


def _tilt(model: ModelConfig, net: Moments, drop: _Drop) -> float:
    """Return the covariance of a unit's square with its standardised net input."""
    function = numpy_activation(model)
    if function is None or model.activation == "maxout":
        return 0.0
    z, masses = normal_law(net)
    squares = drop.powers(np.asarray(function(z), np.float64))[1]
    return float(masses @ (squares * (z - net.mean))) / math.sqrt(net.variance)


def _kurtosis(model: ModelConfig, fans: tuple[int, int], below: _Row, fixed: bool) -> float:
    """Return the excess kurtosis of the net inputs of a row."""
    if fixed:
        return -6 / fans[1]
    if model.init == "orthogonal":
        return -6 / max(fans)
    shapes = {"uniform": _UNIFORM, "truncated": _TRUNCATED}
    drawn = shapes.get(model.init.rpartition("_")[2], 0.0)
    return drawn * below.fourth / below.limit**2 / fans[0]


def _held(model: ModelConfig, fans: tuple[int, int], fixed: bool) -> float:
    """Return which share of the variance of the net inputs' mean square is held fixed."""
    if fixed:
        return 1.0
    return fans[1] / max(fans) if model.init == "orthogonal" else 0.0


def _normalised(model: ModelConfig, row: _Row, mean: float) -> tuple[Moments, _Row]:
    """Return what a normalisation after the activation makes of a layer."""
    square = row.limit + row.shift
    if model.norm == "layer":
        variance = square - mean**2
        centred = _Row(1.0, 0.0, 0.0, 3.0)
        return Moments(0.0, 1.0 if variance > 0 else 0.0), centred
    root = math.sqrt(square)
    fourth = row.fourth / row.limit**2
    return Moments(mean / root, 1 - (mean / root) ** 2), _Row(1.0, 0.0, 0.0, fourth)
