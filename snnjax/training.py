"""Epochs of one member as one compiled loop, with early stopping as state on the device."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from snnjax.arrays import Arrays, View
from snnjax.config.split import Program
from snnjax.data.dataset import Stream
from snnjax.evaluation import (
    gather,
    generate,
    is_weighted,
    of_size,
    spread_rows,
    used_columns,
    validate,
    weigh,
)
from snnjax.metric_names import MAXIMIZED
from snnjax.metrics import average_loss, summarize
from snnjax.nn import noise
from snnjax.optim.clipping import is_clipped
from snnjax.optim.plateau import Plateau, observe
from snnjax.optim.plateau import begin as begin_plateau
from snnjax.optim.schedules import Pace
from snnjax.rows import over_devices
from snnjax.shapes import Problem
from snnjax.step import (
    DATA_STREAM,
    SHUFFLE_STREAM,
    Batch,
    Member,
    Network,
    TrainState,
    init_state,
    numbers_of,
    train_step,
)

RUNNING, FINISHED, DIVERGED = 0, 1, 2

_Take: TypeAlias = Callable[[jax.Array, jax.Array, jax.Array], Batch]
"""From a batch's place in the epoch, the step and the mask of its rows to the batch."""

# With so many random bits, at most a sixteenth of the rows tie with the one before.
_FEW_TIES_BITS = 17


class MemberState(NamedTuple):
    """A member between two epochs.

    Attributes:
        train: What the optimizer step changes.
        best: The network of the best epoch so far.
        best_value: Its monitored metric, negated where more is better.
        best_epoch: 0 while there is none.
        epoch: Epochs finished.
        status: RUNNING, FINISHED (by its epochs or its patience) or DIVERGED.
        recent: (`training.smoothing`,) monitored values of the last epochs, the latest last.
        plateau: What a plateau schedule knows; empty with any other.
    """

    train: TrainState
    best: Network
    best_value: jax.Array
    best_epoch: jax.Array
    epoch: jax.Array
    status: jax.Array
    recent: jax.Array
    plateau: Plateau | tuple[()]


def start(program: Program, problem: Problem, member: Member, arrays: Arrays) -> MemberState:
    """Return a member before its first epoch."""
    used = used_columns(problem, arrays.view)
    train = init_state(program, problem, member, used, lambda: spread_rows(arrays))
    zero = jnp.zeros((), jnp.int32)
    status = jnp.where(member["training.epochs"] > 0, RUNNING, FINISHED).astype(jnp.int32)
    recent = jnp.full(program.training.smoothing, jnp.inf)
    plateau = begin_plateau() if program.schedule.name == "plateau" else ()
    none_yet = jnp.array(jnp.inf)
    return MemberState(train, train.network, none_yet, zero, zero, status, recent, plateau)


def run_epochs(
    program: Program,
    problem: Problem,
    length: int,
    member: Member,
    state: MemberState,
    arrays: Arrays,
    until: jax.Array,
) -> tuple[MemberState, dict[str, Any]]:
    """Train until epoch `until`, at most `length` epochs, or until the member stops by itself.

    Returns:
        The state, and the records of the epochs: every leaf has a leading axis of `length`, of
        which the first `state.epoch - epoch_before` entries are filled.
    """
    first = state.epoch
    _, record_shapes = jax.eval_shape(partial(run_epoch, program, problem), member, state, arrays)
    records = jax.tree.map(lambda leaf: jnp.zeros((length, *leaf.shape), leaf.dtype), record_shapes)

    def goes_on(carry: tuple[MemberState, Any]) -> jax.Array:
        state, _ = carry
        done = state.epoch - first
        return (state.status == RUNNING) & (state.epoch < until) & (done < length)

    def one_epoch(carry: tuple[MemberState, Any]) -> tuple[MemberState, Any]:
        state, records = carry
        done = state.epoch - first
        state, record = run_epoch(program, problem, member, state, arrays)
        return state, jax.tree.map(lambda all_, one: all_.at[done].set(one), records, record)

    return jax.lax.while_loop(goes_on, one_epoch, (state, records))


@partial(jax.jit, static_argnums=(0, 1), inline=True)  # traced once, wherever it is called
def run_epoch(
    program: Program, problem: Problem, member: Member, state: MemberState, arrays: Arrays
) -> tuple[MemberState, dict[str, Any]]:
    """Train one epoch, evaluate, and decide whether the member goes on."""
    train, train_sums = _train_epoch(program, problem, member, state, arrays)
    record = {"step": train.step, "train": train_sums}
    healthy = jnp.isfinite(train_sums["loss"]) & _is_finite(train.network)
    if problem.validation_rows:
        sums = validate(program, problem, train.network, member, arrays)
        record["validation"] = sums
        healthy &= jnp.isfinite(sums["loss"])
        value = _monitored(program, arrays.view, sums)
        healthy &= jnp.isfinite(value)
    else:
        value = average_loss(train_sums)
    epoch = state.epoch + 1
    recent = jnp.concatenate([state.recent[1:], value[None]])
    seen = jnp.minimum(epoch, program.training.smoothing)
    is_seen = jnp.arange(len(recent)) >= len(recent) - seen
    smoothed = jnp.where(is_seen, recent, 0).sum() / seen
    gain = _least_gain(program, member, arrays.view)
    # Without validation rows there is nothing to choose by: the last network is the best.
    is_better = (smoothed < state.best_value - gain) if problem.validation_rows else True
    improved = healthy & is_better
    state = MemberState(
        train=train,
        best=_choose(improved, train.network, state.best),
        best_value=jnp.where(improved, smoothed, state.best_value),
        best_epoch=jnp.where(improved, epoch, state.best_epoch),
        epoch=epoch,
        status=state.status,
        recent=recent,
        plateau=_after_epoch(program, member, state.plateau, value),
    )
    finished = epoch >= member["training.epochs"]
    if "training.patience" in member:
        finished |= epoch - state.best_epoch >= member["training.patience"]
    status = jnp.where(finished, FINISHED, RUNNING)
    status = jnp.where(healthy, status, DIVERGED).astype(jnp.int32)
    return state._replace(status=status), record


def _after_epoch(
    program: Program, member: Member, plateau: Plateau | tuple[()], value: jax.Array
) -> Plateau | tuple[()]:
    """Let a plateau schedule take notice of an epoch's monitored value."""
    if not isinstance(plateau, Plateau):
        return ()
    return observe(numbers_of(program.schedule, "schedule", member), plateau, value)


def chosen_network(program: Program, state: MemberState) -> Network:
    """Return the network a finished member stands for: the best, or on request the last.

    The last network of a diverged member is never one to stand for it.
    """
    if program.training.restore_best:
        return state.best
    return _choose(state.status == DIVERGED, state.best, state.train.network)


def train_until(
    program: Program,
    problem: Problem,
    member: Member,
    state: MemberState,
    arrays: Arrays,
    step: jax.Array,
) -> MemberState:
    """Take the steps of the next epoch up to `step` of the training, without ending the epoch.

    Nothing happens where that step lies in another epoch. May be called again for a later step.
    """
    batches = pace_of(program, problem, member, state, arrays).epoch_steps
    before = state.epoch * batches
    begin, end = state.train.step.astype(jnp.int32) - before, step - before
    goes = (state.status == RUNNING) & (begin < end) & (end <= batches)
    span = begin, jnp.where(goes, end, begin)
    train, _ = _train_epoch(program, problem, member, state, arrays, span)
    return state._replace(train=train)


def _train_epoch(
    program: Program,
    problem: Problem,
    member: Member,
    state: MemberState,
    arrays: Arrays,
    span: tuple[jax.Array, jax.Array] | None = None,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Take one step per batch of the epoch's training rows, the last one shorter.

    Or only the steps of a span of batches.
    """
    size, stream = batch_size(program, problem), problem.stream
    count = _epoch_rows(problem, arrays)
    take = (
        _from_table(program, problem, member, state.epoch, arrays, size)
        if stream is None
        else _from_stream(stream, program, member, arrays)
    )
    used = used_columns(problem, arrays.view)
    pace = pace_of(program, problem, member, state, arrays)
    begin, end = (0, pace.epoch_steps) if span is None else span

    def one_step(
        batch: jax.Array, carry: tuple[TrainState, dict[str, jax.Array]]
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        train, totals = carry
        taken = over_devices(take(batch, train.step, batch * size + jnp.arange(size) < count))
        train, sums = train_step(program, problem, member, train, taken, used, pace)
        return train, jax.tree.map(jnp.add, totals, sums)

    names = ("loss", "count") + (("hits",) if problem.task != "regression" else ())
    if is_weighted(program, problem, arrays):
        names += ("weight",)
    if is_clipped(numbers_of(program.clip, "clip", member)):
        names += ("gradient_norm", "clipped", "steps")
    if program.schedule.name != "constant":
        names += ("learning_rate", "steps")
    totals = {name: jnp.zeros((), float) for name in names}
    return jax.lax.fori_loop(begin, end, one_step, (state.train, totals))


def pace_of(
    program: Program, problem: Problem, member: Member, state: MemberState, arrays: Arrays
) -> Pace:
    """Return where an epoch lies in the training."""
    size = batch_size(program, problem)
    factor = state.plateau.factor if isinstance(state.plateau, Plateau) else 1.0
    batches = (_epoch_rows(problem, arrays) + size - 1) // size
    return Pace(batches, member["training.epochs"], factor)


def batch_size(program: Program, problem: Problem) -> int:
    """Return how many rows a batch has: those of the largest training split, if that is less."""
    return min(program.training.batch_size, problem.train_rows[-1])


def _epoch_rows(problem: Problem, arrays: Arrays) -> jax.Array:
    """Return how many rows an epoch trains on: all there are, or of endless ones the chosen."""
    stream = problem.stream
    return arrays.view.rows["train"] if stream is None else jnp.int32(stream.rows)


def _from_table(
    program: Program,
    problem: Problem,
    member: Member,
    epoch: jax.Array,
    arrays: Arrays,
    size: int,
) -> _Take:
    """Return what takes the batches of a new permutation of the training rows."""
    first, count = arrays.view.first["train"], arrays.view.rows["train"]
    order = _permutation(member, epoch, count, problem.train_rows)
    # The slice of the last batch must not be shifted back to fit.
    order = jnp.minimum(jnp.pad(order, (0, size)), count - 1)

    def take(batch: jax.Array, step: jax.Array, mask: jax.Array) -> Batch:
        rows = arrays.table.indices[first + jax.lax.dynamic_slice(order, (batch * size,), (size,))]
        return weigh(program, arrays, rows, gather(arrays, rows, mask))

    return take


def _from_stream(stream: Stream, program: Program, member: Member, arrays: Arrays) -> _Take:
    """Return what makes the batch of every step anew, by the seed and the step alone."""
    key = noise.fold(noise.make_key(member["seed"]), DATA_STREAM)

    def take(batch: jax.Array, step: jax.Array, mask: jax.Array) -> Batch:
        made = generate(stream, noise.fold(key, step), arrays, mask)
        return weigh(program, arrays, jnp.zeros_like(made.targets), made)

    return take


def _permutation(
    member: Member, epoch: jax.Array, count: jax.Array, sizes: tuple[int, ...]
) -> jax.Array:
    """Shuffle 0 .. count - 1 to the front of an array as long as the largest of `sizes`.

    Sorting pairs of a random number and a place takes four times as long as sorting numbers, so
    both share a word: the place has the low bits, what is left above is random. Places whose
    random bits tie are sorted by a random affine map of them; where such ties are many, a second
    sort follows.
    """
    key = noise.fold(noise.fold(noise.make_key(member["seed"]), SHUFFLE_STREAM), epoch)
    place_bits = (32 - jax.lax.clz(jnp.maximum(count - 1, 1))).astype(jnp.uint32)
    # The topmost bit sends what is not a row to the end.
    random_bits = 31 - place_bits
    low_bits = (jnp.uint32(1) << place_bits) - 1

    def shuffle(size: int) -> jax.Array:
        place = jnp.arange(size, dtype=jnp.uint32)

        def once(number: jax.Array, order: jax.Array) -> jax.Array:
            bits = noise.bits(noise.fold(key, number), (size + 2,))
            factor, offset, bits = bits[0] | 1, bits[1], bits[2:]
            mapped = (place * factor + offset) & low_bits
            words = (bits >> (32 - random_bits)) << place_bits | mapped
            words = jnp.sort(jnp.where(place < count, words, jnp.uint32(2**31)))
            return order[((words - offset) * _inverse(factor)) & low_bits]

        order = jax.lax.fori_loop(0, jnp.where(random_bits >= _FEW_TIES_BITS, 1, 2), once, place)
        return jnp.pad(order.astype(jnp.int32), (0, sizes[-1] - size))

    return of_size(sizes, count, shuffle)


def _inverse(factor: jax.Array) -> jax.Array:
    """Return the inverse of an odd uint32 modulo 2**32; each step doubles the bits that are right.

    An odd number is its own inverse modulo 8.
    """
    inverse = factor
    for _ in range(4):
        inverse = inverse * (2 - factor * inverse)
    return inverse


def _monitored(program: Program, view: View, sums: dict[str, Any]) -> jax.Array:
    metrics = summarize(sums, view.target_scale, view.target_squares["validation"], jnp)
    value = metrics[program.training.monitor]
    return -value if program.training.monitor in MAXIMIZED else value


def _least_gain(program: Program, member: Member, view: View) -> Any:
    """Return how much better an epoch must be than the best, in the unit that is computed in.

    Errors are computed in units of the largest target scale, and reported in the targets' own.
    """
    if "training.min_gain" not in member:
        return 0.0
    gain = member["training.min_gain"]
    powers = {"rmse": 1, "mse": 2}
    for _ in range(powers.get(program.training.monitor, 0)):
        gain = gain / view.unit
    return gain


def _choose(condition: jax.Array, one: Network, other: Network) -> Network:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)


def _is_finite(tree: Any) -> jax.Array:
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
    return jnp.stack(leaves).all()
