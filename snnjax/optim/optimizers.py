"""Optimizers: from a configuration and its numbers to an optax transformation.

`value(name)` gives a number of the optimizer's configuration, a Python constant or a traced
array: a builder never needs to know which.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from snnjax.config.fields import TAG, own_leaves
from snnjax.nn.numbers import Value
from snnjax.registry import resolve

MOMENTUM_NAMES = ("momentum", "b1", "beta")
"""What optimizers call their momentum, for schedules that move it."""


def make_optimizer(config: Any, value: Value) -> optax.GradientTransformation:
    """Call the function that an optimizer's name stands for with the values of its keys.

    A number that is the constant at which it is off is left out.
    """
    given = {}
    schema: Any = type(config)
    for name, leaf in own_leaves(schema).items():
        number = value(name)
        is_off = not isinstance(number, jax.Array) and number == leaf.metadata.get("off", ...)
        if name != TAG and not is_off:
            given[name] = number
    transformation: optax.GradientTransformation = resolve("optimizer", config.name)(**given)
    return transformation


def nadam(
    learning_rate: Any, b1: Any, b2: Any, eps: Any, momentum_decay: Any = None
) -> optax.GradientTransformation:
    """Adam with Nesterov momentum (Dozat 2016), constant or warmed up.

    Without `momentum_decay` optax's form, constant momentum. With psi = `momentum_decay` the
    momentum of step t is mu_t = b1 (1 - 0.96^(t psi) / 2), and the step is that of the paper's
    Algorithm 2: with P_t the product of mu_1 to mu_t, the rate times
    (mu_(t+1) m_t / (1 - P_(t+1)) + (1 - mu_t) g_t / (1 - P_t)) / (sqrt(n_t / (1 - b2^t)) + eps).
    """
    if momentum_decay is None:
        return optax.nadam(learning_rate, b1, b2, eps)

    def momentum(step: jax.Array) -> jax.Array:
        return b1 * (1 - 0.5 * 0.96 ** (step * momentum_decay))

    def init(params: Any) -> tuple[Any, ...]:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return zeros, zeros, jnp.zeros((), jnp.int32), jnp.ones(())

    def update(gradients: Any, state: Any, params: Any = None) -> tuple[Any, tuple[Any, ...]]:
        first, second, step, product = state
        step = step + 1
        now, later = momentum(step), momentum(step + 1)
        product = product * now
        first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, first, gradients)
        second = jax.tree.map(lambda n, g: b2 * n + (1 - b2) * g * g, second, gradients)

        def direction(m: jax.Array, n: jax.Array, g: jax.Array) -> jax.Array:
            ahead = later * m / (1 - product * later) + (1 - now) * g / (1 - product)
            return -learning_rate * ahead / (jnp.sqrt(n / (1 - b2**step)) + eps)

        updates = jax.tree.map(direction, first, second, gradients)
        return updates, (first, second, step, product)

    return optax.GradientTransformation(init, update)
