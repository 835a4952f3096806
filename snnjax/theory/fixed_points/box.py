"""Rectangles whose ends are floats, and how they are cut, joined and compared."""

import math
from collections.abc import Iterator

from snnjax.theory.fixed_points.balls import Ball

Ends = tuple[float, float]
Box = tuple[Ends, Ends]
"""Of (mean, variance), or of (omega, tau)."""
WHOLE: Box = ((-math.inf, math.inf), (-math.inf, math.inf))
FINEST = 1e-9
"""Boxes that matter are larger."""
_INFLATED_BY = 0.1


def ends(ball: Ball) -> Ends:
    """Return the ends of a ball, rounded outward."""
    if not ball.is_finite():
        return -math.inf, math.inf
    low, high = float(ball.lower()), float(ball.upper())
    return math.nextafter(low, -math.inf), math.nextafter(high, math.inf)


def middle(pair: Ends) -> float:
    """Return the middle of an interval."""
    return (pair[0] + pair[1]) / 2


def widths(box: Box) -> tuple[float, float]:
    """Return the lengths of both sides."""
    return box[0][1] - box[0][0], box[1][1] - box[1][0]


def common(one: Box, other: Box) -> Box | None:
    """Return what two boxes have in common, None if nothing."""
    pairs = [(max(a[0], b[0]), min(a[1], b[1])) for a, b in zip(one, other, strict=True)]
    return (pairs[0], pairs[1]) if all(low <= high for low, high in pairs) else None


def meet(one: Box, other: Box) -> bool:
    """Tell whether two boxes have a point in common."""
    return common(one, other) is not None


def is_in(inner: Box, outer: Box) -> bool:
    """Tell whether a box is a part of another."""
    return all(b[0] <= a[0] and a[1] <= b[1] for a, b in zip(inner, outer, strict=True))


def is_inside(inner: Box, outer: Box) -> bool:
    """Tell whether a box lies inside another, without touching its edges."""
    return all(b[0] < a[0] and a[1] < b[1] for a, b in zip(inner, outer, strict=True))


def inflated(one: Box, other: Box) -> Box:
    """Return a box around two boxes, a little larger than necessary."""
    pairs = []
    for a, b in zip(one, other, strict=True):
        low, high = min(a[0], b[0]), max(a[1], b[1])
        room = _INFLATED_BY * (high - low) + FINEST
        pairs.append((low - room, high + room))
    return pairs[0], pairs[1]


def wider(cell: Box) -> int:
    """Return the number of the longer side."""
    return int(widths(cell)[1] > widths(cell)[0])


def size(box: Box) -> float:
    """Return how large a box is for the map: means count in deviations, variances in shares."""
    return max(widths(box)[0] / math.sqrt(box[1][1]), widths(box)[1] / box[1][1])


def steeper(box: Box) -> int:
    """Return the side to halve: of means by their width, of variances by their logarithm's."""
    return int(math.log(box[1][1] / box[1][0]) > widths(box)[0])


def halves(box: Box, side: int) -> Iterator[Box]:
    """Yield the halves of a box cut across a side; a wide one of positive numbers at their root."""
    low, high = box[side]
    cut = math.sqrt(low * high) if side and high > 4 * low else (low + high) / 2
    for pair in ((low, cut), (cut, high)):
        yield (pair, box[1]) if side == 0 else (box[0], pair)


def ball(pair: Ends) -> Ball:
    """Return the ball that an interval is."""
    from flint import arb

    return arb(pair[0]).union(arb(pair[1])) if pair[0] != pair[1] else arb(pair[0])
