"""Dropout: `dropout(x, rate, key)` in training; evaluation simply does not call it.

`rate` is the probability to drop, in [0, 1), and may be traced; `key` is a `noise` key.
"""

import jax
import jax.numpy as jnp

from snnjax.nn import noise
from snnjax.nn.activations import ALPHA_01, LAMBDA_01

# Where SELU saturates: the value dropped units take (Klambauer et al. 2017, section 3).
ALPHA_PRIME = -LAMBDA_01 * ALPHA_01


def alpha_dropout(x: jax.Array, rate: jax.Array | float, key: jax.Array) -> jax.Array:
    """Set units to alpha' and restore mean 0 and variance 1 by an affine map.

    Klambauer et al. 2017, section 3, with keep probability q = 1 - rate:
    a = (q + alpha'^2 q (1 - q))^(-1/2), b = -a (1 - q) alpha', and the result is
    a * (x or alpha') + b.
    """
    keep = 1 - rate
    a = jax.lax.rsqrt(jnp.asarray(keep + ALPHA_PRIME**2 * keep * rate, x.dtype))
    b = -a * rate * ALPHA_PRIME
    dropped = a * ALPHA_PRIME + b
    return jnp.where(noise.is_kept(key, rate, x.shape), a * x + b, dropped)


def ordinary_dropout(x: jax.Array, rate: jax.Array | float, key: jax.Array) -> jax.Array:
    """Set units to 0 and divide the others by 1 - rate, which keeps the mean."""
    return jnp.where(noise.is_kept(key, rate, x.shape), x / (1 - rate), 0)
