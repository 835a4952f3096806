"""When members are looked at while they are trained, and who is told what was seen."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from snnjax.arrays import Table
from snnjax.compilation import compiled
from snnjax.config.schema import DiagnosticsConfig
from snnjax.config.split import Program
from snnjax.crew import Crew, states
from snnjax.diagnostics.look import Choice, labels, look_at_members, walk_members
from snnjax.ending import fetch
from snnjax.shapes import Problem, bucket
from snnjax.step import parameter_count
from snnjax.training import RUNNING, batch_size

# Later than any epoch.
_EVER = 2**31
_WHEN = frozenset({"epoch", "step", "status"})

# At the interval `auto` looks take about this share of the training.
_SHARE = 0.02
# What that is reckoned with: passes of the probe rows forward and back, and how many kinds of
# values are described for each layer; arithmetic and seconds of a core (benchmarks/diagnostics.py).
_PASSES = {"activations": 0.4, "gradients": 1.0, "weights": 0.5, "jacobians": 5.0, "noise": 1.2}
_KINDS = {"activations": 2, "gradients": 3, "weights": 2, "jacobians": 4, "units": 1, "theory": 1}
_FLOPS_PER_SECOND, _KIND_SECONDS, _STEP_SECONDS = 1e11, 2e-4, 1e-5


@dataclass(frozen=True)
class Look:
    """What was seen of one member.

    Attributes:
        member: Its number in the population.
        epoch: Epochs trained, a fraction inside an epoch.
        step: Optimizer steps taken.
        labels: Names of its `layers` and `kernels`, from the inputs on.
        arrays: What was measured, by name.
    """

    member: int
    epoch: float
    step: int
    labels: Mapping[str, Sequence[str]]
    arrays: Mapping[str, NDArray[Any]]


Show = Callable[[Look], None]


@dataclass(frozen=True)
class Watch:
    """What to look at, and who is shown it.

    Attributes:
        config: What was asked for.
        show: Called for every look at every member.
    """

    config: DiagnosticsConfig
    show: Show


class Nobody:
    """Looks at nothing; what else there is, is `Observer`."""

    compile_seconds = 0.0

    def next_stop(self, epoch: int) -> int:
        """Return an epoch later than any."""
        return _EVER

    def look(self, people: Crew, epoch: int) -> None:
        """Look away."""

    def tell(self, epoch: int) -> None:
        """Show nothing."""

    def go_on(self, people: Crew) -> None:
        """Begin."""

    def finish(self, people: Crew) -> None:
        """End."""


class Observer:
    """Looks at the members of a population.

    Args:
        watch: What to look at.
        program: The members'.
        problem: The shapes of all data sets in their table.
        people: The members before their first epoch, without their states.
        table: The data.
        count: How many of the members are not there only to fill up the population.
    """

    def __init__(
        self,
        watch: Watch,
        program: Program,
        problem: Problem,
        people: Crew,
        table: Table,
        count: int,
    ) -> None:
        member, view = people.numbers
        rows = {split: own[:count] for split, own in view.rows.items()}
        if problem.stream is not None:
            rows["train"] = np.full(count, problem.stream.rows)
        self.compile_seconds = 0.0
        self._watch, self._program, self._problem = watch, program, problem
        self._start, self._table = people, table
        self._count = count
        sizes = problem.validation_rows or problem.train_rows
        self._choice = Choice(watch.config.measures, min(watch.config.rows, bucket(sizes[-1])))
        self._every = _interval(watch.config, program, problem, rows)
        # A member's epoch has so many steps.
        size = batch_size(program, problem)
        self._batches = -(-rows["train"] // size)
        longest = int(member["training.epochs"][:count].max())
        self._walks = _walks(watch.config.steps, self._batches, longest)
        self._steps = frozenset(watch.config.steps)
        self._seen = np.full(self._count, -1, np.int64)
        self._pending: list[_Seen] = []
        self._labels: Mapping[str, Sequence[str]] = {}

    def next_stop(self, epoch: int) -> int:
        """Return the first epoch after `epoch` that members are looked at, or walk on from."""
        due = (epoch // self._every + 1) * self._every
        return min([due, *(own for own in self._walks if own > epoch)])

    def look(self, people: Crew, epoch: int) -> None:
        """Look at members between two epochs, if that is due, and at steps of the next one."""
        is_step = any(step in self._steps for step in epoch * np.unique(self._batches))
        if epoch % self._every == 0 or is_step:
            self._see(people, epoch)
        walker = people
        for step in self._walks.get(epoch, ()):
            walker = self._walk(walker, step)
            self._see(walker, epoch)

    def tell(self, epoch: int) -> None:
        """Show what was seen up to an epoch; waits until it is computed."""
        while self._pending and self._pending[0].epoch <= epoch:
            self._show(self._pending[0])  # an interrupt may come while that is computed
            self._pending.pop(0)

    def go_on(self, people: Crew) -> None:
        """Begin with members some of which were trained before, and were looked at until then."""
        state = states(people)
        epoch, status, step = jax.device_get((state.epoch, state.status, state.train.step))
        begun = (epoch > 0) & (status == RUNNING)
        self._seen = np.where(begun, step.astype(np.int64), -1)[: self._count]

    def finish(self, people: Crew) -> None:
        """Look at members that have ended since the last look, and show all that was seen."""
        last = _EVER
        self.tell(last)
        final = jax.device_get(states(people).train.step)[: self._count]
        if (final.astype(np.int64) != self._seen).any():
            self._see(replace(self._start, state=states(people)), last)
            self.tell(last)

    def _walk(self, people: Crew, step: int) -> Crew:
        statics = (self._program, self._problem, people.strategy)
        arguments = (people.at_work, people.state, self._table, np.int32(step))
        program, seconds = compiled(walk_members, statics, arguments)
        self.compile_seconds += seconds
        return replace(people, state=program(*arguments))

    def _see(self, people: Crew, epoch: int) -> None:
        statics = (self._program, self._problem, people.strategy, self._choice)
        arguments = (people.at_work, people.state, self._table)
        program, seconds = compiled(look_at_members, statics, arguments)
        self.compile_seconds += seconds
        if not self._labels:
            began = time.perf_counter()
            self._labels = labels(
                self._program, self._problem, people.at_work, people.state, self._table
            )
            self.compile_seconds += time.perf_counter() - began
        self._pending.append(_Seen(epoch, people.order, program(*arguments)))

    def _show(self, seen: "_Seen") -> None:
        """Show of every member what is new."""
        arrays = fetch(seen.arrays)
        for slot, member in enumerate(seen.order):
            step = int(arrays["step"][slot])
            if member >= self._count or step <= self._seen[member]:
                continue
            # Where an epoch was not finished, a part of it was.
            epoch = step / float(self._batches[member])
            is_due = step in self._steps or epoch % self._every == 0
            if not (is_due or arrays["status"][slot] != RUNNING):
                continue  # looked at for the sake of others
            self._seen[member] = step
            own = {name: array[slot] for name, array in arrays.items() if name not in _WHEN}
            self._watch.show(Look(int(member), epoch, step, self._labels, own))


class _Seen(NamedTuple):
    """A look at all members that may still be being computed: the last epoch that was finished."""

    epoch: int
    order: NDArray[Any]
    arrays: Any


def observe(
    watch: Watch | None,
    program: Program,
    problem: Problem,
    people: Crew,
    table: Table,
    count: int,
) -> Observer | Nobody:
    """Return who looks at a population; the arguments are those of `Observer`."""
    if watch is None:
        return Nobody()
    return Observer(watch, program, problem, people, table, count)


def _walks(
    steps: Sequence[int], batches: NDArray[Any], longest: int
) -> Mapping[int, Sequence[int]]:
    """Return the epochs after which members are looked at for the sake of steps, and those inside.

    Args:
        steps: Optimizer steps to look at.
        batches: Steps of an epoch of every member.
        longest: The last epoch.
    """
    walks: dict[int, list[int]] = {}
    for step in sorted(set(steps)):
        for size in np.unique(batches):
            epoch, inside = divmod(step, int(size))
            if epoch < longest or (epoch == longest and not inside):
                own = walks.setdefault(epoch, [])
                if inside and step not in own:
                    own.append(step)
    return walks


def _interval(
    config: DiagnosticsConfig, program: Program, problem: Problem, rows: Mapping[str, NDArray[Any]]
) -> int:
    """Return how many epochs lie between two looks."""
    if config.every != "auto":
        return int(config.every)
    weights, layers = parameter_count(program, problem), program.model.depth + 1
    split = "validation" if problem.validation_rows else "train"
    seen = int(rows[split].max())
    passed = sum(_PASSES.get(name, 0.0) for name in config.measures) * min(config.rows, seen)
    if "units" in config.measures:
        passed += seen / 3  # forward only
    kinds = sum(_KINDS.get(name, 0) for name in config.measures)
    look = 6 * weights * passed / _FLOPS_PER_SECOND + kinds * layers * _KIND_SECONDS
    trained = int(rows["train"].min())
    steps = -(-trained // program.training.batch_size)
    epoch = 6 * weights * trained / _FLOPS_PER_SECOND + steps * layers * _STEP_SECONDS
    return max(1, math.ceil(look / (_SHARE * epoch)))
