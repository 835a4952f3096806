"""The moment map of SELU and its Jacobian as JAX functions: to compile, map and differentiate.

The one module of the theory that imports JAX. Computes in the widest type of its arguments.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import erfc, erfcx, ndtr

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.moments.calculus import Backend, Calculus, selu_calculus

_JAX = Backend(jnp, ndtr, erfc, erfcx)
Number = jax.Array | float


class MapOnDevice(NamedTuple):
    """Mean and variance of SELU units, of the shape of the arguments."""

    mean: jax.Array
    variance: jax.Array


def selu_map(
    mean: Number, omega: Number, variance: Number, tau: Number,
    alpha: Number = ALPHA_01, scale: Number = LAMBDA_01,
) -> MapOnDevice:  # fmt: skip
    """Return g(mu, omega, nu, tau) as `moment_map.selu_map` does; NaN where nu tau <= 0.

    Args:
        mean: Of the layer below, mu; all arguments are scalars or of one shape.
        omega: Sum of the weights of a unit.
        variance: Of the layer below, nu.
        tau: Sum of the squared weights of a unit.
        alpha: Of SELU.
        scale: Of SELU, lambda.
    """
    found = _calculus(mean, omega, variance, tau, alpha, scale)
    return MapOnDevice(found.mean, found.variance)


def selu_jacobian(
    mean: Number, omega: Number, variance: Number, tau: Number,
    alpha: Number = ALPHA_01, scale: Number = LAMBDA_01,
) -> jax.Array:  # fmt: skip
    """Return the Jacobian of g by mu and nu, (..., 2, 2), as `jacobian.selu_jacobian` does."""
    found = _calculus(mean, omega, variance, tau, alpha, scale)
    omega, tau = (jnp.broadcast_to(jnp.asarray(x), found.mean.shape) for x in (omega, tau))
    of_mean = jnp.stack([omega * found.mean_by_m, tau * found.mean_by_v], -1)
    of_variance = jnp.stack([omega * found.variance_by_m, tau * found.variance_by_v], -1)
    return jnp.stack([of_mean, of_variance], -2)


def _calculus(
    mean: Number, omega: Number, variance: Number, tau: Number, alpha: Number, scale: Number
) -> Calculus:
    kind = jnp.result_type(*(x for x in (mean, omega, variance, tau) if hasattr(x, "dtype")), 0.0)
    m, v = jnp.asarray(mean, kind) * omega, jnp.asarray(variance, kind) * tau
    m, v = jnp.broadcast_arrays(m, v)
    found = selu_calculus(_JAX, m, jnp.where(v > 0, v, 1.0), alpha, scale)
    return Calculus(*(jnp.where(v > 0, part, jnp.nan) for part in found))
