"""Which runs of a sweep are trained together: programs, shapes, sizes, and the order of work."""

import math
import threading
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Protocol

from snnjax import interruption
from snnjax.arrays import Layout, lay_out
from snnjax.config.schema import Config, DataConfig, DiagnosticsConfig, WandbConfig
from snnjax.config.split import Program, split
from snnjax.data.dataset import Dataset
from snnjax.data.load import load_all
from snnjax.experiment import Means, Run, Together
from snnjax.fit import check
from snnjax.guard import Guard
from snnjax.shapes import column_class, problem_of, row_class, with_rows_of
from snnjax.step import can_pad, parameter_count
from snnjax.strategy import (
    default_workers,
    is_one_cpu,
    most_files,
    most_members,
    most_weights,
    row_devices,
    turns,
)


@dataclass(frozen=True)
class Planned:
    """A population to be trained.

    Attributes:
        numbers: The runs, by their number in the sweep.
        cost: What it takes to train, to be compared with that of others.
        together: How; its data sets are put on the device when it is first called, once for all
            populations that share them.
        release: To be called once, when it is over: the last of those that share data sets takes
            them off the device.
    """

    numbers: tuple[int, ...]
    cost: float
    together: Callable[[], Together]
    release: Callable[[], None]

    def of(self, numbers: Sequence[int]) -> Together:
        """Return how some of its runs are trained together: by the same program."""
        together = self.together()
        places = dict(zip(self.numbers, together.sets or (), strict=True))
        return replace(together, sets=tuple(places[number] for number in numbers))


@dataclass(frozen=True)
class Plan:
    """What is to be done, longest first, so many populations at once, and what cannot be done.

    Attributes:
        warnings: What the guard says of those that are still to be trained, each line once.
    """

    populations: list[Planned]
    workers: int
    failed: Mapping[int, Exception]
    warnings: Collection[str] = ()


def plan(runs: Sequence[Run], left: Sequence[int], means: Means) -> Plan:
    """Group runs that share a program, the kinds of numbers they have and the shapes of their data.

    The shapes are those of all `runs`, so that what is left of a sweep is trained by the same
    programs, to the last bit, as the whole of it would have been.

    Args:
        runs: The sweep.
        left: Numbers of the runs that are still to be trained.
        means: What may be used.
    """
    workers = means.workers or default_workers()
    data = load_all([run.config.data for run in runs])
    failed: dict[int, Exception] = {}
    groups: dict[Kind, list[int]] = {}
    shared: dict[Hashable, dict[DataConfig, Dataset]] = {}
    guard, missing, warnings = Guard(), set(left), dict[str, None]()
    for number, run in enumerate(runs):
        try:
            own = _checked(run, data[run.config.data])
            warning = guard.judge(run.config, own)
        except Exception as error:
            interruption.check()  # Ctrl-C can end an import with an error of its own
            failed[number] = error
            continue
        if warning and number in missing:
            warnings[warning] = None
        kind = kind_of(run.config, own)
        shared.setdefault(kind.columns, {})[run.config.data] = own
        groups.setdefault(kind, []).append(number)
    layouts = {columns: _SharedLayout(sets) for columns, sets in shared.items()}
    parts = [_Group(kind, numbers, runs, layouts[kind.columns]) for kind, numbers in groups.items()]
    populations = _divided(parts, missing, bounds_of(means, workers), means.lanes)
    failed = {n: error for n, error in failed.items() if n in missing}
    return Plan(populations, workers, failed, warnings)


class Kind(NamedTuple):
    """What runs must have in common to be trained together.

    Attributes:
        program: What is compiled.
        numbers: The keys of the members' numbers.
        columns: What their data sets must have in common to share a table and a network.
        wandb: One run of wandb has one project, group and mode; None where each has its own.
        looks: What is looked at inside the networks.
        devices: How many share the rows of batches.
        rows: What their data sets must have in common to share a program for training.
    """

    program: Program
    numbers: frozenset[str]
    columns: Hashable
    wandb: WandbConfig | None
    looks: DiagnosticsConfig
    devices: int | str | None
    rows: Hashable

    @property
    def family(self) -> "Kind":
        """What kinds have in common that differ in the rows of their data only."""
        return self._replace(rows=None)


def kind_of(config: Config, data: Dataset) -> Kind:
    """Return the kind of a run on its data set, of which only shapes count."""
    program, member = split(config)
    pads = can_pad(program)
    columns = pads, column_class(data, can_pad=pads)
    wandb = config.logging.wandb if config.logging.wandb.per == "population" else None
    looks, devices = config.diagnostics, config.training.devices
    return Kind(program, frozenset(member), columns, wandb, looks, devices, row_class(data))


class Bounds(NamedTuple):
    """How large populations may be.

    Attributes:
        members: Most runs in one.
        weights: Most weights that the networks of one may have together.
        least: Parts that a sweep is divided into at least.
        in_turns: Whether members take turns, so that idle ones cost nothing but memory.
    """

    members: int
    weights: int
    least: int
    in_turns: bool


def bounds_of(means: Means, workers: int) -> Bounds:
    """Return the bounds on this machine, of a process that trains so many populations at once."""
    members = min(means.members or most_members(), most_files() // workers)
    return Bounds(members, most_weights(), turns(workers) * (means.processes or 1), is_one_cpu())


class _SharedLayout:
    """Data sets that are on the device from the first population that needs them to the last."""

    def __init__(self, sets: Mapping[DataConfig, Dataset]) -> None:
        self.places = {config: place for place, config in enumerate(sets)}
        self.sets = tuple(sets.values())
        self.problem = problem_of(self.sets)
        self._lock = threading.Lock()
        self._users = 0
        self._layout: Layout | None = None

    def __call__(self) -> Layout:
        with self._lock:
            if self._layout is None:
                self._layout = lay_out(*self.sets)
            return self._layout

    def enter(self) -> None:
        """Count a population that is going to need it."""
        self._users += 1

    def leave(self) -> None:
        """Count one that needs it no longer."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._layout = None


class _Group:
    """Runs of one compiled program, those with most rows first: neighbours take as long."""

    def __init__(
        self,
        kind: Kind,
        numbers: Sequence[int],
        runs: Sequence[Run],
        layout: _SharedLayout,
    ) -> None:
        self.family: Hashable = kind.family
        self.layout = layout
        self.problem = with_rows_of(
            layout.problem, [data for data in layout.sets if row_class(data) == kind.rows]
        )
        self.places = {number: layout.places[runs[number].config.data] for number in numbers}
        self.weights = parameter_count(kind.program, layout.problem)
        self._epochs = {number: runs[number].config.training.epochs for number in numbers}
        self.numbers = sorted(numbers, key=lambda number: -self._samples(number))
        self.count, self.total = len(numbers), self.cost(numbers)

    def cost(self, numbers: Sequence[int]) -> float:
        """Count multiplications of weights."""
        return float(self.weights * sum(self._samples(number) for number in numbers))

    def _samples(self, number: int) -> int:
        return self.layout.sets[self.places[number]].epoch_rows * self._epochs[number]


def _divided(
    groups: Sequence[_Group],
    missing: Collection[int],
    bounds: Bounds,
    lanes: int | None,
) -> list[Planned]:
    """Divide what is missing of groups into populations.

    Their sizes are those of the whole sweep, so that what is left of it compiles nothing new.
    """
    sizes = sizes_of(groups, bounds, lanes or 1)
    populations: list[Planned] = []
    for group, (filled, size) in zip(groups, sizes, strict=True):
        left = [number for number in group.numbers if number in missing]
        for start in range(0, len(left), filled):
            numbers = left[start : start + filled]
            together = partial(
                _together,
                group.layout,
                problem=group.problem,
                sets=tuple(group.places[number] for number in numbers),
                size=size,
                lanes=lanes,
                name=f"population-{len(populations)}",
            )
            group.layout.enter()
            cost, leave = group.cost(numbers), group.layout.leave
            populations.append(Planned(tuple(numbers), cost, together, leave))
    return sorted(populations, key=lambda population: -population.cost)


class Divisible(Protocol):
    """A group of runs that is to be divided into populations.

    Attributes:
        family: What groups have in common that differ in the rows of their data only.
        count: Runs.
        total: What all of them cost, to be compared with that of other groups.
        weights: Of one network.
    """

    family: Hashable
    count: int
    total: float
    weights: int


def sizes_of(groups: Sequence[Divisible], bounds: Bounds, lanes: int = 1) -> list[tuple[int, int]]:
    """Return for each group how many runs its populations have, and members with the idle ones.

    Groups of a family, which differ in the rows of their data only, share the programs that start
    and score as long as their sizes are the same. Idle members that take turns with others cost
    nothing but memory; in lockstep they would be computed, so that lanes asked for are filled.
    """
    total = sum(group.total for group in groups)
    filled = []
    for group in groups:
        fitting = max(1, min(bounds.members, bounds.weights // group.weights))
        pieces = max(
            math.ceil(group.count / fitting),
            min(group.count, math.ceil(bounds.least * (group.total / total))),
        )
        size = math.ceil(group.count / pieces)
        filled.append(min(fitting, math.ceil(size / lanes) * lanes))
    largest: dict[Hashable, int] = {}
    for group, size in zip(groups, filled, strict=True):
        largest[group.family] = max(size, largest.get(group.family, 0))
    return [
        (size, shared if bounds.in_turns and shared * group.weights <= bounds.weights else size)
        for group, size in zip(groups, filled, strict=True)
        for shared in (largest[group.family],)
    ]


def _together(layout: _SharedLayout, **how: Any) -> Together:
    return Together(layout(), **how)


def _checked(run: Run, data: Dataset | Exception) -> Dataset:
    """Return the data set of a run that can be trained on it.

    Raises:
        ConfigError: The configuration does not fit the data, or names what does not exist.
        DataError: The data cannot be read.
    """
    if isinstance(data, Exception):
        raise data
    check(run.config, data)
    row_devices(run.config.training.devices)
    return data
