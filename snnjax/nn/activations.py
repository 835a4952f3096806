"""Activations: elementwise functions of the pre-activation, shape and dtype kept."""

import jax
import jax.numpy as jnp

# Klambauer et al. 2017, Eq. 14: the constants that make (0, 1) the fixed point of the moment map.
ALPHA_01 = 1.6732632423543772848170429916717
LAMBDA_01 = 1.0507009873554804934193349852946


def identity(x: jax.Array) -> jax.Array:
    """Return `x`."""
    return x


@jax.custom_vjp
def relu(x: jax.Array) -> jax.Array:
    """Rectified linear unit, max(x, 0); its derivative at 0 is 0."""
    return jnp.maximum(x, 0)


def _relu_forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    y = relu(x)
    return y, y


def _relu_backward(y: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    return (jnp.where(y > 0, gradient, 0),)


relu.defvjp(_relu_forward, _relu_backward)


@jax.custom_vjp
def selu(x: jax.Array) -> jax.Array:
    """Scaled exponential linear unit (Klambauer et al. 2017, Eq. 2).

    lambda * x where x > 0, else lambda * alpha * (exp(x) - 1). The backward pass takes the
    derivative from the output, lambda where y > 0, else y + lambda * alpha: no second
    exponential, and the pre-activation need not be kept.
    """
    negative = (LAMBDA_01 * ALPHA_01) * jnp.expm1(jnp.minimum(x, 0))
    return jnp.where(x > 0, LAMBDA_01 * x, negative)


def _selu_forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    y = selu(x)
    return y, y


def _selu_backward(y: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    return (gradient * jnp.where(y > 0, LAMBDA_01, y + LAMBDA_01 * ALPHA_01),)


selu.defvjp(_selu_forward, _selu_backward)
