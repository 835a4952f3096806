"""Shares of grids, held against counts by hand."""

import itertools
from collections import Counter

import pytest

from snnjax.config.spread import budgets, spread

GRID = {"depth": "248", "width": "ab", "rate": "xyz", "form": "rc"}
POINTS = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (1, {"a": 216, "b": 108, "c": 36}),
        (0.1, {"a": 12, "b": 12, "c": 12}),  # a tenth of 360, the same number of each
        (0.5, {"a": 72, "b": 72, "c": 36}),  # c has no more
        (1e-6, {"a": 1, "b": 1, "c": 1}),
    ],
)
def test_methods_get_the_same_number_of_points(share: float, expected: dict[str, int]) -> None:
    assert budgets({"a": 216, "b": 108, "c": 36}, share) == expected


def test_of_two_numbers_as_near_the_smaller_is_taken() -> None:
    assert budgets({"a": 4, "b": 4}, 3 / 8) == {"a": 1, "b": 1}


@pytest.mark.parametrize("count", range(1, len(POINTS) + 1))
def test_values_are_taken_about_equally_often(count: int) -> None:
    chosen = spread(POINTS, count)
    assert len({tuple(point.items()) for point in chosen}) == count
    for axis, values in GRID.items():
        taken = Counter(point[axis] for point in chosen)
        # Of the few that are left in the end none may balance all axes.
        most = 1 if count <= len(POINTS) / 2 else 2
        assert max(taken[v] for v in values) - min(taken[v] for v in values) <= most


def test_pairs_of_values_are_taken_about_equally_often() -> None:
    chosen = spread(POINTS, 18)
    for one, other in itertools.combinations(GRID, 2):
        taken = Counter((point[one], point[other]) for point in chosen)
        every = [*itertools.product(GRID[one], GRID[other])]
        assert max(taken[pair] for pair in every) - min(taken[pair] for pair in every) <= 2


def test_fewer_points_are_the_first_of_more() -> None:
    assert spread(POINTS, 7) == spread(POINTS, 20)[:7]


def test_points_need_not_have_the_same_axes() -> None:
    points = [{"form": "r", "depth": d} for d in "28"]
    points += [{"form": "d", "depth": d, "neck": n} for d in "28" for n in "12"]
    assert Counter(point["form"] for point in spread(points, 2)) == {"r": 1, "d": 1}
    assert len(spread(points, 6)) == 6
