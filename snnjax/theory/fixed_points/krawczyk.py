"""Whether a box of (mu, nu) holds a fixed point: Krawczyk's operator in ball arithmetic.

For F = g - x with x = (mu, nu) in X, whose centre is c, let

    K = c - Y F(c) + (I - Y F'(X)) (X - c),    Y about the inverse of F'(c).

Where K lies inside X there is exactly one zero in X, and it lies in K; where K does not meet X
there is none. F(c) and F'(X) enclose what all omega and tau of a cell make of them: what is found
holds for each of them.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from snnjax.theory.fixed_points.balls import Ball, Constants, moments, slopes
from snnjax.theory.fixed_points.box import (
    WHOLE,
    Box,
    ball,
    common,
    ends,
    inflated,
    is_inside,
    middle,
    widths,
)

_ROUNDS = 6


class Proved(NamedTuple):
    """A fixed point for every omega and tau of a cell.

    Attributes:
        cell: The ends of omega and of tau.
        unique: In this box of (mean, variance) there is exactly one.
        within: And it lies in this one.
    """

    cell: Box
    unique: Box
    within: Box


class _Balls(NamedTuple):
    """Enclosures over a box and a cell.

    Attributes:
        value: Of F at the centre of the box.
        slope: Of F' by mean and variance over the box, row by row.
    """

    value: Sequence[Ball]
    slope: Sequence[Sequence[Ball]]


def judge(box: Box, cell: Box, selu: Constants) -> Proved | Box | None:
    """Return the one fixed point of a box, None if there is none, else what is left of the box."""
    for _ in range(_ROUNDS):
        found = _krawczyk(box, cell, selu)
        if found is None:
            return None
        if is_inside(found, box):
            return Proved(cell, box, tightened(found, cell, selu))
        left = common(found, box)
        if left is None:
            return None
        if any(b > 0.7 * a for a, b in zip(widths(box), widths(left), strict=True)):
            return _over_the_edge(found, left, cell, selu)
        box = left
    return _over_the_edge(box, box, cell, selu)


def _over_the_edge(found: Box, left: Box, cell: Box, selu: Constants) -> Proved | Box | None:
    """Judge a box by larger ones: the zeros of a cell may reach over its edge."""
    for _ in range(_ROUNDS):
        larger = inflated(found, left)
        if not 0 < larger[1][0] < larger[1][1] < math.inf:
            break
        again = _krawczyk(larger, cell, selu)
        if again is None:
            return None
        if is_inside(again, larger):
            return Proved(cell, larger, tightened(again, cell, selu))
        found = again
    return left


def _krawczyk(box: Box, cell: Box, selu: Constants) -> Box | None:
    """Return K, or None where F has no zero in the box for a simpler reason."""
    from flint import arb

    centre = [middle(pair) for pair in box]
    balls = _enclosed(box, centre, cell, selu)
    spread = [ball(pair) - arb(c) for pair, c in zip(box, centre, strict=True)]
    for value, row in zip(balls.value, balls.slope, strict=True):
        if not (value + row[0] * spread[0] + row[1] * spread[1]).contains(0):
            return None
    inverse = _rough_inverse(balls.slope)
    if inverse is None:
        return WHOLE
    found = []
    for n, (row, c) in enumerate(zip(inverse, centre, strict=True)):
        k = arb(c) - row[0] * balls.value[0] - row[1] * balls.value[1]
        for column in range(2):
            product = row[0] * balls.slope[0][column] + row[1] * balls.slope[1][column]
            k += (int(n == column) - product) * spread[column]
        found.append(ends(k))
    return found[0], found[1]


def _rough_inverse(slope: Sequence[Sequence[Ball]]) -> list[list[Ball]] | None:
    """Return about the inverse of a matrix's midpoint, None if there is none to speak of."""
    from flint import arb

    (a, b), (c, d) = ([float(entry.mid()) for entry in row] for row in slope)
    determinant = a * d - b * c
    if not 1e-12 < abs(determinant) < math.inf:
        return None
    rows = ((d, -b), (-c, a))
    return [[arb(entry / determinant) for entry in row] for row in rows]


def _enclosed(box: Box, centre: Sequence[float], cell: Box, selu: Constants) -> _Balls:
    """Enclose F at the centre by the mean value theorem in omega and tau, and F' on the box."""
    from flint import arb

    omega, tau = map(ball, cell)
    at = [arb(middle(pair)) for pair in cell]
    mu, nu = map(arb, centre)
    mean, variance = moments(mu * at[0], nu * at[1], selu)
    value = [mean - mu, variance - nu]
    shifts = [(omega - at[0]) * mu, (tau - at[1]) * nu]
    if not all(shift == 0 for shift in shifts):
        a, b, c, d = slopes(mu * omega, nu * tau, selu)
        value[0] += a * shifts[0] + b * shifts[1]
        value[1] += c * shifts[0] + d * shifts[1]
    a, b, c, d = slopes(ball(box[0]) * omega, ball(box[1]) * tau, selu)
    return _Balls(value, [[a * omega - 1, b * tau], [c * omega, d * tau - 1]])


def tightened(within: Box, cell: Box, selu: Constants) -> Box:
    """Return a smaller box around a fixed point that is known to lie in `within`."""
    for _ in range(_ROUNDS):
        found = _krawczyk(within, cell, selu)
        smaller = common(found, within) if found is not None else None
        if smaller is None or max(widths(smaller)) > 0.9 * max(widths(within)):
            return within if smaller is None else smaller
        within = smaller
    return within
