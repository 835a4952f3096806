"""Activations: elementwise functions of the pre-activation, shape and dtype kept.

Those here have a slope, their derivative as a function of their own output: the pre-activation
need not be kept for the backward pass.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

# Klambauer et al. 2017, Eq. 14: the constants that make (0, 1) the fixed point of the moment map.
ALPHA_01 = 1.6732632423543772848170429916717
LAMBDA_01 = 1.0507009873554804934193349852946

# The power series of (exp(r) - 1 - r) / r**2, fitted for |r| <= log(2) / 2 (Cephes, expf), the
# highest power first; and log(2) in two parts, the first exact when multiplied by small integers.
_SERIES = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
_LOG2_HIGH, _LOG2_LOW = 0.693359375, -2.12194440e-4
_LOWEST = -80.0


def identity(x: jax.Array) -> jax.Array:
    """Return `x`."""
    return x


@jax.custom_vjp
def relu(x: jax.Array) -> jax.Array:
    """Rectified linear unit, max(x, 0); its derivative at 0 is 0."""
    return jnp.maximum(x, 0)


def _relu_slope(y: jax.Array) -> jax.Array:
    return jnp.where(y > 0, jnp.ones_like(y), 0)


@jax.custom_vjp
def selu(x: jax.Array) -> jax.Array:
    """Scaled exponential linear unit (Klambauer et al. 2017, Eq. 2).

    lambda * x where x > 0, else lambda * alpha * (exp(x) - 1). The backward pass takes the
    derivative from the output, lambda where y > 0, else y + lambda * alpha: no second
    exponential.
    """
    negative = (LAMBDA_01 * ALPHA_01) * expm1_of_negative(jnp.minimum(x, 0))
    return jnp.where(x > 0, LAMBDA_01 * x, negative)


def _selu_slope(y: jax.Array) -> jax.Array:
    return jnp.where(y > 0, jnp.full_like(y, LAMBDA_01), y + LAMBDA_01 * ALPHA_01)


@partial(jax.jit, inline=True)
def expm1_of_negative(x: jax.Array) -> jax.Array:
    """Return exp(x) - 1 for x <= 0, in float32 to a relative error of 1e-7.

    With x = n log(2) + r it is 2**n * expm1(r) + (2**n - 1), a short polynomial: half the time
    of `jnp.expm1`, which covers all numbers. Other types take that.
    """
    if x.dtype != jnp.float32:
        return jnp.expm1(x)
    # Below, the result rounds to -1; a NaN must stay one.
    x = jnp.maximum(x, _LOWEST)
    n = jnp.round(x * (1 / 0.6931471805599453))
    r = x - n * _LOG2_HIGH - n * _LOG2_LOW
    series = jnp.full_like(r, _SERIES[0])
    for coefficient in _SERIES[1:]:
        series = series * r + coefficient
    power = jax.lax.bitcast_convert_type((n.astype(jnp.int32) + 127) << 23, jnp.float32)
    return power * (series * r * r + r) + (power - 1)


SLOPES: Mapping[Callable[[jax.Array], jax.Array], Callable[[jax.Array], jax.Array]] = {
    relu: _relu_slope,
    selu: _selu_slope,
}


def _differentiate_from_output(activation: Any, slope: Callable[[jax.Array], jax.Array]) -> None:

    def forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = activation(x)
        return y, y

    def backward(y: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
        return (gradient * slope(y),)

    activation.defvjp(forward, backward)


for _activation, _slope in SLOPES.items():
    _differentiate_from_output(_activation, _slope)
