"""Moments and gradients of residual blocks: y = f(x + F(x)), the shortcut an identity.

A unit's x is not normal, and what it is decides on its slope in this block and in those above.
Therefore the distribution of a unit is followed through the blocks: F(x) is normal and independent
of the unit's own x where layers are wide. Backwards the mean square of the gradient is followed as
a function of the unit.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from snnjax.config.schema import ModelConfig
from snnjax.theory.depth.backward import Backward, Fans, jacobian, through_weights
from snnjax.theory.depth.layer import (
    Affine,
    Passage,
    affine,
    hidden_layer,
    is_after,
    normalised,
    normalising_slope,
)
from snnjax.theory.depth.slopes import kept_slope, numpy_slope
from snnjax.theory.moments.activations import numpy_activation
from snnjax.theory.moments.dropout import ALPHA_KINDS, alpha_affine
from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.nodes import Law, normal_law, panels
from snnjax.theory.moments.quadrature import Array
from snnjax.theory.moments.weights import Weights

_REACH = 8.0  # deviations of F(x)
_PANEL = 1.5  # its width in deviations of F(x)
_MOST_PANELS = 200
_TINY = 1e-3  # of the range of units: a deviation of F(x) that is left out
_RARE = 1e-14


class Units(NamedTuple):
    """The units of a layer: their distribution, and how each follows from its net input.

    Attributes:
        law: Their values, and how likely each is.
        slopes: Mean square of the derivative of each by its net input.
    """

    law: Law
    slopes: Array


class Block(NamedTuple):
    """A residual block.

    Attributes:
        inner: What the hidden layers of F do.
        last: What its last affine layer does.
        units: Of the block.
        inputs: Moments of what enters each layer of F.
        reaches: How likely the net inputs of the block come from each value below,
            (net inputs, values below); columns add up to 1.
    """

    inner: list[Passage]
    last: Affine
    units: Units
    inputs: list[Moments]
    reaches: Array


def first_units(model: ModelConfig, passage: Passage, training: bool) -> Units | None:
    """Return the units of the plain layer below the blocks; None if a piece is not ours."""
    function, slope = numpy_activation(model), numpy_slope(model)
    if function is None or slope is None:
        return None
    law = normal_law(passage.net, model.pieces if model.activation == "maxout" else 1)
    units = _activated(model, law)
    rate = model.dropout if training else 0.0
    if units is None or rate == 0:
        return units
    if (kept := kept_slope(model, rate)) is None:
        return None
    shift, dropped = 0.0, 0.0
    if model.dropout_kind in ALPHA_KINDS:
        low = -model.selu_lambda * model.selu_alpha
        a, shift = alpha_affine(rate, Moments(model.dropout_mean, model.dropout_variance), low)
        dropped = a * low + shift
    values = np.append(kept * units.law.values + shift, dropped)
    masses = np.append((1 - rate) * units.law.masses, rate)
    return Units(Law(values, masses), np.append(kept**2 * units.slopes, 0.0))


def block(model: ModelConfig, weights: list[Weights], below: Units, training: bool) -> Block | None:
    """Return what a block does; None where a piece is not the library's own.

    Args:
        model: Its choices.
        weights: Of the layers of F.
        below: The units that enter.
        training: Whether dropout is on.
    """
    x = below.law.moments
    inner, inputs = [], [x]
    for layer in weights[:-1]:
        if (passage := hidden_layer(model, layer, x, training)) is None:
            return None
        inner.append(passage)
        x = passage.after
        inputs.append(x)
    last = affine(model, weights[-1], x)
    pieces = model.pieces if model.activation == "maxout" else 1
    law, reaches = _added(below.law, last.net, pieces)
    units = _activated(model, law)
    return None if units is None else Block(inner, last, units, inputs, reaches)


def block_backwards(
    model: ModelConfig, found: Block, fans: list[Fans], gradients: Array, training: bool
) -> tuple[list[Backward], Array]:
    """Return what becomes of gradients in the layers of a block, and of those by its input.

    Args:
        model: Its choices.
        found: The block.
        fans: Of its layers.
        gradients: Mean square of the gradient by a unit of the block, at each of its values.
        training: Whether dropout is on.

    Returns:
        Of every layer, and the mean square of the gradient at each value of the units below.
    """
    pieces = fans[-1].pieces
    by_sum = found.units.slopes * gradients
    own = float(found.units.law.masses @ by_sum) * found.last.slope / pieces
    squared = _whole_jacobian(found, fans)
    back = [Backward(own, own * found.inputs[-1].mean_square, squared, None)]
    unit = Passage(found.last.net, found.units.law.moments, found.last.tau, found.last.slope)
    gradient = through_weights(unit, fans[-1], own)
    for passage, x, fan in reversed(list(zip(found.inner, found.inputs, fans, strict=False))):
        own = passage.slope * gradient
        inner_squared, singular = jacobian(model, passage, fan, training)
        back.append(Backward(own, own * x.mean_square, inner_squared, singular))
        gradient = through_weights(passage, fan, own)
    return back[::-1], by_sum @ found.reaches + gradient


def _whole_jacobian(found: Block, fans: list[Fans]) -> float:
    """Return the mean squared singular value of the Jacobian of a whole block."""
    last = fans[-1]
    factor = found.last.tau * found.last.slope * last.units / last.below
    for passage, fan in zip(found.inner, fans, strict=False):
        factor *= passage.tau * passage.slope * fan.pieces * fan.units / fan.below
    return float(found.units.law.masses @ found.units.slopes) * (1 + factor)


def _activated(model: ModelConfig, law: Law) -> Units | None:
    """Return the units of net inputs, normalised after the activation if the model asks for it."""
    function, slope = numpy_activation(model), numpy_slope(model)
    if function is None or slope is None:
        return None
    y = Law(np.asarray(function(law.values), np.float64), law.masses)
    slopes = np.asarray(slope(law.values), np.float64) ** 2
    if not is_after(model):
        return Units(y, slopes)
    x = y.moments
    factor = normalising_slope(model, x)
    centre = normalised(model, x).mean - x.mean * factor**0.5
    return Units(Law(y.values * factor**0.5 + centre, y.masses), slopes * factor)


def _added(below: Law, net: Moments, pieces: int) -> tuple[Law, Array]:
    """Return the law of x + F(x), for maxout of the largest of several, and where it comes from.

    Where F(x) is next to nothing it is left out, but near 0, where it decides on the slope.
    """
    likely = below.values[below.masses > _RARE]
    deviation = net.variance**0.5
    if deviation > _TINY * float(np.ptp(likely)):
        return _spread(below, net, pieces)
    moved = below.values + net.mean
    near = np.abs(moved) <= _REACH * deviation
    if deviation == 0 or not near.any():
        return Law(moved, below.masses), np.eye(len(moved))
    law, reaches = _spread(Law(below.values[near], below.masses[near]), net, pieces)
    nodes = np.concatenate([law.values, moved[~near]])
    whole = np.zeros((len(nodes), len(moved)))
    whole[: len(law.values), near] = reaches
    whole[np.arange(len(law.values), len(nodes)), np.flatnonzero(~near)] = 1.0
    return Law(nodes, whole @ below.masses), whole


def _spread(below: Law, net: Moments, pieces: int) -> tuple[Law, Array]:
    """Return what `_added` does, on panels that F(x) is wide enough for."""
    deviation = net.variance**0.5
    likely = below.values[below.masses > _RARE] if (below.masses > _RARE).any() else below.values
    low, high = float(likely.min()) + net.mean, float(likely.max()) + net.mean
    low, high = low - _REACH * deviation, high + _REACH * deviation
    count = min(_MOST_PANELS, int(np.ceil((high - low) / (_PANEL * deviation))))
    edges = np.concatenate([np.linspace(low, high, count + 1), [-1.0, 0.0, 1.0]])
    nodes, widths = panels(np.unique(edges[(edges >= low) & (edges <= high)]))
    z = (nodes[:, None] - below.values[None, :] - net.mean) / deviation
    density = np.exp(-(z**2) / 2)
    if pieces > 1:
        density = density * ndtr(z) ** (pieces - 1)
    reaches = widths[:, None] * density
    reaches = reaches / np.maximum(reaches.sum(0, keepdims=True), 1e-300)
    masses = reaches @ below.masses
    return Law(nodes, masses), reaches
