"""Optimizers: from a configuration and its numbers to an optax transformation.

`value(name)` gives a number of the optimizer's configuration, a Python constant or a traced
array: a builder never needs to know which.
"""

from collections.abc import Callable

import jax
import optax

from snnjax.config.schema import NadamConfig, SgdConfig

Value = Callable[[str], jax.Array | float]


def sgd(config: SgdConfig, value: Value) -> optax.GradientTransformation:
    """Stochastic gradient descent, with (Nesterov) momentum where momentum is not 0."""
    momentum = value("momentum")
    is_plain = isinstance(momentum, float) and momentum == 0.0
    return optax.sgd(value("learning_rate"), None if is_plain else momentum, config.nesterov)


def nadam(config: NadamConfig, value: Value) -> optax.GradientTransformation:
    """Adam with Nesterov momentum (Dozat 2016) in optax's form: constant momentum."""
    return optax.nadam(value("learning_rate"), value("b1"), value("b2"), value("eps"))
