"""Nodes and masses that stand for a normal distribution in all that is taken over one layer."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.quadrature import Array

_END = 9.0  # deviations
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(10)


class Law(NamedTuple):
    """A distribution of finitely many values.

    Attributes:
        values: What there is.
        masses: How likely each is; they add up to 1.
    """

    values: Array
    masses: Array

    @property
    def moments(self) -> Moments:
        """Mean and variance."""
        mean = float(self.masses @ self.values)
        return Moments(mean, float(self.masses @ (self.values - mean) ** 2))


def normal_law(net: Moments, pieces: int = 1) -> Law:
    """Return nodes for N(mean, variance), or for the largest of so many independent ones.

    Gauss-Legendre nodes on panels that end at 0 and at the powers of 2 of both signs, where
    activations have their kinks and turn.
    """
    deviation = math.sqrt(net.variance)
    if deviation == 0:
        return Law(np.array([net.mean]), np.ones(1))
    reach = abs(net.mean) + _END * deviation
    powers = 2.0 ** np.arange(-1, max(0, math.ceil(math.log2(reach))) + 1)
    inner = (np.concatenate([[0.0], powers, -powers]) - net.mean) / deviation
    edges = np.unique(np.concatenate([np.arange(-_END, _END + 1), inner[np.abs(inner) < _END]]))
    x, widths = panels(edges)
    density = widths * np.exp(-(x**2) / 2)
    if pieces > 1:
        density = density * ndtr(x) ** (pieces - 1)
    return Law(net.mean + deviation * x, density / density.sum())


def panels(edges: Array) -> tuple[Array, Array]:
    """Return the nodes and weights of Gauss-Legendre quadrature between edges."""
    halves, middles = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    nodes = middles[:, None] + halves[:, None] * _POINTS
    return nodes.ravel(), (halves[:, None] * _WEIGHTS).ravel()
