"""One hidden layer of a random network: what it makes of moments, and of gradients.

A layer is linear -> normalisation -> activation -> dropout, or the normalisation after the
activation, as `nn.hidden` has it. All is for wide layers of independent weights, whose net inputs
are normal and whose gradients do not depend on the weights they pass (mean field).
"""

import math
from typing import NamedTuple

from snnjax.config.schema import ModelConfig
from snnjax.theory.depth.slopes import slope_law
from snnjax.theory.moments.activations import activation_moments
from snnjax.theory.moments.dropout import dropped
from snnjax.theory.moments.moment_map import Moments, net_input
from snnjax.theory.moments.weights import Weights


class Affine(NamedTuple):
    """What an affine layer and the normalisation that may follow it make of their input.

    Attributes:
        net: Moments of the result.
        tau: Of the weights, those scaled on data included.
        slope: Mean square of the derivative of the result by what the weights make of the input.
    """

    net: Moments
    tau: float
    slope: float


class Passage(NamedTuple):
    """A hidden layer.

    Attributes:
        net: Moments of what the activation is given.
        after: Moments of the layer's units, all applied.
        tau: As of `Affine`.
        slope: Mean square of the derivative of a unit by what the weights make of the input,
            normalisation and dropout included; for maxout of one of its pieces.
    """

    net: Moments
    after: Moments
    tau: float
    slope: float


def is_adapted(model: ModelConfig) -> bool:
    """Tell whether weights are scaled on data before training, without dropout."""
    return model.init == "lsuv" or model.norm == "weight"


def affine(
    model: ModelConfig,
    weights: Weights,
    below: Moments,
    common: float | None = None,
    adapted: Moments | None = None,
) -> Affine:
    """Return what the weights of a layer and a normalisation before the activation do.

    Args:
        model: Its choices.
        weights: Of the layer.
        below: Moments of the units below.
        common: Mean product of a unit below in two rows, which is what batch and weight
            normalisation take away; by default the squared mean, as of standardised inputs and
            of units that were normalised themselves.
        adapted: Moments of the units below on which weights were scaled, which were not dropped;
            by default those of `below`.
    """
    known = below if adapted is None else adapted
    between_rows = below.variance if common is None else below.mean_square - common
    net = net_input(below, weights.omega, weights.tau, model.init_bias)
    tau = weights.tau
    if model.init == "lsuv":
        tau = _inverse(known.mean_square) if tau else 0.0
        net = Moments(net.mean, tau * below.mean_square)
    if model.norm == "weight":
        between_rows = known.variance if common is None else between_rows
        tau = _inverse(between_rows) if tau else 0.0
        # The bias takes away what the mean of the undropped units adds.
        spread = between_rows + (below.mean_square - 2 * below.mean * known.mean)
        spread -= known.variance - known.mean**2
        return Affine(Moments(0.0, tau * spread), tau, 1.0)
    if model.norm_placement != "before" or model.norm == "none":
        return Affine(net, tau, 1.0)
    lengths = {"batch": tau * between_rows, "layer": net.variance, "rms": net.mean_square}
    return Affine(normalised(model, net), tau, _inverse(lengths[model.norm]))


def hidden_layer(
    model: ModelConfig,
    weights: Weights,
    below: Moments,
    training: bool,
    common: float | None = None,
    adapted: Moments | None = None,
) -> Passage | None:
    """Return what a hidden layer does; None where a piece is not the library's own."""
    net, tau, slope = affine(model, weights, below, common, adapted)
    y, law = activated(model, net, training), slope_law(model, net, training)
    if y is None or law is None:
        return None
    pieces = model.pieces if model.activation == "maxout" else 1
    slope *= float(law.masses @ law.values) / pieces
    if is_after(model):
        slope *= normalising_slope(model, y)
        y = normalised(model, y)
    after = dropped(model, y, model.dropout) if training else y
    return None if after is None else Passage(net, after, tau, slope)


def activated(model: ModelConfig, net: Moments, training: bool) -> Moments | None:
    """Return the moments of activations; random slopes are drawn in training only."""
    y = activation_moments(model, net)
    if y is None or not training or model.activation != "rrelu":
        return y
    low, high = model.rrelu_low, model.rrelu_high
    root = math.sqrt((low**2 + low * high + high**2) / 3)
    of_root = activation_moments(_leaky(root), net)
    return None if of_root is None else Moments(y.mean, of_root.mean_square - y.mean**2)


def _leaky(slope: float) -> ModelConfig:
    return ModelConfig(activation="leaky_relu", leaky_slope=slope)


def is_after(model: ModelConfig) -> bool:
    """Tell whether a normalisation follows the activation."""
    return model.norm in ("batch", "layer", "rms") and model.norm_placement == "after"


def normalised(model: ModelConfig, x: Moments) -> Moments:
    """Return the moments after a model's normalisation of batch, layer or root mean square."""
    if model.norm in ("batch", "layer"):
        return Moments(0.0, 1.0 if x.variance else 0.0)
    if model.norm == "rms" and x.mean_square:
        return Moments(x.mean / x.mean_square**0.5, x.variance / x.mean_square)
    return x


def normalising_slope(model: ModelConfig, x: Moments) -> float:
    """Return the squared slope of a normalisation at units of these moments."""
    return _inverse(x.mean_square if model.norm == "rms" else x.variance)


def _inverse(number: float) -> float:
    """Return 1 / number, and 0 for nothing: dead units stay as they are."""
    return 1 / number if number > 0 else 0.0
