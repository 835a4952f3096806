"""Singular values of the Jacobian of a wide random layer, diag(d) W, from free probability.

The eigenvalues of J^T J have Stieltjes transform s(x) = E 1 / (x + eigenvalue); from it their
mean root is the integral of (1 - x s(x)) / (pi sqrt(x)) over x > 0. For independent weights s
solves the equation of Silverstein & Bai 1995, for orthonormal columns it is a free compression.
"""

from collections.abc import Callable

import numpy as np

from snnjax.theory.moments.nodes import Law
from snnjax.theory.moments.quadrature import Array

_GROUPS, _STEP, _REACH, _ROUNDS = 64, 0.5, 44.0, 60


def mean_singular_value(squares: Law, rows: int, columns: int, orthonormal: bool = False) -> float:
    """Return the mean of the min(rows, columns) singular values of a layer's Jacobian.

    Args:
        squares: Law of d^2 times tau, what the weights' variance times `columns` makes of the
            squared slope of a unit.
        rows: Units of the layer.
        columns: Units below.
        orthonormal: Whether rows or columns of the weights, whichever are fewer, are orthogonal
            to each other; otherwise weights are independent.
    """
    law = _grouped(squares)
    scale = float(law.masses @ law.values)
    if scale == 0:
        return 0.0
    law = Law(law.values / scale, law.masses)
    if orthonormal and rows <= columns:
        return float(scale**0.5 * (law.masses @ np.sqrt(law.values)))
    if orthonormal:
        share = columns / rows
        law = Law(law.values / share, law.masses)
        found = _mean_root(lambda x: _compressed(law, share, x))
    else:
        ratio = rows / columns
        found = _mean_root(lambda x: _independent(law, ratio, x)) * max(1.0, 1 / ratio)
    return float(scale**0.5 * found)


def _mean_root(transformed: Callable[[Array], Array]) -> float:
    """Return the mean root of a law given x s(x); the trapezoidal rule in log x."""
    u = np.arange(-_REACH, _REACH + _STEP, _STEP)
    return float(((1 - transformed(np.exp(u))) * np.exp(u / 2)).sum() * _STEP / np.pi)


def _independent(law: Law, ratio: float, x: Array) -> Array:
    """Solve a + ratio E[t a / (x + t a)] = 1 for a = x s(x), which lies between 0 and 1."""
    values = law.values[None, :]

    def excess(a: Array) -> Array:
        share = values * a[:, None]
        return np.asarray(a + ratio * (share / (x[:, None] + share)) @ law.masses - 1)

    return _bisect(excess, np.full_like(x, -2 * _REACH), np.zeros_like(x))


def _compressed(law: Law, share: float, x: Array) -> Array:
    """Return x s(x) of the compression of a law to a share of its dimensions.

    s(x) = H(y) / share where H(y) = E 1 / (y + t) and y - (1 - share) / H(y) = x.
    """
    values = law.values[None, :]

    def transform(y: Array) -> Array:
        return np.asarray((1 / (y[:, None] + values)) @ law.masses)

    highest = np.log(x + values.max() / share + 1) - np.log(share)
    y = _bisect(lambda y: y - (1 - share) / transform(y) - x, np.full_like(x, -2 * _REACH), highest)
    return np.asarray(np.minimum(x * transform(y) / share, 1.0))


def _bisect(excess: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Return where a rising function is 0, between e^low and e^high."""
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        is_above = excess(np.exp(middle)) > 0
        low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
    return np.asarray(np.exp((low + high) / 2))


def _grouped(law: Law) -> Law:
    """Return a law of few values with the same mean: neighbours are put together."""
    order = np.argsort(law.values, kind="stable")
    values, masses = law.values[order], law.masses[order]
    above = np.cumsum(masses) - masses / 2
    group = np.minimum((above * _GROUPS).astype(int), _GROUPS - 1)
    group = np.where(values == 0, _GROUPS, group)  # an atom, not to be smeared
    mass: Array = np.bincount(group, masses, _GROUPS + 1).astype(np.float64)
    total: Array = np.bincount(group, masses * values, _GROUPS + 1).astype(np.float64)
    is_there = mass > 0
    return Law(np.asarray(total[is_there] / mass[is_there]), np.asarray(mass[is_there]))
