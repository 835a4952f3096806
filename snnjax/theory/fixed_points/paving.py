"""All fixed points of the moment map, proved by ball arithmetic, for every omega and tau of a box.

A region of (mean, variance) is cut into boxes until each is proved to hold one fixed point or none,
for all omega and tau of a cell; where that fails the cell is cut.
"""

import heapq
import itertools
import math
import sys
from collections.abc import Sequence
from typing import NamedTuple

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.fixed_points.balls import Constants, constants
from snnjax.theory.fixed_points.box import (
    FINEST,
    Box,
    halves,
    is_in,
    meet,
    middle,
    size,
    steeper,
    wider,
    widths,
)
from snnjax.theory.fixed_points.krawczyk import Proved, judge, tightened

_BITS = 80
# Of a cell that can be cut, and of all together; and how many cells.
_MOST_BOXES, _MOST_AT_LAST, _MOST_CELLS = 4000, 100_000, 4000


class Set(NamedTuple):
    """All fixed points of a region, for every omega and tau of a box.

    Attributes:
        proved: Cells cover the box, each as often as it has fixed points.
        counts: How many fixed points a cell has, least and most.
        hull: Ends of their means and variances; None if there are none.
        error: By how much an end of the hull may be too far out.
        boxes: Looked at.
    """

    proved: Sequence[Proved]
    counts: tuple[int, int]
    hull: Box | None
    error: float
    boxes: int


class UndecidedError(ValueError):
    """Fixed points too close to one another, or to the region's edge, to be told apart."""


def enclose(
    cell: Box, region: Box, alpha: float = ALPHA_01, scale: float = LAMBDA_01,
    tolerance: float = 1e-7,
) -> Set:  # fmt: skip
    """Enclose all fixed points.

    Args:
        cell: Ends of omega and of tau, the latter above 0.
        region: Ends of means and of variances to look in, the latter above 0.
        alpha: Of SELU.
        scale: Of SELU, lambda.
        tolerance: Of the hull.

    Raises:
        UndecidedError: Their number is not proved after some thousand boxes.
    """
    from flint import ctx

    with ctx.workprec(_BITS):
        selu = constants(alpha, scale)
        paving = _Paving(region, selu)
        proved: list[Proved] = []
        counts: list[int] = []
        tasks: list[_Task] = [_Task(cell, [region], [])]
        while tasks:
            task = tasks.pop()
            found, undecided = paving.pave(task)
            if not undecided and _are_apart(found):
                proved += found
                counts.append(len(found))
                continue
            is_too_much = len(tasks) + len(counts) >= _MOST_CELLS or paving.boxes > _MOST_AT_LAST
            if is_too_much or widths(task.cell) == (0, 0):
                raise UndecidedError(_undecided(task.cell, counts))
            tasks += (_Task(half, undecided, found) for half in halves(task.cell, wider(task.cell)))
        hull, error = _hull(proved, tolerance, selu)
        return Set(proved, (min(counts), max(counts)), hull, error, paving.boxes)


class _Task(NamedTuple):
    """A cell, what may hold fixed points of it, and what is known to."""

    cell: Box
    boxes: Sequence[Box]
    known: Sequence[Proved]


class _Paving:
    """Looks for the fixed points of cells in a region, and counts boxes."""

    def __init__(self, region: Box, selu: Constants) -> None:
        self._region, self._selu = region, selu
        self.boxes = 0

    def pave(self, task: _Task) -> tuple[list[Proved], list[Box]]:
        """Return the fixed points of a cell, and boxes of which it is not known."""
        cell, undecided = task.cell, list[Box]()
        found: list[Proved] = []
        for point in task.known:
            within = tightened(point.within, cell, self._selu)
            self._note(Proved(cell, point.unique, within), found)
        boxes = list(task.boxes)
        is_point = widths(cell) == (0, 0)
        most = _MOST_AT_LAST if is_point else self.boxes + _MOST_BOXES
        while boxes:
            box = boxes.pop()
            self.boxes += 1
            if any(is_in(box, point.unique) for point in found):
                continue
            verdict = judge(box, cell, self._selu)
            if isinstance(verdict, Proved):
                self._note(verdict, found)
            elif verdict is not None:
                if self.boxes > most or size(verdict) < max(*widths(cell), FINEST):
                    undecided.append(verdict)
                else:
                    boxes += halves(verdict, steeper(verdict))
        return found, undecided

    def _note(self, point: Proved, found: list[Proved]) -> None:
        """Add a fixed point that lies in the region and is not known yet."""
        is_known = any(is_in(point.within, other.unique) for other in found)
        if not is_known and meet(point.within, self._region):
            found.append(point)


def _are_apart(found: Sequence[Proved]) -> bool:
    return all(not meet(a.within, b.within) for a, b in itertools.combinations(found, 2))


def _hull(proved: Sequence[Proved], tolerance: float, selu: Constants) -> tuple[Box | None, float]:
    """Return the hull of all fixed points, each end refined until it is known to the tolerance."""
    if not proved:
        return None, 0.0
    ends = [_extreme(proved, axis, sign, tolerance, selu) for axis in (0, 1) for sign in (-1, 1)]
    outer = [end for end, _ in ends]
    return ((outer[0], outer[1]), (outer[2], outer[3])), max(gap for _, gap in ends)


def _extreme(
    proved: Sequence[Proved], axis: int, sign: int, tolerance: float, selu: Constants
) -> tuple[float, float]:
    """Return the least (sign -1) or largest mean or variance, and by how much it may be less."""
    count = itertools.count()
    inner = -math.inf
    heap: list[tuple[float, int, Proved]] = []

    def add(point: Proved) -> None:
        nonlocal inner
        middles = tuple((middle(pair),) * 2 for pair in point.cell)
        exact = tightened(point.within, (middles[0], middles[1]), selu)[axis]
        inner = max(inner, min(sign * end for end in exact))
        heapq.heappush(heap, (-max(sign * end for end in point.within[axis]), next(count), point))

    for point in proved:
        add(point)
    for _ in range(_MOST_CELLS):
        outer = -heap[0][0]
        if outer - inner <= tolerance * max(1.0, abs(outer)) or widths(heap[0][2].cell) == (0, 0):
            break
        point = heapq.heappop(heap)[2]
        for cell in halves(point.cell, wider(point.cell)):
            add(Proved(cell, point.unique, tightened(point.within, cell, selu)))
    outer = -heap[0][0]
    return sign * outer, outer - inner


def _undecided(cell: Box, counts: Sequence[int]) -> str:
    """Return which cell is not decided, and how many fixed points those have that are."""
    names = (
        f"{name} {_shown(low)} to {_shown(high)}"
        for name, (low, high) in zip(("omega", "tau"), cell, strict=True)
    )
    problem = f"the fixed points for {' and '.join(names)} cannot be told apart"
    if not counts:
        return problem
    few, many = min(counts), max(counts)
    number = f"{few}" if few == many else f"{few} to {many}"
    return f"{problem}; there are {number} in each part of the box that is proved so far"


def _shown(end: float) -> str:
    """Return an end of a cell; next to 0 it is 0, rounded outward."""
    return "0" if abs(end) < sys.float_info.min else f"{end:g}"
