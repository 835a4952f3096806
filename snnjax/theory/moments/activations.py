"""The activations of the registry as NumPy functions in float64, for the moment map.

Arguments beside `x` are named like the keys of the model that give them, as there.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit, ndtr

from snnjax.config.schema import ModelConfig
from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.moments.moment_map import Moments, moments, selu, selu_moments
from snnjax.theory.moments.quadrature import Array, Function


def _selu(x: Array, selu_alpha: float = ALPHA_01, selu_lambda: float = LAMBDA_01) -> Array:
    return selu(x, selu_alpha, selu_lambda)


def _elu(x: Array, elu_alpha: float = 1.0) -> Array:
    return selu(x, elu_alpha, 1.0)


def _leaky_relu(x: Array, leaky_slope: float = 0.01) -> Array:
    return np.where(x > 0, x, leaky_slope * x)


def _prelu(x: Array, prelu_slope: float = 0.25) -> Array:
    return _leaky_relu(x, prelu_slope)


def _rrelu(x: Array, rrelu_low: float = 1 / 8, rrelu_high: float = 1 / 3) -> Array:
    return _leaky_relu(x, (rrelu_low + rrelu_high) / 2)


def _softplus(x: Array) -> Array:
    return np.logaddexp(x, 0)


TWINS: Mapping[str, Callable[..., Any]] = {
    "identity": lambda x: x,
    "sigmoid": expit,
    "tanh": np.tanh,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "softplus": _softplus,
    "gelu": lambda x: x * ndtr(x),
    "silu": lambda x: x * expit(x),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "prelu": _prelu,
    "rrelu": _rrelu,
    "maxout": lambda x: x,
}
"""By name; random slopes have their mean, and maxout is the identity of the largest piece."""


def activation_moments(model: ModelConfig, net: Moments) -> Moments | None:
    """Return the moments of a model's activations for its net inputs, as in evaluation.

    Args:
        model: Names the activation and gives its numbers.
        net: Moments of the net inputs.

    Returns:
        None for an activation that is not the library's own.
    """
    if model.activation == "selu":
        return selu_moments(net, model.selu_alpha, model.selu_lambda)
    if (function := numpy_activation(model)) is None:
        return None
    pieces = model.pieces if model.activation == "maxout" else 1
    return moments(function, net, pieces=pieces).moments


def numpy_activation(model: ModelConfig) -> Function | None:
    """Return a model's activation as a function of one array; None if it is not the library's."""
    return with_numbers(TWINS, model)


def with_numbers(
    functions: Mapping[str, Callable[..., Any]], model: ModelConfig
) -> Function | None:
    """Return what a model's activation has in a table, given the model's numbers; None if nothing.

    Args:
        functions: By the name of the activation; arguments beside `x` are named like keys.
        model: Names the activation and gives its numbers.
    """
    if (function := functions.get(model.activation)) is None:
        return None
    if not inspect.isfunction(function):
        return function
    keys = list(inspect.signature(function).parameters)[1:]
    return partial(function, **{key: getattr(model, key) for key in keys})


def negative_slope(model: ModelConfig) -> float:
    """Return the slope of the activation left of 0 that He initialisation is told.

    Of random slopes the root of their mean square; 0 for all but the leaky forms.
    """
    low, high = model.rrelu_low, model.rrelu_high
    slopes = {
        "leaky_relu": model.leaky_slope,
        "prelu": model.prelu_slope,
        "rrelu": ((low**2 + low * high + high**2) / 3) ** 0.5,
    }
    return slopes.get(model.activation, 0.0)
