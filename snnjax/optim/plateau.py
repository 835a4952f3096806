"""Cutting the learning rate where training no longer gets on, as state on the device."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from snnjax.nn.numbers import Value


class Plateau(NamedTuple):
    """What is known of a plateau between two epochs.

    Attributes:
        factor: What is left of the learning rate.
        best: The best value so far, less is better.
        waited: Epochs without an improvement.
        cooling: Epochs still not to be counted after a cut.
    """

    factor: jax.Array
    best: jax.Array
    waited: jax.Array
    cooling: jax.Array


def begin() -> Plateau:
    """Return the state before the first epoch."""
    zero = jnp.zeros((), jnp.int32)
    return Plateau(jnp.ones(()), jnp.array(jnp.inf), zero, zero)


def observe(value: Value, plateau: Plateau, metric: Any) -> Plateau:
    """Take notice of an epoch's metric, less is better; the order of things is PyTorch's.

    An improvement is one by more than threshold * |best|.
    """
    margin = jnp.where(jnp.isinf(plateau.best), 0, value("threshold") * jnp.abs(plateau.best))
    is_better = metric < plateau.best - margin
    waited = jnp.where(is_better, 0, plateau.waited + 1)
    waited = jnp.where(plateau.cooling > 0, 0, waited)
    cooling = jnp.maximum(plateau.cooling - 1, 0)
    is_cut = waited > value("patience")
    smaller = jnp.maximum(plateau.factor * value("factor"), value("minimum"))
    return Plateau(
        factor=jnp.where(is_cut, smaller, plateau.factor),
        best=jnp.where(is_better, metric, plateau.best),
        waited=jnp.where(is_cut, 0, waited).astype(jnp.int32),
        cooling=jnp.where(is_cut, value("cooldown"), cooling).astype(jnp.int32),
    )
