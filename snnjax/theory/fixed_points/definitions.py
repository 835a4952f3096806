"""What a fixed point is said to be of: from moments of activations to those of net inputs."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from snnjax.theory.moments.calculus import Calculus
from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.quadrature import Array


class Definition(NamedTuple):
    """How net inputs z follow from mean and variance of the layer below.

    Attributes:
        says: The law of z.
        weights: Which weights make it true.
        keeps_mean: Whether z has the mean of the activations, instead of 0.
        is_pooled: Whether squared means add to the variance of z.
    """

    says: str
    weights: str
    keeps_mean: bool
    is_pooled: bool


DEFINITIONS: Mapping[str, Definition] = {
    "notebook": Definition(
        "z ~ N(mean, tau variance)",
        "the authors' notebook; a unit whose weights add up to 1",
        keeps_mean=True,
        is_pooled=False,
    ),
    "zero_mean": Definition(
        "z ~ N(0, tau variance)",
        "a unit whose weights add up to 0",
        keeps_mean=False,
        is_pooled=False,
    ),
    "drawn": Definition(
        "z ~ N(0, tau (variance + mean^2))",
        "all units of a layer drawn at random with mean 0, as the initialisers do",
        keeps_mean=False,
        is_pooled=True,
    ),
}
"""By name; they agree on constants where the mean is 0, and then not on stability."""


def net_of(definition: Definition, x: Moments, tau: float = 1.0) -> Moments:
    """Return the moments of net inputs."""
    mean = x.mean if definition.keeps_mean else 0.0
    return Moments(mean, tau * (x.mean_square if definition.is_pooled else x.variance))


def jacobian_of(definition: Definition, x: Moments, found: Calculus, tau: float = 1.0) -> Array:
    """Return the Jacobian by mean and variance of the activations, (2, 2).

    Args:
        definition: Of the net inputs.
        x: Moments of the activations.
        found: Derivatives by mean and variance of the net inputs.
        tau: Sum of the squared weights of a unit.
    """
    by_mean = float(definition.keeps_mean)
    by_spread = 2 * tau * x.mean if definition.is_pooled else 0.0
    of_mean = [found.mean_by_m * by_mean + found.mean_by_v * by_spread, tau * found.mean_by_v]
    of_variance = [
        found.variance_by_m * by_mean + found.variance_by_v * by_spread,
        tau * found.variance_by_v,
    ]
    return np.array([of_mean, of_variance], np.float64)
