"""Monte-Carlo dropout: a network's predictions and uncertainty from passes with dropout left on.

Gal & Ghahramani 2016: every pass draws new masks, and the random slopes of rrelu; it is a sample of
the predictive distribution.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from snnjax.arrays import Arrays
from snnjax.config.split import Program
from snnjax.evaluation import gather, used_columns
from snnjax.nn import noise
from snnjax.nn.padding import Used
from snnjax.nn.randomness import Randomness
from snnjax.rows import over_devices
from snnjax.shapes import Problem
from snnjax.step import MONTE_CARLO_STREAM, Member, Network, apply, judge, numbers_of

# Rows that predict together.
_ROWS = 256


class Predictions(NamedTuple):
    """What several passes say of every row.

    Attributes:
        mean: (rows, outputs), of the classes' or labels' probabilities, or of the predictions.
        spread: (rows, outputs), their standard deviation over the passes (divided by their number).
        entropy: (rows,) in nats, of the mean probabilities: all uncertainty; where a row has
            several labels of each of them, (rows, outputs). None in regression.
        information: Of the same shape, in nats, mutual information of class and masks: entropy less
            the mean of the passes' entropies, the uncertainty that the passes disagree in (BALD,
            Houlsby et al. 2011, Eq. 2). None in regression.
        logits: (rows, outputs), of the mean probabilities; they tell apart what as probabilities
            rounds to 0 or 1. None in regression.
    """

    mean: jax.Array
    spread: jax.Array
    entropy: jax.Array | None = None
    information: jax.Array | None = None
    logits: jax.Array | None = None


class _Moments(NamedTuple):
    """Of the passes so far: mean, summed squared deviations from it, mean entropy, log sums.

    These are the logarithms of the summed probabilities, and of what they lack of 1 where a row has
    several labels.
    """

    mean: jax.Array
    squares: jax.Array
    entropy: jax.Array
    logs: tuple[jax.Array, ...]


def predict(
    program: Program,
    problem: Problem,
    network: Network,
    inputs: jax.Array,
    passes: jax.Array | int,
    key: jax.Array,
    used: Used | None = None,
    first_row: jax.Array | int | None = None,
) -> Predictions:
    """Predict rows by several passes, of which only sums are kept.

    Pass i has the masks of stream i below `key`, and a row those of its place: the first passes of
    many are those of few. Batch normalisation takes its running moments, as in evaluation.

    Args:
        program: The network's.
        problem: The shapes.
        network: What predicts.
        inputs: (rows, features), scaled.
        passes: How many, at least 1; may be traced.
        key: A `noise` key.
        used: What is not padding at both ends of the network; None if there is no padding.
        first_row: The place of the first row, where rows are given in several calls: they then
            have the masks that they would have in one.
    """
    is_regression = problem.task == "regression"

    def add(number: jax.Array, moments: _Moments) -> _Moments:
        """Welford's update, which does not subtract large sums from one another."""
        randomness = Randomness(noise.fold(key, number), first_row=first_row)
        outputs, _ = apply(program, problem, network, inputs, randomness, used)
        logs = _logs(problem, outputs)
        outputs = outputs if is_regression else jnp.exp(logs[0])
        share = 1 / (number + 1).astype(float)
        before = outputs - moments.mean
        mean = moments.mean + share * before
        entropy = moments.entropy
        if not is_regression:
            entropy = entropy + share * (_entropy(problem, outputs) - entropy)
        # `outputs - mean` is a share of `before`; computed as such the product is never negative.
        logs = jax.tree.map(jnp.logaddexp, moments.logs, logs)
        return _Moments(mean, moments.squares + (1 - share) * before**2, entropy, logs)

    zeros = jnp.zeros((inputs.shape[0], problem.outputs))
    nothing = jax.tree.map(lambda log: jnp.full_like(log, -jnp.inf), _logs(problem, zeros))
    start = _Moments(zeros, zeros, _entropy(problem, zeros), nothing)
    mean, squares, within, logs = jax.lax.fori_loop(0, jnp.int32(passes), add, start)
    spread = jnp.sqrt(squares / jnp.asarray(passes, float))
    if is_regression:
        return Predictions(mean, spread)
    mean = jnp.minimum(mean, 1)  # rounding may have passed it
    entropy = _entropy(problem, mean)
    # It is not negative; rounding would make it so where all passes agree.
    information = jnp.maximum(entropy - within, 0)
    logits = logs[0] - (logs[1] if len(logs) > 1 else jnp.log(jnp.asarray(passes, float)))
    return Predictions(mean, spread, entropy, information, logits)


def score(
    program: Program,
    problem: Problem,
    network: Network,
    member: Member,
    arrays: Arrays,
    first: jax.Array,
    count: jax.Array,
    place: jax.Array,
    length: int,
) -> dict[str, Any]:
    """Judge the mean predictions of `training.monte_carlo` passes over rows of a split.

    Args:
        program: The network's.
        problem: The shapes.
        network: What predicts.
        member: Its numbers.
        arrays: The data.
        first: Where the rows begin in `table.indices`.
        count: How many there are.
        place: Of the first of them in its split, which decides the masks of each row.
        length: The most there can be.

    Returns:
        The sums that an evaluation has, and of the rows' uncertainty: the entropy in nats of mean
        probabilities, and of it the information that passes disagree in; in regression the
        squared spread of each output.
    """
    passes = numbers_of(program.training, "training", member)("monte_carlo")
    key = noise.fold(noise.make_key(member["seed"]), MONTE_CARLO_STREAM)
    used, size = used_columns(problem, arrays.view), min(length, _ROWS)

    def block_sums(block: jax.Array) -> dict[str, Any]:
        row = block * size + jnp.arange(size)
        rows = arrays.table.indices[first + jnp.minimum(row, count - 1)]
        batch = over_devices(gather(arrays, rows, row < count))
        told = predict(
            program, problem, network, batch.inputs, passes, key, used, place + block * size
        )
        if told.entropy is None or told.information is None or told.logits is None:
            sums, _ = judge(program, problem, told.mean, batch, member, used)
            spread = jnp.where(batch.mask[:, None], told.spread, 0)
            return sums | {"squared_spread": (spread**2).sum(0)}
        sums, _ = judge(program, problem, told.logits, batch, member, used)
        counted = batch.mask
        if problem.task == "multilabel":
            counted = counted[:, None] & ~jnp.isnan(batch.targets)
        entropies = {"entropy": told.entropy, "information": told.information}
        return sums | {name: jnp.where(counted, e, 0).sum() for name, e in entropies.items()}

    shapes = jax.eval_shape(block_sums, jnp.int32(0))
    totals = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    blocks = (count + size - 1) // size
    return jax.lax.fori_loop(
        0, blocks, lambda block, sums: jax.tree.map(jnp.add, sums, block_sums(block)), totals
    )


def _logs(problem: Problem, outputs: jax.Array) -> tuple[jax.Array, ...]:
    """Return the log probabilities that outputs stand for, of several labels both of each."""
    if problem.task == "classification":
        return (jax.nn.log_softmax(outputs),)
    if problem.task == "multilabel":
        return jax.nn.log_sigmoid(outputs), jax.nn.log_sigmoid(-outputs)
    return ()


def _entropy(problem: Problem, probabilities: jax.Array) -> jax.Array:
    """Return the entropy of every row, or label, in nats; a probability of 0 adds nothing."""
    entropies = jax.scipy.special.entr(probabilities)
    if problem.task == "multilabel":
        return entropies + jax.scipy.special.entr(1 - probabilities)
    return entropies.sum(1)
