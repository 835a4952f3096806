"""Moments and gradients of the convolutions and the pooling of a network for small images.

Weights of different places in a kernel are independent, so that the net inputs of two positions
correlate as the images do there. All positions of a square of 2 x 2 are taken to correlate alike,
as those of neighbouring squares; near a border that is padded with zeros mean squares are smaller.
Gradients through normalised convolutions are a rough guide only: kernels see few channels at
first, so that lengths of patches differ, and the mean of their inverses is not that of the mean.
"""

from typing import NamedTuple

import numpy as np

from snnjax.config.schema import ModelConfig
from snnjax.theory.depth.slopes import numpy_slope
from snnjax.theory.moments.activations import numpy_activation
from snnjax.theory.moments.dropout import ALPHA_KINDS, alpha_affine
from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.nodes import Law, normal_law
from snnjax.theory.moments.quadrature import Array
from snnjax.theory.moments.weights import Weights
from snnjax.widths import KERNEL_SIZE, Padding

_SHARED_NODES = 20
_SQUARE = 4  # positions that are pooled


class Images(NamedTuple):
    """What images of one kind are like, over rows and channels.

    Attributes:
        means: At every position, (height, width).
        squares: Mean squares.
        pair: Mean product of two neighbouring positions, over the mean square.
    """

    means: Array
    squares: Array
    pair: float

    @property
    def moments(self) -> Moments:
        """Over all positions."""
        mean = float(self.means.mean())
        return Moments(mean, float(self.squares.mean()) - mean**2)


class Convolved(NamedTuple):
    """A convolutional layer.

    Attributes:
        net: What the activation is given.
        after: Its images.
        slope: Mean square of the derivative of a unit by what the weights make of the input.
        covered: Which share of a kernel lies on an image, on average.
        tau: Of the weights, those scaled on data included.
        scale: Factor of the normalisation before the activation.
        affine: Factor and summand of that after it.
    """

    net: Images
    after: Images
    slope: float
    covered: float
    tau: float
    scale: float
    affine: tuple[float, float]


class Pooled(NamedTuple):
    """Pooling of 2 x 2 positions, and dropout.

    Attributes:
        after: The smaller images.
        slope: Mean square of the derivative of a pooled unit by the net input it comes from,
            normalisation and dropout included.
    """

    after: Images
    slope: float


def even_images(shape: tuple[int, int], start: Moments, correlation: float = 0.0) -> Images:
    """Return images whose positions are alike.

    Args:
        shape: Height and width.
        start: Moments of the pixels.
        correlation: Of neighbouring pixels.
    """
    square = max(start.mean_square, 1e-300)
    pair = (start.mean**2 + correlation * start.variance) / square
    return Images(np.full(shape, start.mean), np.full(shape, start.mean_square), pair)


def convolution_layer(
    model: ModelConfig, weights: Weights, below: Images, padding: Padding
) -> Convolved | None:
    """Return what a convolutional layer does; None where that is not known."""
    if numpy_activation(model) is None or model.activation == "maxout" or model.norm == "weight":
        return None
    tau, squares = weights.tau, weights.tau * _patches(below.squares, padding)
    covered = float(_patches(np.ones_like(below.squares), padding).mean())
    if model.init == "lsuv" and squares.any():
        tau, squares = tau / float(squares.mean()), squares / squares.mean()
    net, scale = _net(model, squares, below)
    means, after, slopes = _each(net, lambda x, v: _activated(model, Moments(x, v)))
    y = Images(means, after, _pair_after(model, net))
    factor, shift = _normalising(model, y)
    y = _mapped(y, factor, shift)
    slope = float(slopes.mean()) * scale * factor**2
    return Convolved(net, y, slope, covered, tau, scale, (factor, shift))


def pooling(model: ModelConfig, layer: Convolved, training: bool) -> Pooled:
    """Return what is left of a layer after pooling and dropout."""
    height, width = (size // 2 for size in layer.net.means.shape)
    cut = (slice(2 * height), slice(2 * width))
    folded = (height, 2, width, 2)
    squares = layer.net.squares[cut].reshape(folded).mean((1, 3))
    net = Images(layer.net.means[cut][::2, ::2], squares, layer.net.pair)
    means, after, slopes = _each(net, lambda x, v: _largest(model, Moments(x, v), net.pair)[:3])
    typical = Moments(float(net.means.mean()), float(_variances(net).mean()))
    _, _, _, product = _largest(model, typical, net.pair)
    y = _mapped(Images(means, after, product / float(after.mean())), *layer.affine)
    slope = float(slopes.mean()) * layer.scale * layer.affine[0] ** 2
    if not training or model.conv_dropout == 0:
        return Pooled(y, slope)
    return _dropped(model, y, slope)


def _patches(squares: Array, padding: Padding) -> Array:
    """Return means over all patches of a kernel's size, zeros around the image with `same`."""
    margin = KERNEL_SIZE // 2
    padded = np.pad(squares, margin) if padding == "same" else squares
    windows = np.lib.stride_tricks.sliding_window_view(padded, (KERNEL_SIZE, KERNEL_SIZE))
    return np.asarray(windows.mean((2, 3)))


def _net(model: ModelConfig, squares: Array, below: Images) -> tuple[Images, float]:
    """Return net inputs, and the squared factor that a normalisation before the activation has.

    `squares` are variances: the mean of a net input is its bias.
    """
    bias, scale = model.init_bias, 1.0
    means, pair = np.full_like(squares, bias), below.pair
    if model.norm_placement == "before" and model.norm != "none" and squares.any():
        mean_square = float(below.squares.mean())
        alike = min(float(below.means.mean()) ** 2 / mean_square, 1 - 1e-9)
        lengths = {
            "batch": squares.mean() * (1 - alike) * np.ones_like(squares),
            "layer": squares,
            "rms": squares + bias**2,
        }
        length = np.maximum(lengths[model.norm], 1e-300)
        scale = float((1 / length).mean())
        if model.norm == "batch":  # takes away what all positions and rows share
            pair = (pair - alike) / (1 - alike)
            squares = squares * (1 - alike)
        squares = squares / length
        means = means / np.sqrt(length) if model.norm == "rms" else np.zeros_like(means)
    return Images(means, squares + means**2, min(max(pair, 0.0), 1.0)), scale


def _variances(net: Images) -> Array:
    return np.maximum(net.squares - net.means**2, 0.0)


def _each(net: Images, function: object) -> tuple[Array, Array, Array]:
    """Call a function of mean and variance once for all positions that are alike."""
    both = np.stack([net.means.ravel(), _variances(net).ravel()], 1).round(12)
    unique, place = np.unique(both, axis=0, return_inverse=True)
    found = np.array([function(*map(float, one)) for one in unique])  # type: ignore[operator]
    means, squares, slopes = (column[place.ravel()].reshape(net.means.shape) for column in found.T)
    return means, squares, slopes


def _activated(model: ModelConfig, net: Moments) -> tuple[float, float, float]:
    """Return mean, mean square, and mean squared slope of activations."""
    z, masses = normal_law(net)
    y, slopes = _values(model, z)
    return float(masses @ y), float(masses @ y**2), float(masses @ slopes)


def _values(model: ModelConfig, z: Array) -> tuple[Array, Array]:
    function, slope = numpy_activation(model), numpy_slope(model)
    if function is None or slope is None:
        raise ValueError(f"{model.activation}: no such activation")
    return np.asarray(function(z), np.float64), np.asarray(slope(z), np.float64) ** 2


def _shared(net: Moments, correlation: float) -> tuple[list[Law], Array]:
    """Return laws of a net input given what correlated ones share, and how likely each is."""
    shared, likely = np.polynomial.hermite_e.hermegauss(_SHARED_NODES)
    if correlation == 0:
        shared, likely = np.zeros(1), np.ones(1)
    deviation = (correlation * net.variance) ** 0.5
    laws = [
        normal_law(Moments(net.mean + deviation * float(x), (1 - correlation) * net.variance))
        for x in shared
    ]
    return laws, likely / likely.sum()


def _pair_after(model: ModelConfig, net: Images) -> float:
    """Return the mean product of neighbours after the activation, over the mean square."""
    typical = Moments(float(net.means.mean()), float(_variances(net).mean()))
    laws, likely = _shared(typical, net.pair)
    means = [float(masses @ _values(model, z)[0]) for z, masses in laws]
    square = _activated(model, typical)[1]
    return float(likely @ np.square(means)) / max(square, 1e-300)


def _largest(
    model: ModelConfig, net: Moments, correlation: float
) -> tuple[float, float, float, float]:
    """Return mean, mean square, squared slope and product of two of the largest of a square."""
    laws, likely = _shared(net, correlation)
    found = np.array([_largest_of(model, law) for law in laws])
    mean, square, slope = likely @ found
    return float(mean), float(square), float(slope), float(likely @ found[:, 0] ** 2)


def _largest_of(model: ModelConfig, law: Law) -> tuple[float, float, float]:
    y, slopes = _values(model, law.values)
    order = np.argsort(y, kind="stable")
    y, slopes, masses = y[order], slopes[order], law.masses[order]
    above = np.cumsum(masses)
    weights = above**_SQUARE - (above - masses) ** _SQUARE
    weights = weights / weights.sum()
    return float(weights @ y), float(weights @ y**2), float(weights @ slopes)


def _normalising(model: ModelConfig, y: Images) -> tuple[float, float]:
    """Return factor and summand of a normalisation after the activation."""
    if model.norm_placement != "after" or model.norm not in ("batch", "layer", "rms"):
        return 1.0, 0.0
    x = y.moments
    if model.norm == "rms":
        return x.mean_square**-0.5, 0.0
    factor = x.variance**-0.5
    return factor, -factor * x.mean


def _mapped(y: Images, factor: float, shift: float) -> Images:
    """Return images times a factor, plus a summand."""
    squares = factor**2 * y.squares + 2 * factor * shift * y.means + shift**2
    mean, square = float(y.means.mean()), float(y.squares.mean())
    product = factor**2 * y.pair * square + 2 * factor * shift * mean + shift**2
    return Images(factor * y.means + shift, squares, product / max(float(squares.mean()), 1e-300))


def _dropped(model: ModelConfig, y: Images, slope: float) -> Pooled:
    """Return pooled images after dropout: of single units, or of channels."""
    rate = model.conv_dropout
    scale, shift, dropped = 1 / (1 - rate), 0.0, 0.0
    if model.dropout_kind in ALPHA_KINDS:
        low = -model.selu_lambda * model.selu_alpha
        kept_moments = Moments(model.dropout_mean, model.dropout_variance)
        scale, shift = alpha_affine(rate, kept_moments, low)
        dropped = scale * low + shift
    kept = _mapped(y, scale, shift)
    means = (1 - rate) * kept.means + rate * dropped
    squares = (1 - rate) * kept.squares + rate * dropped**2
    if model.dropout_kind == "feature_alpha":
        product = (1 - rate) * kept.pair * float(kept.squares.mean()) + rate * dropped**2
    else:
        expected = _mapped(y, (1 - rate) * scale, (1 - rate) * shift + rate * dropped)
        product = expected.pair * float(expected.squares.mean())
    pair = product / float(squares.mean())
    return Pooled(Images(means, squares, pair), slope * (1 - rate) * scale**2)
