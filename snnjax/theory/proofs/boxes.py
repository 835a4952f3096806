"""Branch and bound: the maximum of a quantity over a domain, enclosed.

A box is four pairs in the coordinates of the unit cube, which the domain is the affine image of:
halving keeps them exact, and the domain's decimal ends stay exact too.

On a box the mean value theorem gives F(x) <= F(b) + sum of max(dF/dx_i (x_i - b_i)) for any base b
in the box. With the base in the corner that the gradient points to, a derivative of fixed sign adds
nothing, so that a box on which all four have one is finished by one evaluation at a corner.
"""

import heapq
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from snnjax.theory.proofs.enclosure import Ball
from snnjax.theory.proofs.quantities import Point, Quantity

Box = tuple[tuple[float, float], ...]
Unit = tuple[float, ...]
"""A point of the unit cube."""
ARGUMENTS = ("mu", "omega", "nu", "tau")
_CUBE: Box = ((0.0, 1.0),) * 4
_NEAR = 1e-2
_LOST = 12  # bits that many roundings may cost a number of order 1


class Side(NamedTuple):
    """The exact ends of one argument's interval."""

    low: Fraction
    high: Fraction


Domain = Mapping[str, Side]


class Wanted(NamedTuple):
    """What to know of a maximum.

    Attributes:
        limit: Tell on which side of it the maximum lies.
        tolerance: And enclose it to this part of itself, or as well as the precision allows; None
            if the side is enough.
        budget: Give up after so many boxes.
    """

    limit: Ball
    tolerance: float | None
    budget: int


class Maximum(NamedTuple):
    """An enclosed maximum.

    Attributes:
        lower: What the quantity reaches at the witness.
        upper: What it nowhere exceeds.
        witness: A point of the unit cube.
        boxes: They cover the unit cube; on each `upper` was proved.
        evaluated: The boxes looked at on the way.
    """

    lower: Ball
    upper: Ball
    witness: Unit
    boxes: Sequence[Box]
    evaluated: int


class _Bound(NamedTuple):
    upper: Ball
    base: Unit
    at_base: Ball
    cut: int
    final: bool


class _Entry:
    """A box in a heap: first that of the largest bound, compared exactly; of equals the oldest."""

    __slots__ = ("bound", "box", "number")

    def __init__(self, bound: _Bound, number: int, box: Box) -> None:
        self.bound, self.number, self.box = bound, number, box

    def __lt__(self, other: "_Entry") -> bool:
        if self.bound.upper > other.bound.upper:
            return True
        return not self.bound.upper < other.bound.upper and self.number < other.number


def maximize(quantity: Quantity, sign: int, domain: Domain, wanted: Wanted) -> Maximum:
    """Enclose the maximum of sign * quantity over a domain.

    Always the box with the largest bound is halved next, across the argument in which the gradient
    is least known.

    Args:
        quantity: What to look at.
        sign: 1, or -1 for a minimum.
        domain: An interval for each argument; nu and tau above 0.
        wanted: When to stop.
    """
    place = Placement(domain)
    lower = place.arb.neg_inf()
    witness: Unit = (0.5,) * 4
    heap: list[_Entry] = []
    evaluated = 0

    def add(box: Box, inherited: Ball | None) -> None:
        nonlocal lower, witness, evaluated
        bound = _bound(quantity, sign, place, box)
        if inherited is not None and inherited < bound.upper:
            bound = bound._replace(upper=inherited)
        if bound.at_base.lower() > lower:
            lower, witness = bound.at_base.lower(), bound.base
            beside = _snapped(bound.base)
            at_beside = sign * quantity.value(place.point(beside))
            if at_beside.lower() >= lower:
                lower, witness = at_beside.lower(), beside
        heapq.heappush(heap, _Entry(bound, evaluated, box))
        evaluated += 1

    add(_CUBE, None)
    while not _is_enough(lower, heap[0].bound, wanted):
        if len(heap) >= wanted.budget:
            break
        entry = heapq.heappop(heap)
        for half in _halves(entry.box, entry.bound.cut):
            add(half, entry.bound.upper)
    boxes = [entry.box for entry in heap]
    return Maximum(lower, heap[0].bound.upper, witness, boxes, evaluated)


class Placement:
    """The affine map from the unit cube to a domain."""

    def __init__(self, domain: Domain) -> None:
        from flint import arb, fmpq

        sides = [domain[name] for name in ARGUMENTS]
        self.arb = arb
        self.low = [arb(fmpq(side.low.numerator, side.low.denominator)) for side in sides]
        widths = [side.high - side.low for side in sides]
        self.width = [arb(fmpq(width.numerator, width.denominator)) for width in widths]

    def point(self, unit: Unit) -> Point:
        """Return where a point of the unit cube lies."""
        return [low + width * t for low, width, t in zip(self.low, self.width, unit, strict=True)]

    def box(self, box: Box) -> Point:
        """Return balls that contain a box's image."""
        lows, highs = (self.point(tuple(pair[end] for pair in box)) for end in (0, 1))
        return [low.union(high) for low, high in zip(lows, highs, strict=True)]


def rounding() -> Ball:
    """Return the least width, of an extremum of order 1, that the precision in force allows."""
    from flint import arb, ctx

    return arb(2) ** (_LOST - ctx.prec)


def _is_enough(lower: Ball, bound: _Bound, wanted: Wanted) -> bool:
    """Tell whether the largest bound answers the question, or no smaller boxes can."""
    if bound.final:
        return True
    if not (bound.upper < wanted.limit or lower > wanted.limit):
        return False
    if wanted.tolerance is None:
        return True
    return bound.upper - lower <= rounding().max(wanted.tolerance * abs(lower))


def _bound(quantity: Quantity, sign: int, place: Placement, box: Box) -> _Bound:
    """Bound sign * quantity over a box.

    Wherever the slope along an argument has one sign, the maximum lies on a face; on that face the
    other slopes are known better, which may give more of them a sign.
    """
    face, slopes = box, _slopes(quantity, sign, place, box)
    while (smaller := _face(face, slopes)) != face:
        face = smaller
        if all(low == high for low, high in face):
            break
        slopes = _slopes(quantity, sign, place, face)
    base = tuple(_base(*ends, *slope) for ends, slope in zip(face, slopes, strict=True))
    at_base = sign * quantity.value(place.point(base))
    upper, unsure = at_base, []
    for (low, high), (least, most), b in zip(face, slopes, base, strict=True):
        term = place.arb(0).max(most * (high - place.arb(b))).max(least * (low - place.arb(b)))
        upper += term
        unsure.append(float(term))
    if not upper.is_finite():
        upper = place.arb.pos_inf()
    final = upper.is_finite() and not any(unsure)
    return _Bound(upper.upper(), base, at_base, _widest(unsure, place, box), final)


def _slopes(
    quantity: Quantity, sign: int, place: Placement, box: Box
) -> Sequence[tuple[Ball, Ball]]:
    """Return the least and the greatest derivative by each coordinate of the cube."""
    gradient = quantity.gradient(place.box(box))
    slopes = [sign * slope * width for slope, width in zip(gradient, place.width, strict=True)]
    return [(slope.lower(), slope.upper()) for slope in slopes]


def _face(box: Box, slopes: Sequence[tuple[Ball, Ball]]) -> Box:
    """Return the face of a box that the maximum must lie on."""
    return tuple(
        (high, high) if least >= 0 else (low, low) if most <= 0 else (low, high)
        for (low, high), (least, most) in zip(box, slopes, strict=True)
    )


def _base(low: float, high: float, least: Ball, most: Ball) -> float:
    """Return where in [low, high] the bound by the mean value theorem is least."""
    down, up = float(least), float(most)
    if low == high or not up - down < float("inf") or not up > down:
        return (low + high) / 2
    return min(max((up * high - down * low) / (up - down), low), high)


def _snapped(unit: Unit) -> Unit:
    """Return the point on the nearest faces of the cube, where they are very near."""
    return tuple(float(round(t)) if min(t, 1 - t) < _NEAR else t for t in unit)


def _widest(unsure: Sequence[float], place: Placement, box: Box) -> int:
    """Return the argument that adds most to the bound; nu or tau if that is not finite."""
    if all(term < float("inf") for term in unsure) and any(unsure):
        return unsure.index(max(unsure))
    ratios = [float(side.upper() / side.lower()) for side in place.box(box)[2:]]
    return 2 + ratios.index(max(ratios))


def _halves(box: Box, cut: int) -> tuple[Box, Box]:
    low, high = box[cut]
    middle = (low + high) / 2
    before, after = box[:cut], box[cut + 1 :]
    return (*before, (low, middle), *after), (*before, (middle, high), *after)
