"""The trials of a sweep: grids of several methods, and an even share of them.

A sweep has axes that all its runs share, methods that have axes of their own besides, and stages
that are trained one after another. Axes are keys with the texts of their values; nothing is
composed here, so that the runs of a sweep can be counted before they are.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from snnjax.config.errors import ConfigError, complaint, show
from snnjax.config.spread import Point, budgets, spread

Axes = dict[str, tuple[str, ...]]
"""Keys, or groups, with the texts of their values."""

Lookup = Callable[[str], Any]
"""From a dotted key to its value in what is composed for all runs."""


@dataclass(frozen=True)
class Scaled:
    """What a share is taken of, as patterns of keys such as `model.*`.

    Attributes:
        rounded: Numbers of which the share is taken, rounded, at least 1.
        first: Axes of which the first values are taken, their share rounded up.
        evenly: Axes that make up the grid of a method, of whose points some are taken evenly.
    """

    rounded: Sequence[str] = ()
    first: Sequence[str] = ()
    evenly: Sequence[str] = ()


@dataclass(frozen=True)
class Sweep:
    """All runs of a sweep.

    Attributes:
        common: Axes of all runs, in order.
        methods: For each method its grids, whose union is tried; without methods one that has
            no axes of its own.
        stages: For each stage the axes that it has of its own.
        scaled: What a share is taken of.
    """

    common: Axes
    methods: Mapping[str, Sequence[Axes]] = field(default_factory=lambda: {"": ({},)})
    stages: Sequence[Axes] = ({},)
    scaled: Scaled = Scaled()

    def products(self) -> Iterator[Axes]:
        """Yield the axes of every grid of every method in every stage."""
        for stage in self.stages:
            for grids in self.methods.values():
                yield from (self._axes(stage, grid) for grid in grids)

    def jobs(self, share: float, lookup: Lookup) -> list[list[tuple[str, ...]]]:
        """Return the overrides of every run, stage by stage; those met before are left out.

        Args:
            share: In (0, 1]; 1 for all.
            lookup: Gives the numbers of which a share is to be taken.

        Raises:
            ConfigError: Such a number is none.
        """
        met: set[frozenset[str]] = set()
        if share == 1:
            return [[*self._jobs(stage, self._axes, None, met)] for stage in self.stages]
        points = self._points(share)
        fixed = {key: (_part(key, lookup(key), share),) for key in self._unswept_numbers()}

        def less(stage: Axes, grid: Axes) -> Axes:
            axes = self._axes(stage, grid)
            return {key: self._taken(key, axes[key], share) for key in axes} | fixed

        return [[*self._jobs(stage, less, points, met)] for stage in self.stages]

    def _axes(self, stage: Axes, grid: Axes) -> Axes:
        own = {**stage, **grid}
        common = {key: values for key, values in self.common.items() if key not in own}
        return {**stage, **common, **grid}

    def _jobs(
        self,
        stage: Axes,
        axes_of: Callable[[Axes, Axes], Axes],
        points: Mapping[str, set[frozenset[str]]] | None,
        met: set[frozenset[str]],
    ) -> Iterator[tuple[str, ...]]:
        for name, grids in self.methods.items():
            for grid in grids:
                axes = axes_of(stage, grid)
                places = [place for place, key in enumerate(axes) if self._is_on_grid(key)]
                for job in itertools.product(*_overrides(axes)):
                    identity = frozenset(job)
                    if points and frozenset(job[n] for n in places) not in points[name]:
                        continue
                    if identity not in met:
                        met.add(identity)
                        yield job

    def _points(self, share: float) -> dict[str, set[frozenset[str]]]:
        """Choose for every method the points of its grid, each as its overrides."""
        points = {name: self._grid(grids) for name, grids in self.methods.items()}
        numbers = budgets({name: len(own) for name, own in points.items()}, share)
        return {
            name: {_identity(point) for point in spread(own, numbers[name])}
            for name, own in points.items()
        }

    def _grid(self, grids: Iterable[Axes]) -> list[Point]:
        """Return the points of the grids of one method, each once."""
        found: dict[frozenset[str], Point] = {}
        for grid in grids:
            every = self._axes(self.stages[0], grid)
            axes = {key: values for key, values in every.items() if self._is_on_grid(key)}
            for values in itertools.product(*axes.values()):
                point = dict(zip(axes, values, strict=True))
                found.setdefault(_identity(point), point)
        return [*found.values()]

    def _is_on_grid(self, key: str) -> bool:
        return _is_like(key, self.scaled.evenly)

    def _taken(self, key: str, values: tuple[str, ...], share: float) -> tuple[str, ...]:
        """Return the values that a share leaves of an axis, which may be one of a grid."""
        if _is_like(key, self.scaled.rounded):
            return tuple(dict.fromkeys(_part(key, value, share) for value in values))
        if _is_like(key, self.scaled.first):
            return values[: math.ceil(share * len(values) * (1 - 1e-12))]
        return values

    def _unswept_numbers(self) -> list[str]:
        swept = {key for axes in self.products() for key in axes}
        return [key for key in self.scaled.rounded if key not in swept]


def _overrides(axes: Axes) -> list[list[str]]:
    return [[f"{key}={value}" for value in values] for key, values in axes.items()]


def _identity(point: Point) -> frozenset[str]:
    return frozenset(f"{key}={value}" for key, value in point.items())


def _is_like(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(key.lstrip("+"), pattern) for pattern in patterns)


def _part(key: str, value: Any, share: float) -> str:
    """Return the share of a whole number as text.

    Raises:
        ConfigError: It is none.
    """
    try:
        return str(max(1, round(share * int(str(value)))))
    except ValueError:
        problem = f"no whole number that {share:g} could be taken of"
        raise ConfigError(complaint(key, show(value), problem)) from None
