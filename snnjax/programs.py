"""What a population runs on the device: start, advance, score; compiled side by side."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from snnjax import monte_carlo, training
from snnjax.arrays import Arrays, Table
from snnjax.compilation import Compiling, begin_compiling
from snnjax.config.split import Program
from snnjax.evaluation import evaluate
from snnjax.nn.numbers import is_off
from snnjax.shapes import Problem, bucket
from snnjax.step import Member
from snnjax.strategy import Strategy, map_members, memory_limit, placed
from snnjax.training import MemberState

# A chunk is what runs between two looks from the host: at most so much arithmetic per member and
# in all (about a second of one core, about ten), so many epochs, and so many bytes of records.
_MEMBER_FLOPS, _POPULATION_FLOPS = 3e10, 3e11
_ACCELERATOR_FACTOR = 100
_MAX_CHUNK = 64
# Where devices share rows a step takes as long as their sums are on the way, whatever it computes:
# a chunk is one epoch, however long, or as many as make at most so many steps.
_SHARED_STEPS = 1000
_MAX_RECORD_BYTES = 2**25
# Of each class an epoch records how many rows are and were said to be of it, hits, and ranks.
_CLASS_RECORD_BYTES = 16

# Rows of a split scored by one call, as far as their scores fit into so many bytes.
_SCORED_ROWS, _MAX_SCORE_BYTES = 4096, 2**25

Seat = tuple[Member, Any]
"""A member's numbers and its `arrays.View`; in a population every leaf has a leading axis."""


class Programs(NamedTuple):
    """What a population runs, compiled.

    Attributes:
        start: Seats and table to states.
        advance: Seats, states, table and the epoch to reach to states and news.
        score: States, seats, table, and per member where rows begin, how many there are and the
            first one's place in its split, to sums and scores.
        length: The most epochs of one call of `advance`.
        rows: The most rows of one call of `score`.
        seconds: Spent compiling, or waiting for another thread that was.
    """

    start: Callable[..., Any]
    advance: Callable[..., Any]
    score: Callable[..., Any]
    length: int
    rows: int
    seconds: float


def prepare(
    program: Program,
    problem: Problem,
    whole: Problem,
    strategy: Strategy,
    seats: Seat,
    table: Table,
) -> Programs:
    """Compile what a population needs.

    Args:
        program: The members'.
        problem: The shapes of their own data sets.
        whole: Those of all sets in the table, which is enough to start and to score.
        strategy: How members are mapped.
        seats: The members.
        table: The data.
    """
    began = time.perf_counter()
    begin = partial(start_members, program, whole, strategy)
    state = placed(strategy, jax.eval_shape(begin, seats, table))
    length = _chunk_length(program, problem, strategy, state)
    rows = _scored_rows(whole, state)
    members = state.status.shape
    span = placed(strategy, (jax.ShapeDtypeStruct(members, jnp.int32),) * 3)
    # The longest first: the others are traced while it is being compiled.
    advance = compile_advance(program, problem, strategy, length, seats, state, table)
    start = begin_compiling(start_members, (program, whole, strategy), (seats, table))
    score = begin_compiling(
        score_members, (program, whole, strategy, rows), (state, seats, table, *span)
    )
    ready = [compiling.result() for compiling in (start, advance, score)]
    waited = any(seconds for _, seconds in ready)
    seconds = time.perf_counter() - began if waited else 0.0
    (start_all, _), (advance_all, _), (score_all, _) = ready
    return Programs(start_all, advance_all, score_all, length, rows, seconds)


def compile_advance(
    program: Program,
    problem: Problem,
    strategy: Strategy,
    length: int,
    seats: Seat,
    state: Any,
    table: Table,
) -> Compiling:
    """Begin to compile `advance_members` for states of these shapes."""
    until = jax.ShapeDtypeStruct((), jnp.int32)
    statics = (program, problem, strategy, length)
    return begin_compiling(advance_members, statics, (seats, state, table, until), donate=(1,))


def fitting_lanes(advance: Any, lanes: int) -> int:
    """Return how many of the lanes a compiled `advance` has fit into a device's memory, by halves.

    What is computed meanwhile grows with the lanes, what is kept only with the population. 0 where
    that alone is too much.
    """
    needed, limit = advance.memory_analysis(), memory_limit()
    if needed is None or limit is None:
        return lanes
    kept = needed.argument_size_in_bytes + needed.output_size_in_bytes - needed.alias_size_in_bytes
    if kept > limit:
        return 0
    fitting = lanes
    while fitting > 1 and kept + needed.temp_size_in_bytes * fitting / lanes > limit:
        fitting //= 2
    return fitting


def start_members(
    program: Program, problem: Problem, strategy: Strategy, seats: Seat, table: Table
) -> MemberState:
    """Return every member before its first epoch."""

    def one(seat: Seat, table: Table) -> MemberState:
        member, view = seat

        def begin() -> MemberState:
            return training.start(program, problem, member, Arrays(table, view))

        def idle() -> MemberState:
            zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
            return zeros._replace(status=jnp.int32(training.FINISHED))

        shapes = jax.eval_shape(begin)
        return jax.lax.cond(member["training.epochs"] > 0, begin, idle)

    return map_members(strategy, one, seats, table)


def advance_members(
    program: Program,
    problem: Problem,
    strategy: Strategy,
    length: int,
    seats: Seat,
    state: MemberState,
    table: Table,
    until: jax.Array,
) -> tuple[MemberState, dict[str, Any]]:
    """Train every member to epoch `until`; what the host wants to know comes beside the state."""

    def one(each: tuple[Seat, MemberState], shared: Any) -> tuple[MemberState, dict[str, Any]]:
        (member, view), before = each
        table, until = shared
        state, records = training.run_epochs(
            program, problem, length, member, before, Arrays(table, view), until
        )
        return state, summary(state) | {"first": before.epoch, "records": records}

    return map_members(strategy, one, (seats, state), (table, until))


def score_members(
    program: Program,
    problem: Problem,
    strategy: Strategy,
    rows: int,
    state: MemberState,
    seats: Seat,
    table: Table,
    first: jax.Array,
    count: jax.Array,
    place: jax.Array,
) -> tuple[dict[str, Any], jax.Array]:
    """Evaluate the network each member stands for on some rows of its own: sums and scores.

    With Monte-Carlo dropout its sums are beside the others, unless the rows' `place` is negative.
    """
    classes = range(0 if problem.task == "regression" else problem.outputs)

    def one(each: Any, table: Table) -> tuple[dict[str, Any], jax.Array]:
        state, (member, view), first, count, place = each
        network = training.chosen_network(program, state)
        arrays = Arrays(table, view)
        sums, scores = evaluate(
            program, problem, network, member, arrays, first, count, rows, classes
        )
        if not is_off(program.training.monte_carlo):
            count = jnp.where(place < 0, 0, count)
            sums["monte_carlo"] = monte_carlo.score(
                program, problem, network, member, arrays, first, count, place, rows
            )
        return sums, scores

    return map_members(strategy, one, (state, seats, first, count, place), table)


def summary(state: MemberState) -> dict[str, jax.Array]:
    """Return what the host wants to know of members at any time."""
    return {
        "epoch": state.epoch,
        "status": state.status,
        "best_epoch": state.best_epoch,
        "step": state.train.step,
    }


def _chunk_length(
    program: Program, problem: Problem, strategy: Strategy, state: MemberState
) -> int:
    """Choose how many epochs run between two looks from the host: a power of two."""
    (members,) = state.status.shape
    weights = sum(leaf.size for leaf in jax.tree.leaves(state.train.network.params)) // members
    epoch_flops = 6 * weights * problem.train_rows[-1]
    factor = 1 if jax.default_backend() == "cpu" else _ACCELERATOR_FACTOR
    most_flops = factor * min(_MEMBER_FLOPS, _POPULATION_FLOPS / members)
    most_records = _MAX_RECORD_BYTES // (members * (_CLASS_RECORD_BYTES * problem.outputs + 64))
    most = min(_MAX_CHUNK, most_records)
    if strategy.rows > 1:
        steps = -(-problem.train_rows[-1] // program.training.batch_size)
        most = min(most, _SHARED_STEPS // steps)
    length = 1
    while 2 * length * epoch_flops <= most_flops and 2 * length <= most:
        length *= 2
    return length


def _scored_rows(problem: Problem, state: MemberState) -> int:
    (members,) = state.status.shape
    fitting = _MAX_SCORE_BYTES // (4 * members * problem.outputs)
    return max(1, min(_SCORED_ROWS, bucket(problem.train_rows[-1]), fitting))
