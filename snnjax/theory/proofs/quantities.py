"""The functions of (mu, omega, nu, tau) that the theorems bound, with their gradients.

All are enclosed over boxes, and all know the four numbers only through m = mu omega, v = nu tau and
the chain rule.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from snnjax.theory.proofs.enclosure import Ball, Tables, tables

Point = Sequence[Ball]
"""Balls of mu, omega, nu and tau: a point if their radii are 0, otherwise a box."""
Gradient = tuple[Ball, Ball, Ball, Ball]


class Quantity(NamedTuple):
    """A function of four numbers.

    Attributes:
        value: Encloses it over a box.
        gradient: Encloses its four derivatives over a box.
    """

    value: Callable[[Point], Ball]
    gradient: Callable[[Point], Gradient]


class _Jacobian(NamedTuple):
    """Derivatives of mean and variance by m and v."""

    mean_m: Ball
    mean_v: Ball
    variance_m: Ball
    variance_v: Ball


def _tables(point: Point, order: int) -> Tables:
    mu, omega, nu, tau = point
    # Midpoint and radius make a product of wide balls reach 0; its ends do not.
    v = (nu.lower() * tau.lower()).union(nu.upper() * tau.upper())
    return tables(mu * omega, v, order)


def _jacobian(table: Tables) -> _Jacobian:
    mean, square = table
    return _Jacobian(
        mean[1],
        mean[2] / 2,
        square[1] - 2 * mean[0] * mean[1],
        square[2] / 2 - mean[0] * mean[2],
    )


def _chain(point: Point, by_m: Ball, by_v: Ball) -> Gradient:
    mu, omega, nu, tau = point
    return omega * by_m, mu * by_m, tau * by_v, nu * by_v


def _mean(point: Point) -> Ball:
    return _tables(point, 0).mean[0]


def _mean_gradient(point: Point) -> Gradient:
    jacobian = _jacobian(_tables(point, 2))
    return _chain(point, jacobian.mean_m, jacobian.mean_v)


def _variance(point: Point) -> Ball:
    mean, square = _tables(point, 0)
    return square[0] - mean[0] * mean[0]


def _variance_gradient(point: Point) -> Gradient:
    jacobian = _jacobian(_tables(point, 2))
    return _chain(point, jacobian.variance_m, jacobian.variance_v)


def _gain(point: Point) -> Ball:
    return _variance(point) - point[2]


def _gain_gradient(point: Point) -> Gradient:
    by_mu, by_omega, by_nu, by_tau = _variance_gradient(point)
    return by_mu, by_omega, by_nu - 1, by_tau


def _rise(point: Point) -> Ball:
    return _jacobian(_tables(point, 2)).variance_v


def _rise_gradient(point: Point) -> Gradient:
    by_m, by_v = _slopes(_tables(point, 4))
    return _chain(point, by_m.variance_v, by_v.variance_v)


def _entries(point: Point, jacobian: _Jacobian) -> tuple[Ball, Ball, Ball, Ball]:
    """Return [[a, b], [c, d]] = d(mean, variance) / d(mu, nu) at fixed omega and tau."""
    _, omega, _, tau = point
    return (
        omega * jacobian.mean_m,
        tau * jacobian.mean_v,
        omega * jacobian.variance_m,
        tau * jacobian.variance_v,
    )


def _norm(point: Point) -> Ball:
    """Return the spectral norm of [[a, b], [c, d]].

    It is (|(a + d, b - c)| + |(a - d, b + c)|) / 2: the matrix is the sum of a rotation and a
    reflection, both scaled, and some vector is stretched by both.
    """
    a, b, c, d = _entries(point, _jacobian(_tables(point, 2)))
    return (_length(a + d, b - c) + _length(a - d, b + c)) / 2


def _norm_gradient(point: Point) -> Gradient:
    table = _tables(point, 4)
    jacobian = _jacobian(table)
    a, b, c, d = _entries(point, jacobian)
    (p, q), (r, t) = _direction(a + d, b - c), _direction(a - d, b + c)
    of_a, of_b, of_c, of_d = (p + r) / 2, (q + t) / 2, (t - q) / 2, (p - r) / 2
    _, omega, _, tau = point
    weights = of_a * omega, of_b * tau, of_c * omega, of_d * tau
    by_m, by_v = _slopes(table)
    by_mu, by_omega, by_nu, by_tau = _chain(
        point,
        sum(weight * slope for weight, slope in zip(weights, by_m, strict=True)),
        sum(weight * slope for weight, slope in zip(weights, by_v, strict=True)),
    )
    by_omega += of_a * jacobian.mean_m + of_c * jacobian.variance_m
    by_tau += of_b * jacobian.mean_v + of_d * jacobian.variance_v
    return by_mu, by_omega, by_nu, by_tau


def _slopes(table: Tables) -> tuple[_Jacobian, _Jacobian]:
    """Return the derivatives of the Jacobian by m and by v."""
    mean, square = table
    cross = square[3] / 2 - mean[1] * mean[2] - mean[0] * mean[3]
    by_m = _Jacobian(
        mean[2], mean[3] / 2, square[2] - 2 * (mean[1] * mean[1] + mean[0] * mean[2]), cross
    )
    by_v = _Jacobian(
        mean[3] / 2, mean[4] / 4, cross, (square[4] / 2 - mean[2] * mean[2] - mean[0] * mean[4]) / 2
    )
    return by_m, by_v


def _length(x: Ball, y: Ball) -> Ball:
    return (x * x + y * y).nonnegative_part().sqrt()


def _direction(x: Ball, y: Ball) -> tuple[Ball, Ball]:
    """Return the gradient of the length of (x, y), both without bounds if it may be 0."""
    length = _length(x, y)
    return x / length, y / length


QUANTITIES: Mapping[str, Quantity] = {
    "mean": Quantity(_mean, _mean_gradient),
    "variance": Quantity(_variance, _variance_gradient),
    "gain": Quantity(_gain, _gain_gradient),
    "rise": Quantity(_rise, _rise_gradient),
    "norm": Quantity(_norm, _norm_gradient),
}
"""By name: mean and variance of the activations, the gain of variance (variance - nu), the rise of
the variance with v = nu tau, and the spectral norm of the Jacobian by (mu, nu)."""
