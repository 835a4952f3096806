"""Balls (Arb, by python-flint) that contain the moments of SELU(z), z ~ N(m, v), over a box.

The integral of e^(k z) over z < 0 is phi(x) R(x + k s) with x = m / s, s = sqrt(v) and the Mills
ratio R, and also e^(k m + k^2 v / 2) Q(x + k s) with Q the upper tail of N(0, 1). Over a box the
first is sharp where 0 is few deviations below the mean or above it, the second where 0 lies far
above: both contain the truth, so does what they have in common. R and Q decrease: two points
enclose them over any interval.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from snnjax.constants import ALPHA_01, LAMBDA_01

Ball = Any
"""A `flint.arb`: a midpoint with a radius, which contains the number it stands for."""


class Constants(NamedTuple):
    """SELU's alpha and lambda as balls."""

    alpha: Ball
    scale: Ball


class Slopes(NamedTuple):
    """Derivatives by m and v, of the mean and of the variance."""

    mean_by_m: Ball
    mean_by_v: Ball
    variance_by_m: Ball
    variance_by_v: Ball


def constants(alpha: float = ALPHA_01, scale: float = LAMBDA_01) -> Constants:
    """Return balls of SELU's constants, of the published ones to the precision in force."""
    from flint import arb

    if (alpha, scale) != (ALPHA_01, LAMBDA_01):
        return Constants(arb(alpha), arb(scale))
    root_two_pi = (2 * arb.pi()).sqrt()
    once = (arb(1) / 2).exp() * (1 / arb(2).sqrt()).erfc() / 2
    twice = arb(2).exp() * arb(2).sqrt().erfc() / 2
    exact = 1 / root_two_pi / (arb(1) / 2 - once)
    square = arb(1) / 2 + exact * exact * (twice - 2 * once + arb(1) / 2)
    return Constants(exact, 1 / square.sqrt())


def moments(m: Ball, v: Ball, selu: Constants) -> tuple[Ball, Ball]:
    """Return balls of mean and variance; v is above 0."""
    alpha, scale = selu
    _, _, upper, ramp, once, twice = _pieces(m, v)
    lower = 1 - upper
    mean = ramp + alpha * (once - lower)
    square = m * ramp + v * upper + alpha * alpha * (twice - 2 * once + lower)
    return scale * mean, scale * scale * (square - mean * mean)


def slopes(m: Ball, v: Ball, selu: Constants) -> Slopes:
    """Return balls of the derivatives of mean and variance; v is above 0."""
    alpha, scale = selu
    s, phi, upper, ramp, once, twice = _pieces(m, v)
    mean = ramp + alpha * (once - 1 + upper)
    by_m = upper + alpha * once
    twice_by_v = alpha * once + (1 - alpha) * phi / s
    square_by_m = ramp + alpha * alpha * (twice - once)
    square_by_v = upper + alpha * alpha * (2 * twice - once)
    return Slopes(
        scale * by_m,
        scale * twice_by_v / 2,
        2 * scale * scale * (square_by_m - mean * by_m),
        scale * scale * (square_by_v - mean * twice_by_v),
    )


def _pieces(m: Ball, v: Ball) -> tuple[Ball, Ball, Ball, Ball, Ball, Ball]:
    """Return s, phi(x), Phi(x), E[z; z > 0], E[e^z; z < 0] and E[e^(2 z); z < 0]."""
    one = v.__class__(1)
    s = v.sqrt()
    x = m / s
    phi = _bell(x) / (2 * one.pi()).sqrt()
    upper = _range(lambda y: _tail(-y), x)
    ramp = _common(m * upper + s * phi, s * _range(_ramp, x))
    powers = []
    for k in (1, 2):
        y = x + k * s
        ratio = phi * _range(_mills, y)
        tail = _range(lambda e: e.exp(), k * m + k * k * v / 2) * _range(_tail, y)
        powers.append(_common(ratio, tail))
    return s, phi, upper, ramp, powers[0], powers[1]


def _tail(y: Ball) -> Ball:
    """Return P(x > y) of a standard normal."""
    return (y / y.__class__(2).sqrt()).erfc() / 2


def _mills(y: Ball) -> Ball:
    """Return the tail over the density, e^(y^2 / 2) erfc(y / sqrt 2) sqrt(pi / 2)."""
    return (y * y / 2).exp() * _tail(y) * (2 * y.__class__.pi()).sqrt()


def _ramp(x: Ball) -> Ball:
    """Return E[max(x + e, 0)] of a standard normal e, which grows with x."""
    return x * _tail(-x) + (-x * x / 2).exp() / (2 * x.__class__.pi()).sqrt()


def _bell(x: Ball) -> Ball:
    """Return the range of e^(-x^2 / 2), from its ends and, if 0 is among them, its top."""
    if x.is_exact():
        return (-x * x / 2).exp()
    ends = (-(x.lower() ** 2) / 2).exp().union((-(x.upper() ** 2) / 2).exp())
    return ends.union(x.__class__(1)) if x.contains(0) else ends


def _range(function: Callable[[Ball], Ball], y: Ball) -> Ball:
    """Return the range of a monotone function over a ball, from its ends."""
    if y.is_exact():
        return function(y)
    return function(y.lower()).union(function(y.upper()))


def _common(one: Ball, other: Ball) -> Ball:
    """Return what two enclosures of one number have in common; one alone if the other is none."""
    if not one.is_finite():
        return other
    return one.intersection(other) if other.is_finite() else one
