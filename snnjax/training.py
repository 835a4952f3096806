"""Epochs of one member as one compiled loop, with early stopping as state on the device."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from snnjax.arrays import Arrays
from snnjax.config.split import Program
from snnjax.metric_names import MAXIMIZED
from snnjax.metrics import concordant_pairs, summarize
from snnjax.step import (
    SHUFFLE_STREAM,
    Batch,
    Member,
    Network,
    Problem,
    TrainState,
    eval_step,
    init_state,
    run_key,
    train_step,
)

RUNNING, FINISHED, DIVERGED = 0, 1, 2

# Rows evaluated at once: enough to keep a core busy, little enough to stay in its cache.
_EVAL_ROWS = 1024


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


def start(program: Program, problem: Problem, member: Member) -> MemberState:
    """Return a member before its first epoch."""
    train = init_state(program, problem, member)
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
    record_shapes = jax.eval_shape(lambda: run_epoch(program, problem, member, state, arrays)[1])
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


def run_epoch(
    program: Program, problem: Problem, member: Member, state: MemberState, arrays: Arrays
) -> tuple[MemberState, dict[str, Any]]:
    """Train one epoch, evaluate, and decide whether the member goes on."""
    train, train_sums = _train_epoch(program, problem, member, state, arrays)
    record = {"step": train.step, "train": train_sums}
    healthy = jnp.isfinite(train_sums["loss"]) & _is_finite(train.network)
    if arrays.has_validation:
        rows, count = arrays.rows["validation"], arrays.counts["validation"]
        sums, scores = evaluate(program, problem, train.network, arrays, rows, count)
        if _ranks_every_epoch(program, problem):
            labels = arrays.targets[rows]
            mask = jnp.arange(len(rows)) < count
            sums["pairs"] = concordant_pairs(scores, labels, mask)
        record["validation"] = sums
        healthy &= jnp.isfinite(sums["loss"])
        value = _monitored(program, arrays, sums)
        healthy &= jnp.isfinite(value)
    else:
        value = train_sums["loss"] / train_sums["count"]
    epoch = state.epoch + 1
    # Without validation rows there is nothing to choose by: the last network is the best.
    improved = healthy & ((value < state.best_value) if arrays.has_validation else True)
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


def _ranks_every_epoch(program: Program, problem: Problem) -> bool:
    """Tell whether to sort the scores at every epoch: it is cheap for two classes only."""
    is_binary = problem.task == "classification" and problem.outputs == 2
    return program.training.monitor == "roc_auc" or is_binary


def chosen_network(program: Program, state: MemberState) -> Network:
    """Return the network a finished member stands for: the best, or on request the last.

    The last network of a diverged member is never one to stand for it.
    """
    if program.training.restore_best:
        return state.best
    return _choose(state.status == DIVERGED, state.best, state.train.network)


def evaluate(
    program: Program,
    problem: Problem,
    network: Network,
    arrays: Arrays,
    rows: jax.Array,
    count: jax.Array,
) -> tuple[dict[str, Any], jax.Array]:
    """Evaluate the first `count` of `rows`, each once.

    Returns:
        The sums of `metrics.summarize`, and the scores of `step.eval_step`, (rows, outputs).
    """
    size = min(_EVAL_ROWS, rows.shape[0])
    batches = -(-rows.shape[0] // size)
    padded = jnp.pad(rows, (0, batches * size - rows.shape[0]), mode="edge")

    def batch_sums(batch: jax.Array) -> tuple[dict[str, Any], jax.Array]:
        return eval_step(program, problem, network, _gather(arrays, padded, batch, size, count))

    def add(batch: jax.Array, carry: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
        totals, scores = carry
        sums, some = batch_sums(batch)
        scores = jax.lax.dynamic_update_slice(scores, some, (batch * size, 0))
        return jax.tree.map(jnp.add, totals, sums), scores

    shapes, _ = jax.eval_shape(batch_sums, jnp.int32(0))
    totals = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    scores = jnp.zeros((batches * size, problem.outputs), jnp.float32)
    used = (count + size - 1) // size
    totals, scores = jax.lax.fori_loop(0, used, add, (totals, scores))
    return totals, scores[: rows.shape[0]]


def _train_epoch(
    program: Program, problem: Problem, member: Member, state: MemberState, arrays: Arrays
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Take one step per batch of a new permutation of the training rows, the last one shorter."""
    size = min(program.training.batch_size, arrays.rows["train"].shape[0])
    count = arrays.counts["train"]
    order = _permutation(member, state.epoch, arrays.rows["train"], count)
    # The slice of the last batch must not be shifted back to fit.
    order = jnp.pad(order, (0, size), mode="edge")

    def one_step(
        batch: jax.Array, carry: tuple[TrainState, dict[str, jax.Array]]
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        train, totals = carry
        train, sums = train_step(
            program, problem, member, train, _gather(arrays, order, batch, size, count)
        )
        return train, jax.tree.map(jnp.add, totals, sums)

    names = ("loss", "count") + (("hits",) if problem.task == "classification" else ())
    totals = {name: jnp.zeros((), jnp.float32) for name in names}
    batches = (count + size - 1) // size
    return jax.lax.fori_loop(0, batches, one_step, (state.train, totals))


def _permutation(member: Member, epoch: jax.Array, rows: jax.Array, count: jax.Array) -> jax.Array:
    """Shuffle the first `count` rows to the front, padding to the back.

    Sorting by 32 random bits leaves a few ties in large sets; the stable sort keeps their order,
    which no one can notice in a shuffle.
    """
    key = jax.random.fold_in(run_key(member, SHUFFLE_STREAM), epoch)
    order = jax.random.bits(key, rows.shape) >> 1
    order = jnp.where(jnp.arange(rows.shape[0]) < count, order, jnp.uint32(2**31))
    return jax.lax.sort((order, rows), num_keys=1)[1]


def _gather(
    arrays: Arrays, order: jax.Array, batch: jax.Array, size: int, count: jax.Array
) -> Batch:
    rows = jax.lax.dynamic_slice(order, (batch * size,), (size,))
    features = arrays.features[rows].astype(jnp.float32)
    inputs = (features - arrays.shift[None, :]) * arrays.scale[None, :]
    return Batch(inputs, arrays.targets[rows], batch * size + jnp.arange(size) < count)


def _monitored(program: Program, arrays: Arrays, sums: dict[str, Any]) -> jax.Array:
    metrics = summarize(sums, arrays.target_scale, arrays.target_squares["validation"], jnp)
    value = metrics[program.training.monitor]
    return -value if program.training.monitor in MAXIMIZED else value


def _choose(condition: jax.Array, one: Network, other: Network) -> Network:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)


def _is_finite(tree: Any) -> jax.Array:
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
    return jnp.stack(leaves).all()
