"""From populations and what a machine takes to hours: in all, and of each task of a cluster."""

import heapq
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from snnjax.config.split import Program
from snnjax.grouping import Bounds
from snnjax.plan.groups import Entry, Group, Population, populations_of
from snnjax.plan.jobs import Jobs
from snnjax.plan.networks import network_of
from snnjax.plan.rates import Rates
from snnjax.plan.work import Work, optimizer_slots, total, work_of
from snnjax.slurm.parts import cut
from snnjax.strategy import limits_on_accelerator, limits_on_cpu, most_files

_COPIES = 2  # the network, and that of the best epoch


@dataclass(frozen=True)
class Place:
    """Where a sweep is to be trained.

    Attributes:
        nodes: Machines.
        gpus: Accelerators of each; 0 for its cores, a task with all of them on each node.
        cores: Cores of each, where there are no accelerators.
        memory: Bytes of an accelerator.
    """

    nodes: int = 1
    gpus: int = 0
    cores: int = 1
    memory: int = 0

    @property
    def tasks(self) -> int:
        """Parts that the sweep is divided into."""
        return self.nodes * (self.gpus or 1)

    @property
    def workers(self) -> int:
        """Populations that a task trains at once."""
        return 1 if self.gpus else self.cores

    @property
    def lanes(self) -> int:
        """Members computed in lockstep at most."""
        limits = limits_on_accelerator(self.memory) if self.gpus else limits_on_cpu()
        return limits.lanes

    def bounds(self) -> Bounds:
        """Return how large populations may be there."""
        limits = limits_on_accelerator(self.memory) if self.gpus else limits_on_cpu()
        members = min(limits.members, most_files() // self.workers)
        least = limits.turns * self.workers * self.tasks
        return Bounds(members, limits.weights, least, in_turns=not self.gpus)


@dataclass(frozen=True)
class Memory:
    """Bytes of a population.

    Attributes:
        params: Its networks.
        optimizer: What the optimizer keeps beside them.
        best: Networks of the best epochs.
        computed: Gradients and activations of those in lockstep, roughly.
        data: The data sets it shares.
    """

    params: int
    optimizer: int
    best: int
    computed: int
    data: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.params + self.optimizer + self.best + self.computed + self.data


@dataclass(frozen=True)
class Task:
    """A part of the sweep: its runs, and the seconds it takes from start to end."""

    populations: int
    runs: int
    seconds: float


class Estimate:
    """What a sweep takes at a place.

    Args:
        jobs: The sweep.
        groups: Its runs as `groups.group` returns them.
        rates: Of the machine.
        place: Where.
    """

    def __init__(self, jobs: Jobs, groups: Sequence[Group], rates: Rates, place: Place) -> None:
        self.jobs, self.groups, self.rates, self.place = jobs, groups, rates, place
        self.populations = populations_of(groups, place.bounds(), 1)
        self._works: dict[Hashable, Work] = {}
        self._seconds = {id(own): self._train(own) for own in self.populations}

    @property
    def runs(self) -> int:
        """Runs that can be trained."""
        return sum(group.count for group in self.groups)

    @cached_property
    def networks(self) -> int:
        """Programs in the sense of `config.split`."""
        return len({group.kind.program for group in self.groups})

    @cached_property
    def compilations(self) -> Counter[str]:
        """Programs to be compiled, by what they do."""
        return Counter(what for what, _ in self._compiled(self.populations))

    @cached_property
    def flops(self) -> tuple[float, float]:
        """FLOPs of training, and of evaluation."""
        works = [
            (self._work(group, entry), entry.count)
            for group in self.groups
            for entry in group.entries
        ]
        training = sum(work.training * count for work, count in works)
        return training, sum(work.evaluation * count for work, count in works)

    @cached_property
    def training_seconds(self) -> float:
        """Seconds of one core or accelerator for all populations, their folders included."""
        return sum(self._seconds.values())

    @cached_property
    def compile_seconds(self) -> float:
        """Seconds to compile every program once."""
        return sum(self._compiled(self.populations).values())

    @property
    def start_seconds(self) -> float:
        """Seconds until the process that starts the sweep has composed all runs."""
        return self.rates.start + self.rates.compose * self.jobs.runs

    @property
    def serial_seconds(self) -> float:
        """Seconds of one core or accelerator for everything."""
        return self.start_seconds + self.training_seconds + self.compile_seconds

    @cached_property
    def tasks(self) -> list[Task]:
        """The parts as `slurm.parts` cuts them."""
        places: dict[Program, int] = {}
        ordered = sorted(
            self.populations,
            key=lambda own: places.setdefault(own.group.kind.program, len(places)),
        )
        pieces = cut([own.cost for own in ordered], self.place.tasks)
        return [self._task(ordered[a:b]) for a, b in pieces]

    @property
    def hours(self) -> float:
        """From the start to the end of the longest task."""
        longest = max((task.seconds for task in self.tasks), default=0.0)
        alone = self.rates.start if self.place.tasks > 1 else 0.0  # each task is a process
        return (self.start_seconds + alone + longest) / 3600

    @cached_property
    def largest(self) -> Memory:
        """The memory of the population that needs most."""
        return max(map(self.memory_of, self.populations), key=lambda memory: memory.total)

    def memory_of(self, population: Population) -> Memory:
        """Count the memory of a population."""
        group, size = population.group, population.size
        program = group.kind.program
        network = network_of(program, group.whole)
        item = 8 if program.training.precision == "float64" else 4
        member = (network.parameters + network.moving) * item
        slots = optimizer_slots(program.optimizer)
        at_once = min(self.place.lanes, size)
        batch = min(program.training.batch_size, group.problem.train_rows[-1])
        computed = network.parameters + 2 * batch * network.units
        return Memory(
            params=size * member,
            optimizer=round(size * network.parameters * slots * item),
            best=size * member * (_COPIES - 1),
            computed=at_once * computed * item,
            data=group.table_bytes,
        )

    @cached_property
    def disk(self) -> tuple[float, float]:
        """Bytes of all run folders, and of the checkpoints of what is trained at once."""
        folders = 0.0
        for group in self.groups:
            for entry in group.entries:
                lines = entry.config.training.epochs / entry.config.logging.every
                own = self.rates.run_bytes + lines * self.rates.report_bytes
                if entry.config.checkpoint.final:
                    own += self._kept(group)
                folders += entry.count * own
        at_once = self.place.tasks * self.place.workers
        kept = sorted((self._checkpoints(own) for own in self.populations), reverse=True)
        return folders, float(sum(kept[:at_once]))

    def _kept(self, group: Group) -> float:
        """Return the bytes of the state of one member."""
        one = self.memory_of(Population(group, group.entries[:1], 1))
        return one.params + one.optimizer + one.best

    def _checkpoints(self, population: Population) -> float:
        settings = [entry.config.checkpoint for entry in population.entries]
        if all(own.every is None for own in settings):
            return 0.0
        return max(own.keep for own in settings) * population.count * self._kept(population.group)

    def _work(self, group: Group, entry: Entry) -> Work:
        epochs = entry.config.training.epochs
        key = (id(group), entry.config.data, epochs)
        if key not in self._works:
            self._works[key] = work_of(group.kind.program, group.problem, entry.data, epochs)
        return self._works[key]

    def _train(self, population: Population) -> float:
        """Return the seconds of a population on one core or accelerator."""
        own = [(self._work(population.group, entry), entry.count) for entry in population.entries]
        reported = sum(e.count * e.config.training.epochs for e in population.entries)
        beside = self.rates.run * population.count + self.rates.report * reported
        return self.rates.training(total(own, self.place.lanes)) + beside

    def _compiled(self, populations: Sequence[Population]) -> Mapping[tuple[str, Any], float]:
        """Return every program that populations need, with the seconds to compile it."""
        found: dict[tuple[str, Any], float] = {}
        for population in populations:
            group = population.group
            for key in _programs(population):
                if key not in found:
                    layers = network_of(group.kind.program, group.whole).layers
                    found[key] = self.rates.compilation(key[0], layers)
        return found

    def _task(self, populations: Sequence[Population]) -> Task:
        """Let workers take populations, the dearest first, each compiling what is new to all."""
        free = [0.0] * self.place.workers
        known: set[tuple[str, Any]] = set()
        for own in sorted(populations, key=lambda own: -own.cost):
            new = {key: s for key, s in self._compiled([own]).items() if key not in known}
            known |= set(new)
            heapq.heapreplace(free, free[0] + self._seconds[id(own)] + sum(new.values()))
        runs = sum(own.count for own in populations)
        return Task(len(populations), runs, max(free))


def _programs(population: Population) -> Iterator[tuple[str, Any]]:
    yield from population.programs().items()
