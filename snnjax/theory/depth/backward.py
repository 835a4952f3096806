"""Gradients of random networks, layer by layer: their mean squares, and singular values.

Gradients are those of a sum of outputs with independent weights of mean 0 and variance 1, so that
1 is the mean square of the gradient by an output. They are of one row.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from snnjax.config.schema import ModelConfig
from snnjax.theory.depth.layer import Passage
from snnjax.theory.depth.singular_values import mean_singular_value
from snnjax.theory.depth.slopes import slope_law
from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.nodes import Law

_ORTHOGONAL = ("orthogonal", "lsuv")


class Backward(NamedTuple):
    """What becomes of gradients in one layer.

    Attributes:
        gradient: Mean square of the gradient by a net input, before any normalisation.
        of_weight: Mean square of the gradient by a weight.
        squared: Mean squared singular value of the Jacobian of the layer's units by those below.
        singular: Mean singular value of it; None where it is not known.
    """

    gradient: float
    of_weight: float
    squared: float
    singular: float | None


class Fans(NamedTuple):
    """Units below and units of a layer; its weights lead to `pieces` times as many."""

    below: int
    units: int
    pieces: int = 1


def of_output(tau: float, width: int, outputs: int) -> float:
    """Return the mean square of the gradient by a unit of the last hidden layer.

    Args:
        tau: Of the weights of the outputs.
        width: Units of the last hidden layer.
        outputs: How many there are.
    """
    return tau * outputs / width


def backwards(
    model: ModelConfig,
    passages: Sequence[Passage],
    fans: Sequence[Fans],
    below: Moments,
    gradient: float,
    training: bool,
) -> list[Backward]:
    """Return what becomes of gradients in each layer of a chain, the first layer first.

    Args:
        model: The network's choices.
        passages: What its layers do.
        fans: Of its layers.
        below: Moments of what enters the first.
        gradient: Mean square of the gradient by a unit of the last.
        training: Whether dropout is on.
    """
    inputs = [below, *(passage.after for passage in passages)]
    found = []
    for x, passage, fan in reversed(list(zip(inputs, passages, fans, strict=False))):
        squared, singular = jacobian(model, passage, fan, training)
        own = passage.slope * gradient
        found.append(Backward(own, own * x.mean_square, squared, singular))
        gradient = through_weights(passage, fan, own)
    return found[::-1]


def through_weights(passage: Passage, fan: Fans, gradient: float) -> float:
    """Return the mean square of the gradient by units below, given that by net inputs.

    `n_out Var[W]` times it, as in Glorot & Bengio 2010, Eq. 6.
    """
    return passage.tau * fan.pieces * fan.units / fan.below * gradient


def jacobian(
    model: ModelConfig, passage: Passage, fan: Fans, training: bool
) -> tuple[float, float | None]:
    """Return the mean squared and the mean singular value of the Jacobian of a layer."""
    mean = passage.tau * passage.slope * fan.pieces
    squared = mean * fan.units / min(fan.units, fan.below)
    law = slope_law(model, passage.net, training)
    is_orthogonal = model.init in _ORTHOGONAL
    if law is None or (is_orthogonal and fan.pieces > 1) or not math.isfinite(mean):
        return squared, None
    total = float(law.masses @ law.values)
    if total == 0 or mean == 0:
        return squared, 0.0
    scaled = Law(law.values * (mean / total), law.masses)
    return squared, mean_singular_value(scaled, fan.units, fan.below, is_orthogonal)


def glorot(widths: Sequence[int], variances: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the factors of Glorot & Bengio 2010 for linear layers, Eqs. 5, 6.

    Args:
        widths: Columns of the inputs, then units of every layer.
        variances: Of the weights of every layer.

    Returns:
        Var[z^i] / Var[x] of the inputs and of every layer, the product of n_in Var[W] below; and
        Var[dCost/ds^i] / Var[dCost/ds^d] of the same, the product of n_out Var[W] above.
    """
    forward = np.cumprod([1.0, *(n * v for n, v in zip(widths, variances, strict=False))])
    outward = [n * v for n, v in zip(widths[1:], variances, strict=True)]
    back = np.cumprod([1.0, *outward[::-1]])[::-1]
    return forward.tolist(), back.tolist()


def glorot_variance(fan_in: int, fan_out: int) -> float:
    """Return 2 / (n_in + n_out), between 1 / n_in and 1 / n_out (Glorot & Bengio 2010, Eq. 12)."""
    return 2 / (fan_in + fan_out)
