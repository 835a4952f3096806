"""Mean and variance of a multilayer perceptron's activations at initialisation, layer by layer."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from snnjax.config.schema import ModelConfig
from snnjax.registry import MODELS
from snnjax.theory.activations import activation_moments
from snnjax.theory.dropout import dropped
from snnjax.theory.moment_map import Moments, net_input
from snnjax.theory.weights import Weights, initial_weights

STANDARD = Moments(0.0, 1.0)
"""Of standardised inputs, and what SELU with its published constants keeps."""

# Beyond, float32 holds nothing any more.
_LARGEST = 3.4e38


class Ends(NamedTuple):
    """How many columns a network's inputs and outputs have."""

    features: int
    outputs: int


def is_perceptron(model: ModelConfig) -> bool:
    """Tell whether a model is one of the multilayer perceptrons, whose layers form a chain."""
    return MODELS.get(model.name) == MODELS["mlp"]


def layer_widths(model: ModelConfig, outputs: int) -> list[int]:
    """List the widths of the hidden layers of a perceptron, as `nn.mlp.hidden_widths` does."""
    if model.form == "rectangular":
        return [model.width] * model.depth
    ratio = outputs / model.width
    return [max(1, round(model.width * ratio ** (i / model.depth))) for i in range(model.depth)]


def layer_weights(model: ModelConfig, ends: Ends) -> list[Weights | None]:
    """Return omega and tau of every hidden layer; None where they are not known."""
    widths = layer_widths(model, ends.outputs)
    inputs = [ends.features, *widths][: len(widths)]
    pieces = model.pieces if model.activation == "maxout" else 1
    return [
        initial_weights(model, fan_in, pieces * width)
        for fan_in, width in zip(inputs, widths, strict=True)
    ]


def predict(
    model: ModelConfig,
    weights: Sequence[Weights | None],
    start: Moments = STANDARD,
    *,
    training: bool = True,
) -> list[Moments] | None:
    """Return the moments of each hidden layer's activations over rows and units, dropout applied.

    Exact for wide layers of independent weights.

    Args:
        model: The network's choices and numbers.
        weights: Of each hidden layer.
        start: Moments of the inputs.
        training: Whether dropout is on.

    Returns:
        None where a piece is not the library's own, or all weights are equal, so that units are
        not independent. Infinite where float32 overflows.
    """
    x: Moments | None = start
    if training and x is not None:
        x = dropped(model, x, model.input_dropout)
    found = []
    for layer in weights:
        if x is None or layer is None or model.init == "constant":
            return None
        if not x.mean_square < _LARGEST:
            x = Moments(math.nan, math.inf)
        else:
            x = _through(model, layer, x, training)
        if x is None:
            return None
        found.append(x)
    return found


def _through(model: ModelConfig, layer: Weights, x: Moments, training: bool) -> Moments | None:
    """Return the moments after one hidden layer; None where they are not known."""
    net = net_input(x, layer.omega, layer.tau, model.init_bias)
    if model.init == "lsuv":
        net = Moments(net.mean, 1.0 if net.variance else 0.0)
    is_before = model.norm_placement == "before"
    if model.norm == "weight" or is_before:
        net = normalised(model, net)
    y = activation_moments(model, net)
    if y is None:
        return None
    if not is_before and model.norm != "weight":
        y = normalised(model, y)
    return dropped(model, y, model.dropout) if training else y


def normalised(model: ModelConfig, x: Moments) -> Moments:
    """Return the moments after a model's normalisation, of net inputs for weight normalisation.

    That begins with mean 0 and variance 1 of every unit (Salimans & Kingma 2016, section 3).
    """
    if model.norm in ("batch", "layer", "weight"):
        return Moments(0.0, 1.0 if x.variance else 0.0)
    if model.norm == "rms" and x.mean_square:
        return Moments(x.mean / x.mean_square**0.5, x.variance / x.mean_square)
    return x
