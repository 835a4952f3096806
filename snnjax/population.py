"""Members that share one Program, trained together; a single run is a population of one."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from snnjax import crew, interruption, processes, training
from snnjax.arrays import Layout, Table
from snnjax.config.split import Program
from snnjax.crew import Crew
from snnjax.data.dataset import Dataset
from snnjax.diagnostics.observer import Look, Nobody, Observer, Watch, observe
from snnjax.ending import Clock, Ended, Ending, Tell, fetch
from snnjax.keeping import NO_KEEPER, Keeper
from snnjax.nn.products import types_of
from snnjax.outcomes import EpochRecord, Outcome, Report, report_news
from snnjax.programs import Programs, Seat, compile_advance, fitting_lanes, prepare
from snnjax.shapes import Problem
from snnjax.step import Member
from snnjax.strategy import Strategy, choose, core_count, padded_size, share
from snnjax.training import MemberState

# Half of the time left must be worth so many compilations before one is made for fewer members,
# and these take at least so many seconds, even if those for all members were done before.
_WORTH, _LEAST_COMPILE_SECONDS = 2.0, 2.0


class _Chunk(NamedTuple):
    """What `advance` says beside the state, who was in which slot, and the epoch to be reached."""

    news: Any
    order: crew.Order
    until: int


@dataclass(frozen=True)
class Trained:
    """A population at its end.

    Attributes:
        outcomes: Of every member.
        state: The members first, perhaps followed by some that did nothing.
        strategy: How they were trained; of parts that followed one another the last. What is told
            of a member says how it was itself.
        seconds: Spent training, vain attempts included.
        compile_seconds: Spent compiling, or waiting for another thread that was.
    """

    outcomes: list[Outcome]
    state: MemberState
    strategy: Mapping[str, Any]
    seconds: float
    compile_seconds: float


@dataclass(frozen=True)
class _Audience:
    """Who hears of epochs and ends, who keeps states, and the clock that all attempts share."""

    report: Report
    tell: Tell
    clock: Clock
    keeper: Keeper
    watch: Watch | None = None

    def after(self, count: int) -> "_Audience":
        """Return what hears of members by their numbers in a part that follows so many others."""

        def report(record: EpochRecord) -> None:
            self.report(replace(record, member=record.member + count))

        def tell(ended: Ended) -> None:
            outcomes = {member + count: own for member, own in ended.outcomes.items()}
            self.tell(replace(ended, outcomes=outcomes, first=ended.first + count))

        def show(look: Look) -> None:
            if self.watch is not None:
                self.watch.show(replace(look, member=look.member + count))

        watch = None if self.watch is None else replace(self.watch, show=show)
        keeper = self.keeper.after(count)
        return replace(self, report=report, tell=tell, keeper=keeper, watch=watch)


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
        """Return some of the members, with no more lanes than they need."""
        own, size = slice(first, last), last - first
        lanes = min(self.strategy.lanes, -(-size // self.strategy.devices))
        strategy = replace(self.strategy, lanes=lanes)
        members, sets = self.members[own], self.sets[own]
        return replace(self, members=members, sets=sets, size=size, strategy=strategy)


def train(
    program: Program,
    members: Sequence[Member],
    layout: Layout,
    report: Report = lambda record: None,
    *,
    tell: Tell = lambda ended: None,
    sets: Sequence[int] | None = None,
    problem: Problem | None = None,
    strategy: Strategy | None = None,
    size: int = 1,
    keeper: Keeper = NO_KEEPER,
    watch: Watch | None = None,
) -> Trained:
    """Train members to their ends.

    Where they do not fit into memory together, fewer are computed in lockstep, and if need be
    the population is halved; what was told before is not told again.

    Args:
        program: What is compiled.
        members: Their numbers; all with the same keys.
        layout: The data sets they train on.
        report: Called for every epoch of every member, while later epochs are being computed.
        tell: Called for every member once, when it has ended; while others are still training,
            at the end of a chunk when half a minute has passed, or twenty times what it takes.
        sets: For each member the place of its data set in `layout.sets`; by default the first.
        problem: The shapes of their data sets; by default those of all in the layout.
        strategy: How members are mapped; None leaves the choice to `strategy.choose`.
        size: A smaller population is filled up to this size with members that do nothing, so that
            populations of different sizes share one compiled program.
        keeper: Keeps states, and knows where members go on that were trained before.
        watch: What is looked at inside the networks, and who is shown it; None for nothing.
    """
    sets = [0] * len(members) if sets is None else sets
    strategy = strategy or choose(max(size, len(members)))
    reported = [0] * len(members)
    outcomes: dict[int, Outcome] = {}

    def report_once(record: EpochRecord) -> None:
        if record.member not in outcomes and record.epoch > reported[record.member]:
            report(record)
            reported[record.member] = record.epoch

    def tell_once(ended: Ended) -> None:
        if new := {n: own for n, own in ended.outcomes.items() if n not in outcomes}:
            outcomes.update(new)
            tell(replace(ended, outcomes=new))

    problem = problem or layout.problem
    population = _Population(program, members, layout, problem, sets, strategy, size)
    with types_of(program.training.precision), processes.in_step():
        trained = _fit(population, _Audience(report_once, tell_once, Clock(), keeper, watch))
    return replace(trained, outcomes=[outcomes[number] for number in range(len(members))])


def _fit(population: _Population, audience: _Audience) -> Trained:
    """Train as many members at once as memory allows."""
    table = share(population.strategy, population.layout.table)
    while True:
        strategy, count = population.strategy, len(population.members)
        is_least = population.slots == strategy.devices
        try:
            people = crew.assemble(strategy, population.seats())
            programs = prepare(
                population.program, population.problem, population.layout.problem,
                strategy, people.at_work, table,
            )  # fmt: skip
            audience.clock.compile_seconds += programs.seconds
            lanes = fitting_lanes(programs.advance, strategy.lanes)
            if is_least or lanes == strategy.lanes:
                return _train(population, programs, people, table, audience)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error) or is_least:
                raise
            lanes = strategy.lanes // 2
        if lanes:
            population = replace(population, strategy=replace(strategy, lanes=lanes))
        elif (least := population.part(0, count)).slots < population.slots:
            population = least
        else:
            return _train_halves(population, audience)


def _train_halves(population: _Population, audience: _Audience) -> Trained:
    """Train one half after the other; their states are put together on the host."""
    count = len(population.members)
    half = -(-count // 2)
    one = _fit(population.part(0, half), audience)
    kept = jax.tree.map(lambda leaf: np.asarray(leaf)[:half], one.state)
    outcomes = one.outcomes
    del one  # the device needs the room
    other = _fit(population.part(half, count), audience.after(half))
    return replace(
        other,
        outcomes=outcomes + other.outcomes,
        state=jax.tree.map(lambda a, b: np.concatenate([a, b]), kept, jax.device_get(other.state)),
    )


def _train(
    population: _Population, programs: Programs, people: Crew, table: Table, audience: _Audience
) -> Trained:
    """Train members who have their seats; raises where memory does not suffice."""
    strategy = population.strategy.description() | {
        "population": len(population.members),
        "chunk_epochs": programs.length,
    }
    ending = Ending(
        population.program, programs, people, table, population.data,
        strategy, audience.tell, audience.clock,
    )  # fmt: skip
    observer = observe(
        audience.watch, population.program, population.problem, people, table,
        len(population.members),
    )  # fmt: skip
    state, begun = audience.keeper.restore(
        people.strategy, programs.start(people.at_work, table), len(population.members)
    )
    people = replace(people, state=state)
    observer.go_on(people)
    with interruption.deferred():
        people = _run(population, programs, people, table, audience, ending, observer, begun)
        try:
            observer.finish(people)
            audience.clock.compile_seconds += observer.compile_seconds
            state = crew.states(people)
            ending.finish(state)
        except KeyboardInterrupt:
            _keep(people, (), None, population.data, audience, observer)
            raise
    return Trained(
        outcomes=[outcome for _, outcome in sorted(ending.outcomes.items())],
        state=state,
        strategy=strategy,
        seconds=audience.clock.seconds,
        compile_seconds=audience.clock.compile_seconds,
    )


def _run(
    population: _Population,
    programs: Programs,
    people: Crew,
    table: Table,
    audience: _Audience,
    ending: Ending,
    observer: Observer | Nobody,
    begun: int = 0,
) -> Crew:
    """Advance chunk by chunk until every member has stopped, from the epoch `begun` on."""
    data, advance = population.data, programs.advance
    epochs = np.array([int(member["training.epochs"]) for member in population.members])
    longest = int(epochs.max())
    worth = _WORTH * max(programs.seconds, _LEAST_COMPILE_SECONDS)
    running = np.ones(len(people.order), bool)
    pending: _Chunk | None = None
    now: _Chunk | None = None
    looked, until, length = time.perf_counter(), begun, programs.length
    try:
        observer.look(people, until)
        while until < longest:
            done, until = until, min(until + programs.length, observer.next_stop(until))
            state, news = advance(people.at_work, people.state, table, np.int32(until))
            people, now = replace(people, state=state), _Chunk(news, people.order, until)
            if until < longest:
                observer.look(people, until)
            # Only now is the chunk before fetched: the device is never idle while the host reads.
            if pending is not None:
                _note(pending, running, data, audience, observer)
                if not running.any():
                    return people
                before, looked = looked, time.perf_counter()
                people = crew.regroup(people, running)
                left = epochs[running[: len(epochs)]].max() - until
                left_seconds = left / length * (looked - before)
                if left_seconds / 2 > worth and (few := crew.smaller(people, running)):
                    people = few
                    began = time.perf_counter()
                    advance, waited = compile_advance(
                        population.program, population.problem, people.strategy,
                        programs.length, people.at_work, people.state, table,
                    ).result()  # fmt: skip
                    if waited:
                        audience.clock.compile_seconds += time.perf_counter() - began
                ending.look(people, running)
            pending, length = now, until - done
            if processes.agree(audience.keeper.is_due(), after=state):
                _note(now, running, data, audience, observer)
                if not running.any():
                    return people
                pending = None
                audience.keeper.save(people, len(data), audience.clock)
        if pending is not None:
            _note(pending, running, data, audience, observer)
    except KeyboardInterrupt:
        _keep(people, (pending, now), running, data, audience, observer)
        raise
    return people


def _keep(
    people: Crew,
    chunks: Sequence[_Chunk | None],
    running: Any,
    data: Sequence[Dataset],
    audience: _Audience,
    observer: Observer | Nobody,
) -> None:
    """Keep what there is before the program ends, as far as it has time for that."""
    if not interruption.is_asked():
        return  # an interrupt that came anywhere, so that nothing is sure
    with interruption.unheard():
        for chunk in chunks:
            if chunk is not None:
                if not audience.keeper.has_time_for(jax.tree.leaves(chunk.news)):
                    return
                _note(chunk, running, data, audience, observer)
        audience.keeper.save(people, len(data), audience.clock, is_last=True)


def _note(
    chunk: _Chunk,
    running: Any,
    data: Sequence[Dataset],
    audience: _Audience,
    observer: Observer | Nobody,
) -> None:
    """Report a chunk once it is computed, with what was seen before and after; note who runs."""
    observer.tell(chunk.until - 1)
    news = fetch(chunk.news)
    report_news(news, chunk.order, data, audience.report)
    running[:] = False
    running[chunk.order] = news["status"] == training.RUNNING
    observer.tell(chunk.until)


def device_description() -> dict[str, Any]:
    """Describe what the default backend computes on."""
    devices = jax.devices()
    return {
        "platform": devices[0].platform,
        "kind": devices[0].device_kind,
        "devices": len(devices),
        "cores": core_count(),
        **({} if processes.is_alone() else {"processes": processes.count()}),
    }
