"""Some points of a grid, chosen evenly and always the same."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

Name = TypeVar("Name")
Point = Mapping[str, Hashable]
"""A value for every axis of a grid that a point has."""


def budgets(sizes: Mapping[Name, int], share: float) -> dict[Name, int]:
    """Return how many points each of several grids gets of a share of all their points.

    All get the same number, at least 1, that with which the share is met best; grids that have no
    more give all they have. A share of 1 is all points.

    Args:
        sizes: Points of each grid.
        share: In (0, 1].
    """
    wanted = share * sum(sizes.values())

    def total(number: int) -> int:
        return sum(min(number, size) for size in sizes.values())

    number = min(range(1, max(sizes.values()) + 1), key=lambda n: (abs(total(n) - wanted), n))
    return {name: min(number, size) for name, size in sizes.items()}


def spread(points: Sequence[Point], count: int) -> list[Point]:
    """Choose points such that each value of each axis is taken about equally often.

    One after another: the point whose values were taken least, among those the one whose pairs of
    values were, among those the first. Fewer are always the first of more.

    Args:
        points: Of a grid, in order.
        count: How many to choose, at most all.
    """
    left = [(point, *_weights(point)) for point in points]
    sizes = Counter(key for key, _ in {item for point in points for item in point.items()})
    taken: Counter[Hashable] = Counter()
    chosen: list[Point] = []
    for _ in range(count):
        best = min(
            range(len(left)),
            key=lambda place: (
                sum(taken[item] * sizes[item[0]] for item in left[place][1]),
                sum(taken[pair] for pair in left[place][2]),
                place,
            ),
        )
        point, values, pairs = left.pop(best)
        taken.update(values)
        taken.update(pairs)
        chosen.append(point)
    return chosen


def _weights(
    point: Point,
) -> tuple[list[tuple[str, Hashable]], list[tuple[tuple[str, Hashable], tuple[str, Hashable]]]]:
    values = list(point.items())
    return values, list(combinations(values, 2))
