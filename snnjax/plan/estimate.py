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
from snnjax.plan.memory import Memory, memory_of, state_bytes
from snnjax.plan.networks import network_of
from snnjax.plan.rates import Rates
from snnjax.plan.work import Work, total, work_of
from snnjax.slurm.parts import cut
from snnjax.strategy import limits_on_accelerator, limits_on_cpu, most_files


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
class Task:
    """A part of the sweep: its runs, and the seconds it takes from start to end."""

    populations: int
    runs: int
    seconds: float


class Estimate:
    """What a sweep takes at a place.

    Args:
        jobs: The sweep.
        batches: Its runs, as `groups.group` returns those of each batch that is launched.
        rates: Of the machine.
        place: Where.
    """

    def __init__(
        self, jobs: Jobs, batches: Sequence[Sequence[Group]], rates: Rates, place: Place
    ) -> None:
        self.jobs, self.rates, self.place = jobs, rates, place
        self.groups = [group for batch in batches for group in batch]
        self._batches = [populations_of(batch, place.bounds()) for batch in batches if batch]
        self.populations = [population for batch in self._batches for population in batch]
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
    def stages(self) -> list[list[Task]]:
        """For every batch its parts as `slurm.parts` cuts them."""
        return [self._tasks(batch) for batch in self._batches]

    @property
    def tasks(self) -> list[Task]:
        """The parts of all batches."""
        return [task for tasks in self.stages for task in tasks]

    @property
    def hours(self) -> float:
        """From the start to the end of the longest task, batch after batch."""
        longest = sum(max(task.seconds for task in tasks) for tasks in self.stages)
        alone = self.rates.start if self.place.tasks > 1 else 0.0  # each task is a process
        return (self.start_seconds + alone * len(self.stages) + longest) / 3600

    @cached_property
    def largest(self) -> Memory:
        """The memory of the population that needs most."""
        return max(map(self.memory_of, self.populations), key=lambda memory: memory.total)

    def memory_of(self, population: Population) -> Memory:
        """Count the memory of a population."""
        return memory_of(population, self.place.lanes)

    @cached_property
    def disk(self) -> tuple[float, float]:
        """Bytes of all run folders, and of the checkpoints of what is trained at once."""
        folders = 0.0
        for group in self.groups:
            for entry in group.entries:
                lines = entry.config.training.epochs / entry.config.logging.every
                own = self.rates.run_bytes + lines * self.rates.report_bytes
                if entry.config.checkpoint.final:
                    own += state_bytes(group)
                folders += entry.count * own
        at_once = self.place.tasks * self.place.workers
        kept = sorted((self._checkpoints(own) for own in self.populations), reverse=True)
        return folders, float(sum(kept[:at_once]))

    def _checkpoints(self, population: Population) -> float:
        settings = [entry.config.checkpoint for entry in population.entries]
        if all(own.every is None for own in settings):
            return 0.0
        return max(own.keep for own in settings) * population.count * state_bytes(population.group)

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

    def _tasks(self, populations: Sequence[Population]) -> list[Task]:
        places: dict[Program, int] = {}
        ordered = sorted(
            populations, key=lambda own: places.setdefault(own.group.kind.program, len(places))
        )
        pieces = cut([own.cost for own in ordered], self.place.tasks)
        return [self._task(ordered[a:b]) for a, b in pieces]

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
