"""Optimizers: from a configuration and its numbers to an optax transformation.

`value(name)` gives a number of the optimizer's configuration, a Python constant or a traced
array: a builder never needs to know which.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from snnjax.config.fields import TAG, own_leaves
from snnjax.config.optimization import OptaxConfig
from snnjax.config.split import IN_MEMBER
from snnjax.nn.numbers import Value
from snnjax.registry import resolve


def make_optimizer(config: Any, value: Value) -> optax.GradientTransformation:
    """Call the function that an optimizer's name stands for with the values of its keys.

    A number that is the constant at which it is off is left out.
    """
    if isinstance(config, OptaxConfig):
        return _of_optax(config, value)
    given = {}
    schema: Any = type(config)
    for name, leaf in own_leaves(schema).items():
        number = value(name)
        is_off = not isinstance(number, jax.Array) and number == leaf.metadata.get("off", ...)
        if name != TAG and not is_off:
            given[name] = number
    transformation: optax.GradientTransformation = resolve("optimizer", config.name)(**given)
    return transformation


def _of_optax(config: OptaxConfig, value: Value) -> optax.GradientTransformation:
    """Call a function of optax by its name; numbers of members are under their keys."""
    given = {
        name: value(f"arguments.{name}") if constant is IN_MEMBER else constant
        for name, constant in config.arguments.items()
    }
    function = resolve("optimizer", f"optax:{config.function}")
    transformation: optax.GradientTransformation = function(value("learning_rate"), **given)
    return transformation


def rmsprop(
    learning_rate: Any,
    decay: Any,
    eps: Any,
    *,
    eps_in_sqrt: bool = False,
    centered: bool = False,
    momentum: Any = None,
) -> optax.GradientTransformation:
    """RMSProp (Tieleman & Hinton 2012), centred on request, in optax's form but for one guard.

    Of a gradient that hardly changes, n - m^2, its mean square less the square of its mean, may
    round to less than 0, and the root of that is NaN: it is taken as 0. The learning rate is in
    the velocity, as in Keras; PyTorch multiplies by it afterwards, which differs where it changes.
    """
    if not centered:
        return optax.rmsprop(learning_rate, decay, eps, eps_in_sqrt=eps_in_sqrt, momentum=momentum)
    steps = [_scale_by_deviation(decay, eps, eps_in_sqrt)]
    steps.append(optax.scale_by_learning_rate(learning_rate))
    return optax.chain(*steps, *([] if momentum is None else [optax.trace(momentum)]))


def _scale_by_deviation(decay: Any, eps: Any, eps_in_sqrt: bool) -> optax.GradientTransformation:
    """Divide gradients by their moving standard deviation, epsilon below the root or beside it."""

    def init(params: Any) -> tuple[Any, Any]:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return zeros, zeros

    def update(gradients: Any, state: Any, params: Any = None) -> tuple[Any, tuple[Any, Any]]:
        first, second = state
        first = jax.tree.map(lambda m, g: decay * m + (1 - decay) * g, first, gradients)
        second = jax.tree.map(lambda n, g: decay * n + (1 - decay) * g * g, second, gradients)

        def scaled(g: jax.Array, m: jax.Array, n: jax.Array) -> jax.Array:
            variance = jnp.maximum(n - m * m, 0)
            return g / (jnp.sqrt(variance + eps) if eps_in_sqrt else jnp.sqrt(variance) + eps)

        return jax.tree.map(scaled, gradients, first, second), (first, second)

    return optax.GradientTransformation(init, update)


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
