"""Rows on their way through a network: gathered by batch, evaluated once each, ranked."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from snnjax.arrays import Arrays, View
from snnjax.config.split import Program
from snnjax.data.dataset import Stream
from snnjax.metrics import concordant_pairs, pair_blocks
from snnjax.nn import noise
from snnjax.nn.padding import Used
from snnjax.rows import over_devices
from snnjax.shapes import Problem
from snnjax.step import Batch, Member, Network, eval_step

# Rows evaluated at once: enough to keep a core busy, and few for what is left over.
_EVAL_ROWS, _REST_ROWS = 256, 32

# Rows that initial weights are adapted to where they depend on data.
_STARTING_ROWS = 512


def ranked_classes(program: Program, problem: Problem) -> range:
    """Return the classes whose scores are sorted at every epoch: it is cheap for one only.

    Two classes need class 1 only. Where padding hides how many there are, it is ranked as well,
    and thrown away on the host where there are more.
    """
    is_several = problem.task == "multilabel"
    if program.training.monitor == "roc_auc":
        return range(1, 2) if problem.outputs == 2 and not is_several else range(problem.outputs)
    return range(1, 2) if problem.has_binary else range(0)


def validate(
    program: Program, problem: Problem, network: Network, member: Member, arrays: Arrays
) -> dict[str, Any]:
    """Evaluate on the validation rows; of the `ranked_classes` count the pairs too."""
    classes, sizes = ranked_classes(program, problem), problem.validation_rows
    first, count = arrays.view.first["validation"], arrays.view.rows["validation"]
    rows = (first, count, sizes[-1])
    sums, scores = evaluate(program, problem, network, member, arrays, *rows, classes)
    if not classes:
        return sums

    def rank(size: int) -> jax.Array:
        position = jnp.arange(size)
        rows = arrays.table.indices[first + jnp.minimum(position, count - 1)]
        labels, mask = arrays.table.targets[rows], position < count
        pairs = concordant_pairs(scores[:size], labels, mask, classes.start)
        return jnp.pad(pairs, ((0, 0), (0, pair_blocks(sizes[-1]) - pairs.shape[1])))

    return sums | {"pairs": of_size(sizes, count, rank)}


def evaluate(
    program: Program,
    problem: Problem,
    network: Network,
    member: Member,
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
        member: Its numbers.
        arrays: The data.
        first: Where the rows begin.
        count: How many there are.
        length: The most there can be.
        classes: Columns of the scores to return.

    Returns:
        The sums of `metrics.summarize`, and the scores of `step.eval_step`, (length, classes).
    """
    whole, rest = block_sizes(problem, length)
    used = used_columns(problem, arrays.view)

    def block_sums(start: jax.Array, size: int) -> tuple[dict[str, Any], jax.Array]:
        position = jnp.minimum(start + jnp.arange(size), count - 1)
        mask = start + jnp.arange(size) < count
        batch = over_devices(gather(arrays, arrays.table.indices[first + position], mask))
        sums, scores = eval_step(program, problem, network, batch, member, used)
        return sums, scores[:, classes.start : classes.stop]

    def add_blocks(carry: Any, start: jax.Array, blocks: jax.Array, size: int) -> Any:
        def add(block: jax.Array, carry: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
            totals, scores = carry
            place = start + block * size
            sums, some = block_sums(place, size)
            scores = jax.lax.dynamic_update_slice(scores, some, (place, jnp.int32(0)))
            return jax.tree.map(jnp.add, totals, sums), scores

        return jax.lax.fori_loop(0, blocks, add, carry)

    shapes, _ = jax.eval_shape(lambda: block_sums(jnp.int32(0), whole))
    totals = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    carry = totals, jnp.zeros((length + whole, len(classes)), float)
    if whole == rest:
        carry = add_blocks(carry, jnp.int32(0), (count + whole - 1) // whole, whole)
    else:
        carry = add_blocks(carry, jnp.int32(0), count // whole, whole)
        carry = add_blocks(carry, count // whole * whole, (count % whole + rest - 1) // rest, rest)
    totals, scores = carry
    return totals, scores[:length]


def gather(arrays: Arrays, rows: jax.Array, mask: jax.Array) -> Batch:
    """Gather and scale a batch, in the type of the program whatever the table holds."""
    table, view = arrays
    return Batch(_scaled(table.features[rows], view), table.targets[rows], mask)


def generate(stream: Stream, key: jax.Array, arrays: Arrays, mask: jax.Array) -> Batch:
    """Make and scale a batch of endless data; a row depends on the key and its place alone."""
    features, targets = stream.render(noise.bits(key, (len(mask), stream.words)), jnp)
    return Batch(_scaled(features, arrays.view), targets, mask)


def _scaled(features: jax.Array, view: View) -> jax.Array:
    return (features.astype(float) - view.shift[None, :]) * view.scale[None, :]


def is_weighted(program: Program, problem: Problem, arrays: Arrays) -> bool:
    """Tell whether training sums up a `weight`: rows weigh differently, or labels are missing."""
    has_weights = arrays.table.weights is not None or program.loss.class_weights is not None
    return has_weights or problem.task == "multilabel"


def weigh(program: Program, arrays: Arrays, rows: jax.Array, batch: Batch) -> Batch:
    """Say what the rows (or labels) of a batch weigh in training: row times class.

    Nothing is added where all weigh the same.
    """
    table, chosen = arrays.table, program.loss.class_weights
    weights = None if table.weights is None else table.weights[rows]
    if chosen is not None:
        balanced = arrays.view.class_weights
        by_class = balanced if chosen == "balanced" else jnp.array(chosen, float)
        if batch.targets.ndim == 1:
            of_class = by_class[batch.targets]
        else:
            of_class = jnp.where(batch.targets > 0.5, by_class[1][None, :], by_class[0][None, :])
            weights = None if weights is None else weights[:, None]
        weights = of_class if weights is None else weights * of_class
    return batch if weights is None else batch._replace(weights=weights)


def spread_rows(arrays: Arrays, split: str = "train", size: int = _STARTING_ROWS) -> Batch:
    """Return `size` rows spread evenly over all of a split, or all if there are no more.

    Networks that begin from data begin from such training rows.
    """
    first, count = arrays.view.first[split], arrays.view.rows[split]
    number = jnp.arange(size)
    # number * count / size, in parts that do not leave int32.
    whole, rest = count // size, count % size
    spread = number * whole + number * rest // size
    position = jnp.where(count > size, spread, number)
    rows = arrays.table.indices[first + jnp.minimum(position, count - 1)]
    return gather(arrays, rows, position < count)


def of_size(
    sizes: tuple[int, ...], count: jax.Array, function: Callable[[int], jax.Array]
) -> jax.Array:
    """Call a function with the smallest of ascending `sizes` that holds `count` rows."""
    if len(sizes) == 1:
        return function(sizes[0])
    place = jnp.searchsorted(jnp.array(sizes), count)
    return jax.lax.switch(place, [partial(function, size) for size in sizes])


def used_columns(problem: Problem, view: View) -> Used | None:
    """Return what is not padding at both ends of a member's network; None without padding."""
    return view.used if problem.is_padded else None


def block_sizes(problem: Problem, length: int) -> tuple[int, int]:
    """Return the rows to evaluate at once, and of what is left over where sets can be small."""
    whole = min(length, _EVAL_ROWS)
    smallest = (problem.validation_rows or problem.train_rows)[0]
    return whole, (whole if smallest >= whole else min(whole, _REST_ROWS))
