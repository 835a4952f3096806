"""Moments and gradients of highway networks: y = x (1 - T) + T H with a gate T of its own.

Gate, transform and input of a unit are independent where layers are wide, so that moments follow
from moments; what the identity carries is never mixed with other units.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from snnjax.config.schema import ModelConfig
from snnjax.theory.depth.backward import Backward
from snnjax.theory.depth.layer import Passage, hidden_layer
from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.nodes import normal_law
from snnjax.theory.moments.quadrature import Array
from snnjax.theory.moments.weights import Weights

_SHARED_NODES = 24


class Gated(NamedTuple):
    """A highway layer.

    Attributes:
        transform: What its hidden layer does.
        after: Moments of its units.
        common: Mean product of a unit in two rows.
        carried: Mean square of 1 - T.
        opened: Mean square of T.
        gated: Mean square of the derivative of a unit by the net input of its gate.
        tau: Of the weights of the gate.
    """

    transform: Passage
    after: Moments
    common: float
    carried: float
    opened: float
    gated: float
    tau: float


def gated_layer(
    model: ModelConfig,
    weights: Weights,
    gate: Weights,
    below: Moments,
    common: float,
    training: bool,
) -> Gated | None:
    """Return what a highway layer does; None where a piece is not the library's own.

    Args:
        model: Its choices.
        weights: Of its transform.
        gate: Weights of its gate.
        below: Moments of the units below.
        common: Mean product of a unit below in two rows.
        training: Whether dropout is on.
    """
    transform = hidden_layer(model, weights, below, training, common)
    if transform is None:
        return None
    net = Moments(model.gate_bias, gate.tau * below.mean_square)
    z, masses = normal_law(net)
    opened = np.asarray(expit(z))
    carry, both, both_squares, slope = (
        float(masses @ values)
        for values in ((1 - opened) ** 2, opened * (1 - opened), opened**2, _slope(opened) ** 2)
    )
    share, h = float(masses @ opened), transform.after
    product = below.mean * h.mean
    mean = below.mean * (1 - share) + share * h.mean
    square = below.mean_square * carry + 2 * product * both + both_squares * h.mean_square
    contrast = below.mean_square - 2 * product + h.mean_square
    shared = _shared(net, gate.tau * common)  # E[T T'] of two rows
    between = (1 - 2 * share + shared) * common + 2 * (share - shared) * product
    between += shared * h.mean**2
    after = Moments(mean, square - mean**2)
    return Gated(transform, after, between, carry, both_squares, contrast * slope, gate.tau)


def highway_backwards(
    layers: list[Gated], inputs: list[Moments], pieces: int, gradient: float
) -> tuple[list[Backward], float]:
    """Return what becomes of gradients in gated layers, and the gradient by what enters them.

    Args:
        layers: First to last.
        inputs: Moments of what enters each.
        pieces: Of maxout units, else 1.
        gradient: Mean square of the gradient by a unit of the last.
    """
    found = []
    for layer, x in reversed(list(zip(layers, inputs, strict=True))):
        own = layer.opened * layer.transform.slope * gradient
        transformed = layer.opened * layer.transform.slope * layer.transform.tau * pieces
        squared = layer.carried + transformed + layer.gated * layer.tau
        found.append(Backward(own, own * x.mean_square, squared, None))
        gradient *= squared
    return found[::-1], gradient


def _slope(opened: Array) -> Array:
    return opened * (1 - opened)


def _shared(net: Moments, covariance: float) -> float:
    """Return E[T T'] of the gate of a unit in two rows."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_SHARED_NODES)
    weights = weights / weights.sum()
    covariance = min(max(covariance, 0.0), net.variance)
    same, own = covariance**0.5, (net.variance - covariance) ** 0.5
    z = net.mean + same * nodes[:, None] + own * nodes[None, :]
    return float(weights @ (expit(z) @ weights) ** 2)
