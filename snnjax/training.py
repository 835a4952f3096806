"""Epochs of one member as one compiled loop, with early stopping as state on the device."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from snnjax.arrays import Arrays, View
from snnjax.config.split import Program
from snnjax.metric_names import MAXIMIZED
from snnjax.metrics import concordant_pairs, pair_blocks, summarize
from snnjax.nn.padding import Used
from snnjax.shapes import Problem
from snnjax.step import (
    SHUFFLE_STREAM,
    Batch,
    Member,
    Network,
    TrainState,
    eval_step,
    init_state,
    run_key,
    train_step,
)

RUNNING, FINISHED, DIVERGED = 0, 1, 2

# Rows evaluated at once: enough to keep a core busy, and few for what is left over.
_EVAL_ROWS, _REST_ROWS = 256, 32


class MemberState(NamedTuple):
    """A member between two epochs.

    Attributes:
        train: What the optimizer step changes.
        best: The network of the best epoch so far.
        best_value: Its monitored metric, negated where more is better.
        best_epoch: 0 while there is none.
        epoch: Epochs finished.
        status: RUNNING, FINISHED (by its epochs or its patience) or DIVERGED.
    """

    train: TrainState
    best: Network
    best_value: jax.Array
    best_epoch: jax.Array
    epoch: jax.Array
    status: jax.Array


def start(program: Program, problem: Problem, member: Member, view: View) -> MemberState:
    """Return a member before its first epoch."""
    train = init_state(program, problem, member, _used(problem, view))
    zero = jnp.zeros((), jnp.int32)
    status = jnp.where(member["training.epochs"] > 0, RUNNING, FINISHED).astype(jnp.int32)
    return MemberState(train, train.network, jnp.array(jnp.inf), zero, zero, status)


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
        sums = _validate(program, problem, train.network, arrays)
        record["validation"] = sums
        healthy &= jnp.isfinite(sums["loss"])
        value = _monitored(program, arrays.view, sums)
        healthy &= jnp.isfinite(value)
    else:
        value = train_sums["loss"] / train_sums["count"]
    epoch = state.epoch + 1
    # Without validation rows there is nothing to choose by: the last network is the best.
    improved = healthy & ((value < state.best_value) if problem.validation_rows else True)
    state = MemberState(
        train=train,
        best=_choose(improved, train.network, state.best),
        best_value=jnp.where(improved, value, state.best_value),
        best_epoch=jnp.where(improved, epoch, state.best_epoch),
        epoch=epoch,
        status=state.status,
    )
    finished = epoch >= member["training.epochs"]
    if "training.patience" in member:
        finished |= epoch - state.best_epoch >= member["training.patience"]
    status = jnp.where(finished, FINISHED, RUNNING)
    status = jnp.where(healthy, status, DIVERGED).astype(jnp.int32)
    return state._replace(status=status), record


def chosen_network(program: Program, state: MemberState) -> Network:
    """Return the network a finished member stands for: the best, or on request the last.

    The last network of a diverged member is never one to stand for it.
    """
    if program.training.restore_best:
        return state.best
    return _choose(state.status == DIVERGED, state.best, state.train.network)


def ranked_classes(program: Program, problem: Problem) -> range:
    """Return the classes whose scores are sorted at every epoch: it is cheap for one only.

    Two classes need class 1 only. Where padding hides how many there are, it is ranked as well,
    and thrown away on the host where there are more.
    """
    if program.training.monitor == "roc_auc":
        return range(1, 2) if problem.outputs == 2 else range(problem.outputs)
    return range(1, 2) if problem.has_binary else range(0)


def evaluate(
    program: Program,
    problem: Problem,
    network: Network,
    arrays: Arrays,
    first: jax.Array,
    count: jax.Array,
    length: int,
    classes: range,
) -> tuple[dict[str, Any], jax.Array]:
    """Evaluate the `count` rows that `table.indices` lists from `first` on, each once.

    Args:
        program: The network's.
        problem: The shapes.
        network: What to evaluate.
        arrays: The data.
        first: Where the rows begin.
        count: How many there are.
        length: The most there can be.
        classes: Columns of the scores to return.

    Returns:
        The sums of `metrics.summarize`, and the scores of `step.eval_step`, (length, classes).
    """
    whole, rest = _block_sizes(problem, length)
    used = _used(problem, arrays.view)

    def block_sums(start: jax.Array, size: int) -> tuple[dict[str, Any], jax.Array]:
        position = jnp.minimum(start + jnp.arange(size), count - 1)
        mask = start + jnp.arange(size) < count
        batch = _gather(arrays, arrays.table.indices[first + position], mask)
        sums, scores = eval_step(program, problem, network, batch, used)
        return sums, scores[:, classes.start : classes.stop]

    def add_blocks(carry: Any, start: jax.Array, blocks: jax.Array, size: int) -> Any:
        def add(block: jax.Array, carry: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
            totals, scores = carry
            place = start + block * size
            sums, some = block_sums(place, size)
            scores = jax.lax.dynamic_update_slice(scores, some, (place, 0))
            return jax.tree.map(jnp.add, totals, sums), scores

        return jax.lax.fori_loop(0, blocks, add, carry)

    shapes, _ = jax.eval_shape(lambda: block_sums(jnp.int32(0), whole))
    totals = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    carry = totals, jnp.zeros((length + whole, len(classes)), jnp.float32)
    if whole == rest:
        carry = add_blocks(carry, jnp.int32(0), (count + whole - 1) // whole, whole)
    else:
        carry = add_blocks(carry, jnp.int32(0), count // whole, whole)
        carry = add_blocks(carry, count // whole * whole, (count % whole + rest - 1) // rest, rest)
    totals, scores = carry
    return totals, scores[:length]


def _validate(
    program: Program, problem: Problem, network: Network, arrays: Arrays
) -> dict[str, Any]:
    """Evaluate on the validation rows; of the `ranked_classes` count the pairs too."""
    classes, sizes = ranked_classes(program, problem), problem.validation_rows
    first, count = arrays.view.first["validation"], arrays.view.rows["validation"]
    sums, scores = evaluate(program, problem, network, arrays, first, count, sizes[-1], classes)
    if not classes:
        return sums

    def rank(size: int) -> jax.Array:
        position = jnp.arange(size)
        rows = arrays.table.indices[first + jnp.minimum(position, count - 1)]
        labels, mask = arrays.table.targets[rows], position < count
        pairs = concordant_pairs(scores[:size], labels, mask, classes.start)
        return jnp.pad(pairs, ((0, 0), (0, pair_blocks(sizes[-1]) - pairs.shape[1])))

    return sums | {"pairs": _of_size(sizes, count, rank)}


def _train_epoch(
    program: Program, problem: Problem, member: Member, state: MemberState, arrays: Arrays
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Take one step per batch of a new permutation of the training rows, the last one shorter."""
    size = min(program.training.batch_size, problem.train_rows[-1])
    first, count = arrays.view.first["train"], arrays.view.rows["train"]
    order = _permutation(member, state.epoch, count, problem.train_rows)
    # The slice of the last batch must not be shifted back to fit.
    order = jnp.minimum(jnp.pad(order, (0, size)), count - 1)
    used = _used(problem, arrays.view)

    def one_step(
        batch: jax.Array, carry: tuple[TrainState, dict[str, jax.Array]]
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        train, totals = carry
        rows = arrays.table.indices[first + jax.lax.dynamic_slice(order, (batch * size,), (size,))]
        gathered = _gather(arrays, rows, batch * size + jnp.arange(size) < count)
        train, sums = train_step(program, problem, member, train, gathered, used)
        return train, jax.tree.map(jnp.add, totals, sums)

    names = ("loss", "count") + (("hits",) if problem.task == "classification" else ())
    totals = {name: jnp.zeros((), jnp.float32) for name in names}
    batches = (count + size - 1) // size
    return jax.lax.fori_loop(0, batches, one_step, (state.train, totals))


def _permutation(
    member: Member, epoch: jax.Array, count: jax.Array, sizes: tuple[int, ...]
) -> jax.Array:
    """Shuffle 0 .. count - 1 to the front of an array as long as the largest of `sizes`.

    Sorting pairs of a random number and a place takes four times as long as sorting numbers, so
    both share a word: the place has the low bits, what is left above is random. Shuffles follow
    one another until a tie of two places in all of them is to be expected less than once.
    """
    key = jax.random.fold_in(run_key(member, SHUFFLE_STREAM), epoch)
    place_bits = (32 - jax.lax.clz(jnp.maximum(count - 1, 1))).astype(jnp.uint32)
    # The topmost bit sends what is not a row to the end.
    random_bits = 31 - place_bits
    shuffles = ((2 * place_bits + random_bits - 1) // random_bits).astype(jnp.int32)

    def shuffle(size: int) -> jax.Array:
        place = jnp.arange(size, dtype=jnp.uint32)

        def once(number: jax.Array, order: jax.Array) -> jax.Array:
            bits = jax.random.bits(jax.random.fold_in(key, number), (size,))
            words = (bits >> (32 - random_bits)) << place_bits | place
            words = jnp.sort(jnp.where(place < count, words, jnp.uint32(2**31) | place))
            return order[words & ((1 << place_bits) - 1)]

        order = jax.lax.fori_loop(0, shuffles, once, place)
        return jnp.pad(order.astype(jnp.int32), (0, sizes[-1] - size))

    return _of_size(sizes, count, shuffle)


def _of_size(
    sizes: tuple[int, ...], count: jax.Array, function: Callable[[int], jax.Array]
) -> jax.Array:
    """Call a function with the smallest of ascending `sizes` that holds `count` rows."""
    if len(sizes) == 1:
        return function(sizes[0])
    place = jnp.searchsorted(jnp.array(sizes), count)
    return jax.lax.switch(place, [partial(function, size) for size in sizes])


def _gather(arrays: Arrays, rows: jax.Array, mask: jax.Array) -> Batch:
    table, view = arrays
    features = table.features[rows].astype(jnp.float32)
    inputs = (features - view.shift[None, :]) * view.scale[None, :]
    return Batch(inputs, table.targets[rows], mask)


def _block_sizes(problem: Problem, length: int) -> tuple[int, int]:
    """Return the rows to evaluate at once, and of what is left over where sets can be small."""
    whole = min(length, _EVAL_ROWS)
    smallest = (problem.validation_rows or problem.train_rows)[0]
    return whole, (whole if smallest >= whole else min(whole, _REST_ROWS))


def _used(problem: Problem, view: View) -> Used | None:
    return view.used if problem.is_padded else None


def _monitored(program: Program, view: View, sums: dict[str, Any]) -> jax.Array:
    metrics = summarize(sums, view.target_scale, view.target_squares["validation"], jnp)
    value = metrics[program.training.monitor]
    return -value if program.training.monitor in MAXIMIZED else value


def _choose(condition: jax.Array, one: Network, other: Network) -> Network:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)


def _is_finite(tree: Any) -> jax.Array:
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
    return jnp.stack(leaves).all()
