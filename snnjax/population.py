"""Members that share one Program, trained together; a single run is a population of one."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from snnjax import crew, interruption, training
from snnjax.arrays import Layout, Table
from snnjax.config.split import Program
from snnjax.crew import Crew
from snnjax.data.dataset import SPLITS, Dataset
from snnjax.outcomes import EpochRecord, Outcome, Report, conclude, report_news
from snnjax.programs import Programs, Seat, compile_advance, fitting_lanes, prepare, summary
from snnjax.shapes import Problem
from snnjax.step import Member
from snnjax.strategy import Strategy, choose, core_count, padded_size, share
from snnjax.training import MemberState

# Half of the time left must be worth so many compilations before one is made for fewer members,
# and these take at least so many seconds, even if those for all members were done before.
_WORTH, _LEAST_COMPILE_SECONDS = 2.0, 2.0


@dataclass(frozen=True)
class Trained:
    """A population at its end: an outcome per member, the state, and how it was done.

    The state has the members first, perhaps followed by some that did nothing.
    """

    outcomes: list[Outcome]
    state: MemberState
    strategy: dict[str, Any]
    seconds: float
    compile_seconds: float


@dataclass(frozen=True)
class _Population:
    """Everything that is known of a population before it is trained."""

    program: Program
    members: Sequence[Member]
    layout: Layout
    problem: Problem
    sets: Sequence[int]
    strategy: Strategy
    size: int

    @property
    def data(self) -> list[Dataset]:
        """The data set of each member."""
        return [self.layout.sets[place] for place in self.sets]

    @property
    def slots(self) -> int:
        """The number of members, together with those that do nothing."""
        return padded_size(self.strategy, max(self.size, len(self.members)))

    def seats(self) -> Seat:
        """Stack the members and their views on the host, filled up with members that do nothing."""
        missing = self.slots - len(self.members)
        idle = {**self.members[-1], "training.epochs": np.int32(0)}
        members = [*self.members, *[idle] * missing]
        views = [self.layout.views[place] for place in (*self.sets, *[self.sets[-1]] * missing)]
        stacked: Seat = jax.tree.map(
            lambda *leaves: np.stack(leaves), *zip(members, views, strict=True)
        )
        return stacked

    def part(self, first: int, last: int) -> "_Population":
        """Return some of the members."""
        own = slice(first, last)
        return replace(self, members=self.members[own], sets=self.sets[own], size=last - first)


def train(
    program: Program,
    members: Sequence[Member],
    layout: Layout,
    report: Report = lambda record: None,
    *,
    sets: Sequence[int] | None = None,
    problem: Problem | None = None,
    strategy: Strategy | None = None,
    size: int = 1,
) -> Trained:
    """Train members to their ends.

    Where they do not fit into memory together, fewer are computed in lockstep, and if need be
    the population is halved; what was reported before is not reported again.

    Args:
        program: What is compiled.
        members: Their numbers; all with the same keys.
        layout: The data sets they train on.
        report: Called for every epoch of every member, while later epochs are being computed.
        sets: For each member the place of its data set in `layout.sets`; by default the first.
        problem: The shapes of their data sets; by default those of all in the layout.
        strategy: How members are mapped; None leaves the choice to `strategy.choose`.
        size: A smaller population is filled up to this size with members that do nothing, so that
            populations of different sizes share one compiled program.
    """
    sets = [0] * len(members) if sets is None else sets
    strategy = strategy or choose(max(size, len(members)))
    told = [0] * len(members)

    def report_once(record: EpochRecord) -> None:
        if record.epoch > told[record.member]:
            told[record.member] = record.epoch
            report(record)

    problem = problem or layout.problem
    population = _Population(program, members, layout, problem, sets, strategy, size)
    return _fit(population, report_once)


def _fit(population: _Population, report: Report) -> Trained:
    """Train as many members at once as memory allows."""
    table = share(population.strategy, population.layout.table)
    while True:
        strategy, count = population.strategy, len(population.members)
        try:
            people = crew.assemble(strategy, population.seats())
            programs = prepare(
                population.program, population.problem, population.layout.problem,
                strategy, people.at_work, table,
            )  # fmt: skip
            lanes = fitting_lanes(programs.advance, strategy.lanes)
            if lanes == strategy.lanes:
                return _train(population, programs, people, table, report)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error) or population.slots == strategy.devices:
                raise
            lanes = strategy.lanes // 2
        if lanes:
            population = replace(population, strategy=replace(strategy, lanes=lanes))
        elif population.size > count:
            population = replace(population, size=count)
        else:
            return _train_halves(population, report)


def _train_halves(population: _Population, report: Report) -> Trained:
    """Train one half after the other; their states are put together on the host."""
    count = len(population.members)
    half = -(-count // 2)

    def report_second(record: EpochRecord) -> None:
        report(replace(record, member=record.member + half))

    one = _fit(population.part(0, half), report)
    kept = jax.tree.map(lambda leaf: np.asarray(leaf)[:half], one.state)
    other = _fit(population.part(half, count), report_second)
    return Trained(
        outcomes=one.outcomes + other.outcomes,
        state=jax.tree.map(lambda a, b: np.concatenate([a, b]), kept, jax.device_get(other.state)),
        strategy=one.strategy,
        seconds=one.seconds + other.seconds,
        compile_seconds=one.compile_seconds + other.compile_seconds,
    )


def _train(
    population: _Population, programs: Programs, people: Crew, table: Table, report: Report
) -> Trained:
    """Train members who have their seats; raises where memory does not suffice."""
    everyone, count = people.at_work, len(population.members)
    began = time.perf_counter()
    people = replace(people, state=programs.start(everyone))
    people = _run(population, programs, people, table, report)
    state = crew.states(people)
    scored = _score(programs, people.numbers, everyone, state, table, count)
    outcomes = conclude(population.program, jax.device_get(summary(state)), scored, population.data)
    return Trained(
        outcomes=outcomes,
        state=state,
        strategy=population.strategy.description()
        | {"population": count, "chunk_epochs": programs.length},
        seconds=time.perf_counter() - began,
        compile_seconds=programs.seconds,
    )


def _run(
    population: _Population, programs: Programs, people: Crew, table: Table, report: Report
) -> Crew:
    """Advance chunk by chunk until every member has stopped."""
    data, advance = population.data, programs.advance
    epochs = np.array([int(member["training.epochs"]) for member in population.members])
    longest = int(epochs.max())
    worth = _WORTH * max(programs.seconds, _LEAST_COMPILE_SECONDS)
    running = np.ones(len(people.order), bool)
    pending, looked = None, time.perf_counter()
    for until in range(programs.length, longest + programs.length, programs.length):
        state, news = advance(people.at_work, people.state, table, np.int32(until))
        people, now = replace(people, state=state), (news, people.order)
        # Only now is the chunk before fetched: the device is never idle while the host reads.
        if pending is not None:
            _tell(pending, running, data, report)
            if not running.any():
                return people
            before, looked = looked, time.perf_counter()
            people = crew.regroup(people, running)
            left = epochs[running[: len(epochs)]].max() - until
            left_seconds = left / programs.length * (looked - before)
            if left_seconds / 2 > worth and (few := crew.smaller(people, running)):
                people = few
                advance, _ = compile_advance(
                    population.program, population.problem, people.strategy,
                    programs.length, people.at_work, people.state, table,
                ).result()  # fmt: skip
        pending = now
    if pending is not None:
        _tell(pending, running, data, report)
    return people


def _tell(
    pending: tuple[Any, crew.Order], running: Any, data: Sequence[Dataset], report: Report
) -> None:
    """Report a chunk once it is computed, and note who still runs."""
    news, order = _fetch(pending[0]), pending[1]
    report_news(news, order, data, report)
    running[:] = False
    running[order] = news["status"] == training.RUNNING


def _score(
    programs: Programs, numbers: Seat, seats: Seat, state: MemberState, table: Table, members: int
) -> dict[str, Any]:
    """Evaluate the network each member stands for on every split: sums and scores, on the host."""
    view, scored = numbers[1], {}
    for split in SPLITS:
        firsts, counts = view.first[split], view.rows[split].copy()
        counts[members:] = 0  # those that do nothing
        blocks = []
        for begin in range(0, int(counts.max()), programs.rows):
            count = np.clip(counts - begin, 0, programs.rows).astype(np.int32)
            first = np.where(count > 0, firsts + begin, firsts).astype(np.int32)
            blocks.append(_fetch(programs.score(state, seats, table, first, count)))
        if blocks:
            sums, scores = zip(*blocks, strict=True)
            totals = jax.tree.map(lambda *parts: sum(np.float64(part) for part in parts), *sums)
            scored[split] = totals, np.concatenate(scores, axis=1)
    return scored


def _fetch(tree: Any) -> Any:
    """Bring arrays to the host; naps instead of one long wait, so that Ctrl-C is heard.

    Raises:
        KeyboardInterrupt: Stopping was asked for meanwhile.
    """
    nap = 0.0002
    while not all(leaf.is_ready() for leaf in jax.tree.leaves(tree)):
        interruption.check()
        time.sleep(nap)
        nap = min(2 * nap, 0.05)
    return jax.device_get(tree)


def device_description() -> dict[str, Any]:
    """Describe what the default backend computes on."""
    devices = jax.devices()
    return {
        "platform": devices[0].platform,
        "kind": devices[0].device_kind,
        "devices": len(devices),
        "cores": core_count(),
    }
