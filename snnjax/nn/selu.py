"""SELU and ReLU, differentiated from their own output: the pre-activation need not be kept.

Their `SLOPES`, derivatives as functions of the output, also let dropout be fused with them.
"""

from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp

from snnjax.constants import ALPHA_01, LAMBDA_01

# The power series of (exp(r) - 1 - r) / r**2, fitted for |r| <= log(2) / 2 (Cephes, expf), the
# highest power first; and log(2) in two parts, the first exact when multiplied by small integers.
_SERIES = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
_LOG2_HIGH, _LOG2_LOW = 0.693359375, -2.12194440e-4
_LOWEST = -80.0


def relu(x: jax.Array) -> jax.Array:
    """Rectified linear unit, max(x, 0); its derivative at 0 is 0."""
    return _relu(x)


def selu(
    x: jax.Array,
    selu_alpha: jax.Array | float = ALPHA_01,
    selu_lambda: jax.Array | float = LAMBDA_01,
) -> jax.Array:
    """Scaled exponential linear unit (Klambauer et al. 2017, Eq. 2).

    lambda * x where x > 0, else lambda * alpha * (exp(x) - 1). The backward pass takes the
    derivative from the output, lambda where y > 0, else y + lambda * alpha: no second
    exponential.
    """
    return _selu(x, selu_alpha, selu_lambda)


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


@jax.custom_vjp
def _relu(x: jax.Array) -> jax.Array:
    return jnp.maximum(x, 0)


def _relu_forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    y = _relu(x)
    return y, y


def _relu_backward(y: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    return (gradient * _relu_slope(y),)


_relu.defvjp(_relu_forward, _relu_backward)


def _relu_slope(y: jax.Array) -> jax.Array:
    return jnp.where(y > 0, jnp.ones_like(y), 0)


@jax.custom_vjp
def _selu(x: jax.Array, alpha: jax.Array | float, scale: jax.Array | float) -> jax.Array:
    wide, scale, alpha = _in_float32(x, scale, alpha)
    negative = (scale * alpha) * expm1_of_negative(jnp.minimum(wide, 0))
    return jnp.where(wide > 0, scale * wide, negative).astype(jnp.result_type(x))


Residuals = tuple[jax.Array, jax.Array | float, jax.Array | float]


def _selu_forward(
    x: jax.Array, alpha: jax.Array | float, scale: jax.Array | float
) -> tuple[jax.Array, Residuals]:
    y = _selu(x, alpha, scale)
    return y, (y, alpha, scale)


def _selu_backward(
    residuals: Residuals, gradient: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    y, alpha, scale = residuals
    of_scale = (gradient * y).sum() / scale
    of_alpha = jnp.where(y > 0, 0, gradient * y).sum() / alpha
    return gradient * _selu_slope(y, alpha, scale), of_alpha, of_scale


_selu.defvjp(_selu_forward, _selu_backward)


def _selu_slope(
    y: jax.Array,
    alpha: jax.Array | float = ALPHA_01,
    scale: jax.Array | float = LAMBDA_01,
) -> jax.Array:
    _, scale, alpha = _in_float32(y, scale, alpha)
    # Rounded like an output, so that the slope is 0 where that is saturated.
    return jnp.where(y > 0, jnp.full_like(y, scale), y + (scale * alpha).astype(y.dtype))


def _in_float32(x: jax.Array, *numbers: jax.Array | float) -> tuple[jax.Array, ...]:
    """Return all in the type of `x`, or in float32 where that is narrower."""
    kind = jnp.promote_types(jnp.result_type(x), jnp.float32)
    return tuple(jnp.asarray(number, kind) for number in (x, *numbers))


SLOPES: Mapping[Callable[..., jax.Array], Callable[[jax.Array], jax.Array]] = {
    relu: _relu_slope,
    selu: _selu_slope,
}
