"""The derivatives of the registry's activations as NumPy functions in float64.

At a kink the slope is that of the left side; normal net inputs are never there.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.special import expit, ndtr

from snnjax.config.schema import ModelConfig
from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.moments.activations import with_numbers
from snnjax.theory.moments.dropout import ALPHA_KINDS, alpha_affine
from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.nodes import Law, normal_law
from snnjax.theory.moments.quadrature import Array, Function


def _selu(x: Array, selu_alpha: float = ALPHA_01, selu_lambda: float = LAMBDA_01) -> Array:
    slope = np.where(x > 0, 1.0, selu_alpha * np.exp(np.minimum(x, 0)))
    return np.asarray(selu_lambda * slope)


def _elu(x: Array, elu_alpha: float = 1.0) -> Array:
    return _selu(x, elu_alpha, 1.0)


def _leaky_relu(x: Array, leaky_slope: float = 0.01) -> Array:
    return np.where(x > 0, 1.0, leaky_slope)


def _prelu(x: Array, prelu_slope: float = 0.25) -> Array:
    return _leaky_relu(x, prelu_slope)


def _rrelu(x: Array, rrelu_low: float = 1 / 8, rrelu_high: float = 1 / 3) -> Array:
    return _leaky_relu(x, (rrelu_low + rrelu_high) / 2)


def _sigmoid(x: Array) -> Array:
    return np.asarray(expit(x) * expit(-x))


def _gelu(x: Array) -> Array:
    return np.asarray(ndtr(x) + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi))


def _mish(x: Array) -> Array:
    value = np.tanh(np.logaddexp(x, 0))
    return np.asarray(value + x * (1 - value**2) * expit(x))


SLOPES: Mapping[str, Callable[..., Any]] = {
    "identity": np.ones_like,
    "sigmoid": _sigmoid,
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "softsign": lambda x: 1 / (1 + np.abs(x)) ** 2,
    "hard_tanh": lambda x: np.where(np.abs(x) < 1, 1.0, 0.0),
    "relu": lambda x: np.where(x > 0, 1.0, 0.0),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "softplus": expit,
    "gelu": _gelu,
    "silu": lambda x: expit(x) + x * _sigmoid(x),
    "mish": _mish,
    "prelu": _prelu,
    "rrelu": _rrelu,
    "maxout": np.ones_like,
}
"""By name; random slopes have their mean, and maxout is the identity of the largest piece."""


def numpy_slope(model: ModelConfig) -> Function | None:
    """Return the derivative of a model's activation; None if it is not the library's."""
    return with_numbers(SLOPES, model)


def slope_law(model: ModelConfig, net: Moments, training: bool) -> Law | None:
    """Return how squared slopes of a layer's units are distributed, dropout included.

    Args:
        model: Its activation and dropout.
        net: Moments of what the activation is given.
        training: Whether dropout and random slopes are on.

    Returns:
        None where a piece is not the library's own.
    """
    if (slope := numpy_slope(model)) is None:
        return None
    z, masses = normal_law(net, model.pieces if model.activation == "maxout" else 1)
    squares = np.asarray(slope(z), np.float64) ** 2
    if training and model.activation == "rrelu":
        low, high = model.rrelu_low, model.rrelu_high
        squares = np.where(z > 0, 1.0, (low**2 + low * high + high**2) / 3)
    if not training or model.dropout == 0:
        return Law(squares, masses)
    if (kept := kept_slope(model, model.dropout)) is None:
        return None
    values = np.append(kept**2 * squares, 0.0)
    return Law(values, np.append((1 - model.dropout) * masses, model.dropout))


def kept_slope(model: ModelConfig, rate: float) -> float | None:
    """Return what a unit that is kept is multiplied by; None if the dropout is not ours."""
    if model.dropout_kind == "ordinary":
        return 1 / (1 - rate)
    if model.dropout_kind in ALPHA_KINDS:
        kept = Moments(model.dropout_mean, model.dropout_variance)
        return alpha_affine(rate, kept, -model.selu_lambda * model.selu_alpha)[0]
    return None
