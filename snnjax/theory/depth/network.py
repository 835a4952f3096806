"""Mean and variance of a multilayer perceptron's activations at initialisation, layer by layer."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from snnjax.config.schema import ModelConfig
from snnjax.registry import MODELS
from snnjax.theory.depth.layer import Passage, hidden_layer, is_adapted
from snnjax.theory.moments.dropout import dropped
from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.weights import Weights, initial_weights
from snnjax.widths import hidden_widths

STANDARD = Moments(0.0, 1.0)
"""Of standardised inputs, and what SELU with its published constants keeps."""

LARGEST = 3.4e38
"""Beyond, float32 holds nothing any more."""

OVERFLOWN = Moments(math.nan, math.inf)


class Ends(NamedTuple):
    """How many columns a network's inputs and outputs have."""

    features: int
    outputs: int


def is_perceptron(model: ModelConfig) -> bool:
    """Tell whether a model is one of the multilayer perceptrons, whose layers form a chain."""
    return MODELS.get(model.name) == MODELS["mlp"]


def layer_weights(model: ModelConfig, ends: Ends) -> list[Weights | None]:
    """Return omega and tau of every hidden layer; None where they are not known."""
    widths = hidden_widths(model, ends.outputs)
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
    inputs = dropped(model, start, model.input_dropout) if training else start
    if inputs is None or model.init == "constant" or None in weights:
        return None
    known = [layer for layer in weights if layer is not None]
    found = chain(model, known, inputs, start, training)
    if found is None:
        return None
    rest = len(known) - len(found)
    return [*(passage.after for passage in found), *[OVERFLOWN] * rest]


def chain(
    model: ModelConfig, weights: Sequence[Weights], x: Moments, start: Moments, training: bool
) -> list[Passage] | None:
    """Return what hidden layers one after another do, up to where float32 overflows.

    Args:
        model: The network's choices and numbers.
        weights: Of each layer.
        x: Moments of what enters the first layer.
        start: The same without dropout.
        training: Whether dropout is on.

    Returns:
        None where a piece is not the library's own.
    """
    found: list[Passage] = []
    adapted: Moments | None = start if training and is_adapted(model) else None
    for layer in weights:
        if not x.mean_square < LARGEST:
            break
        passage = hidden_layer(model, layer, x, training, adapted=adapted)
        if passage is None:
            return None
        if adapted is not None:
            alone = hidden_layer(model, layer, adapted, training=False)
            adapted = None if alone is None else alone.after
        found.append(passage)
        x = passage.after
    return found
