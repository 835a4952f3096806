"""Monte-Carlo dropout: a network's uncertainty from passes with dropout left on.

Gal & Ghahramani 2016: every pass draws new masks, and the random slopes of rrelu; it is a sample of
the predictive distribution.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from snnjax.config.split import Program
from snnjax.nn import noise
from snnjax.nn.padding import Used
from snnjax.nn.randomness import Randomness
from snnjax.shapes import Problem
from snnjax.step import Network, apply


class Predictions(NamedTuple):
    """What several passes say of every row.

    Attributes:
        mean: (rows, outputs), of the classes' probabilities, or of the predictions.
        spread: (rows, outputs), their standard deviation over the passes (divided by their number).
        entropy: (rows,) in nats, of the mean probabilities: all uncertainty. None in regression.
        information: (rows,) in nats, mutual information of class and masks: entropy less the mean
            of the passes' entropies, the uncertainty that the passes disagree in (BALD, Houlsby et
            al. 2011, Eq. 2). None in regression.
    """

    mean: jax.Array
    spread: jax.Array
    entropy: jax.Array | None = None
    information: jax.Array | None = None


class _Moments(NamedTuple):
    """Of the passes so far: mean, summed squared deviations from it, mean entropy."""

    mean: jax.Array
    squares: jax.Array
    entropy: jax.Array


def predict(
    program: Program,
    problem: Problem,
    network: Network,
    inputs: jax.Array,
    passes: jax.Array | int,
    key: jax.Array,
    used: Used | None = None,
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
        key: A `noise` key; rows given in several calls should have one for each call.
        used: What is not padding at both ends of the network; None if there is no padding.
    """
    is_classes = problem.task == "classification"

    def outputs_of(number: jax.Array) -> jax.Array:
        randomness = Randomness(noise.fold(key, number))
        outputs, _ = apply(program, problem, network, inputs, randomness, used)
        return jax.nn.softmax(outputs) if is_classes else outputs

    def add(number: jax.Array, moments: _Moments) -> _Moments:
        """Welford's update, which does not subtract large sums from one another."""
        outputs = outputs_of(number)
        share = 1 / (number + 1).astype(jnp.float32)
        before = outputs - moments.mean
        mean = moments.mean + share * before
        entropy = moments.entropy
        if is_classes:
            entropy = entropy + share * (_entropy(outputs) - entropy)
        # `outputs - mean` is a share of `before`; computed as such the product is never negative.
        return _Moments(mean, moments.squares + (1 - share) * before**2, entropy)

    zeros = jnp.zeros((inputs.shape[0], problem.outputs))
    start = _Moments(zeros, zeros, zeros[:, 0])
    mean, squares, within = jax.lax.fori_loop(0, jnp.int32(passes), add, start)
    spread = jnp.sqrt(squares / jnp.asarray(passes, jnp.float32))
    if not is_classes:
        return Predictions(mean, spread)
    entropy = _entropy(mean)
    # It is not negative; rounding would make it so where all passes agree.
    return Predictions(mean, spread, entropy, jnp.maximum(entropy - within, 0))


def _entropy(probabilities: jax.Array) -> jax.Array:
    """Return the entropy of every row in nats; a probability of 0 adds nothing."""
    return jax.scipy.special.entr(probabilities).sum(1)
