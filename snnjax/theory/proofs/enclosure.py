"""Balls that contain the moments of SELU(z), z ~ N(m, v), and their derivatives, over a box.

The formulas as printed (Klambauer et al. 2017, Eqs. 4, 5) multiply e^(2(m + v)) by an erfc that
undoes it: over a box of m and v both are wide and the product is useless. Here the same terms are

    E[e^(k z); z < 0] = phi(x) R(x + k s),    x = m / s,  s = sqrt(v),

with the Mills ratio R(y) = (1 - Phi(y)) / phi(y), which decreases, so that two points enclose it
over any interval. Derivatives come from two facts: the expectation of f(z) solves the heat
equation, d/dv = (d/dm)^2 / 2, and d/dm E[e^(k z); z < 0] = k E[e^(k z); z < 0] - p, where p is the
density of z at 0. So a table of derivatives by m is all there is to know.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

Ball = Any
"""A `flint.arb`: a midpoint with a radius, which contains the number it stands for."""


class Tables(NamedTuple):
    """Derivatives by m, of order 0, 1, ...

    Attributes:
        mean: Of E[SELU(z)].
        square: Of E[SELU(z)^2].
    """

    mean: Sequence[Ball]
    square: Sequence[Ball]


class Constants(NamedTuple):
    """Numbers that depend on nothing but the precision."""

    alpha: Ball
    scale: Ball
    root_two: Ball
    root_two_pi: Ball


def tables(m: Ball, v: Ball, order: int) -> Tables:
    """Return enclosures of the derivatives by m over the box m x v.

    Args:
        m: Mean of the net input.
        v: Its variance; a ball that reaches 0 gives balls without bounds.
        order: The highest derivative, at most 4.
    """
    alpha, scale, root_two, root_two_pi = constants()
    s = v.sqrt()
    x = _ratio(m, s)
    phi = _bell(x) / root_two_pi
    p = phi / s
    upper = _monotone(lambda y: (-y / root_two).erfc() / 2, x)  # P(z > 0)
    once = _left(x, s) / root_two_pi  # E[e^z; z < 0]
    twice = _left(x, 2 * s) / root_two_pi  # E[e^(2 z); z < 0]
    ramp = m * upper + s * phi  # E[z; z > 0]
    square = alpha * alpha
    slope = -m / v  # p' = slope * p
    bend = (1 - alpha) * (slope * slope - 1 / v) - alpha * slope - alpha
    mean = (
        ramp + alpha * (once - 1 + upper),
        upper + alpha * once,
        p + alpha * (once - p),
        ((1 - alpha) * slope - alpha) * p + alpha * once,
        bend * p + alpha * once,
    )
    second = (
        m * ramp + v * upper + square * (twice - 2 * once + 1 - upper),
        2 * (ramp + square * (twice - once)),
        2 * (upper + square * (2 * twice - once)),
        2 * (p + square * (4 * twice - once - p)),
        2 * (slope * p + square * (8 * twice - once - (3 + slope) * p)),
    )
    return Tables(
        [scale * term for term in mean[: order + 1]],
        [scale * scale * term for term in second[: order + 1]],
    )


def mills_ratio(y: Ball) -> Ball:
    """Return (1 - Phi(y)) / phi(y) = e^(y^2 / 2) erfc(y / sqrt 2) sqrt(pi / 2)."""
    root_two, root_two_pi = constants()[2:]
    return (y * y / 2).exp() * (y / root_two).erfc() * root_two_pi / 2


def constants() -> Constants:
    """Return alpha_01, lambda_01 (Eq. 14) and roots at the precision in force."""
    import flint

    return _constants_at(flint.ctx.prec)


@lru_cache
def _constants_at(_: int) -> Constants:
    """Solve for the fixed point (0, 1): the mean gives alpha, then the mean square lambda."""
    from flint import arb

    root_two, root_two_pi = arb(2).sqrt(), (2 * arb.pi()).sqrt()
    once = arb("0.5").exp() * (1 / root_two).erfc() / 2
    twice = arb(2).exp() * root_two.erfc() / 2
    alpha = 1 / root_two_pi / (arb("0.5") - once)
    square = arb("0.5") + alpha * alpha * (twice - 2 * once + arb("0.5"))
    return Constants(alpha, 1 / square.sqrt(), root_two, root_two_pi)


def _left(x: Ball, s: Ball) -> Ball:
    """Return the range of e^(-x^2 / 2) R(x + s), for positive s.

    It decreases with s, and with x wherever s R(x + s) < 1: then two corners enclose it.
    """
    if x.is_exact() and s.is_exact():
        return _bell(x) * mills_ratio(x + s)
    corners = [(x.lower(), s.lower()), (x.upper(), s.upper())]
    low, high = (mills_ratio(a + b) for a, b in corners)
    if s.upper() * low < 1:
        return (_bell(corners[0][0]) * low).union(_bell(corners[1][0]) * high)
    # E[e^z; z < 0] <= P(z < 0), which keeps the product of two wide ranges in bounds.
    root_two, root_two_pi = constants()[2:]
    most = (x.lower() / root_two).erfc() * root_two_pi / 2
    product = _bell(x) * low.union(high)
    within = (most * 0).union(most)
    return product.intersection(within) if product.is_finite() else within


def _ratio(m: Ball, s: Ball) -> Ball:
    """Return the range of m / s for positive s, from its corners."""
    if m.is_exact() and s.is_exact():
        return m / s
    a, b, c, d = (each / end for each in (m.lower(), m.upper()) for end in (s.lower(), s.upper()))
    return a.union(b).union(c).union(d)


def _monotone(function: Callable[[Ball], Ball], y: Ball) -> Ball:
    """Return the range of a monotone function over a ball, from its ends."""
    if y.is_exact():
        return function(y)
    return function(y.lower()).union(function(y.upper()))


def _bell(x: Ball) -> Ball:
    """Return the range of e^(-x^2 / 2), from its ends and, if 0 is among them, its top."""
    ends = (-(x.lower() ** 2) / 2).exp().union((-(x.upper() ** 2) / 2).exp())
    return ends.union(x.__class__(1)) if x.contains(0) else ends
