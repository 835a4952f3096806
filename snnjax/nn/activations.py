"""Activations: elementwise functions of the pre-activation, shape and dtype kept.

Arguments beside `x` are named like the keys of the model that give them. Activations with
parameters, random numbers or several inputs per unit are modules, in `units`.
"""

import jax
import jax.numpy as jnp

from snnjax.nn.selu import relu, selu

__all__ = ["relu", "selu"]  # which have a file of their own


def identity(x: jax.Array) -> jax.Array:
    """Linear unit: x."""
    return x


def sigmoid(x: jax.Array) -> jax.Array:
    """Logistic function, 1 / (1 + exp(-x)): mean 1/2 at 0, slope at most 1/4."""
    return jax.nn.sigmoid(x)


def tanh(x: jax.Array) -> jax.Array:
    """Hyperbolic tangent: the sigmoid made symmetric, with slope 1 at 0."""
    return jnp.tanh(x)


@jax.custom_jvp
def softsign(x: jax.Array) -> jax.Array:
    """Softsign, x / (1 + |x|): saturates polynomially (Bergstra et al. 2009; Glorot 2010)."""
    return x / (1 + jnp.abs(x))


@softsign.defjvp
def _softsign_slope(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    # Of the quotient rule's two terms nothing is left but rounding where |x| is large.
    (x,), (tangent,) = primals, tangents
    return softsign(x), tangent / (1 + jnp.abs(x)) ** 2


def hard_tanh(x: jax.Array) -> jax.Array:
    """Piecewise linear tanh: x cut to [-1, 1]."""
    return jnp.where(jnp.abs(x) < 1, x, jnp.sign(x))


def leaky_relu(x: jax.Array, leaky_slope: jax.Array | float = 0.01) -> jax.Array:
    """Leaky ReLU: x where x > 0, else slope * x (Maas et al. 2013)."""
    return jnp.where(x > 0, x, jnp.asarray(leaky_slope, x.dtype) * x)


def elu(x: jax.Array, elu_alpha: jax.Array | float = 1.0) -> jax.Array:
    """Exponential linear unit: x where x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2016)."""
    return selu(x, elu_alpha, 1.0)


def softplus(x: jax.Array) -> jax.Array:
    """Smooth ReLU, log(1 + exp(x)) (Dugas et al. 2001)."""
    return jax.nn.softplus(x)


def gelu(x: jax.Array) -> jax.Array:
    """Gaussian error linear unit, x * Phi(x), exact (Hendrycks & Gimpel 2016)."""
    return jax.nn.gelu(x, approximate=False)


def silu(x: jax.Array) -> jax.Array:
    """Sigmoid linear unit or swish, x * sigmoid(x) (Elfwing et al. 2018)."""
    return jax.nn.silu(x)


@jax.custom_jvp
def mish(x: jax.Array) -> jax.Array:
    """Mish, x * tanh(softplus(x)) (Misra 2019)."""
    return x * _tanh_of_softplus(x)[0]


@mish.defjvp
def _mish_slope(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (tangent,) = primals, tangents
    value, slope = _tanh_of_softplus(x)
    return x * value, tangent * (value + jnp.minimum(x, _ALL_OF_MISH) * slope)


# From here on tanh(softplus(x)) rounds to 1 in every type.
_ALL_OF_MISH = 20.0


def _tanh_of_softplus(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return n / (n + 2) with n = e^2 + 2e and e = exp(x), and its slope 4e(1 + e) / (n + 2)^2.

    One exponential, and no difference of numbers that are close to each other.
    """
    e = jnp.exp(jnp.minimum(x, _ALL_OF_MISH))
    n = e * (e + 2)
    return n / (n + 2), 4 * e * (1 + e) / (n + 2) ** 2
