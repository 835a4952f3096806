"""Dropout: `dropout(x, rate, key)` in training; evaluation simply does not call it.

`rate` is the probability to drop, in [0, 1), and may be traced; `key` is a `noise` key.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from snnjax.nn import noise
from snnjax.nn.activations import ALPHA_01, LAMBDA_01, SLOPES, relu, selu

# Where SELU saturates: the value dropped units take (Klambauer et al. 2017, section 3).
ALPHA_PRIME = -LAMBDA_01 * ALPHA_01

Activation = Callable[[jax.Array], jax.Array]
Dropout = Callable[[jax.Array, jax.Array | float, jax.Array], jax.Array]


class _Affine(NamedTuple):
    """What a dropout makes of a unit: scale * x + shift where kept, else `dropped`."""

    scale: jax.Array
    shift: jax.Array
    dropped: jax.Array


def alpha_dropout(x: jax.Array, rate: jax.Array | float, key: jax.Array) -> jax.Array:
    """Set units to alpha' and restore mean 0 and variance 1 by an affine map.

    Klambauer et al. 2017, section 3, with keep probability q = 1 - rate:
    a = (q + alpha'^2 q (1 - q))^(-1/2), b = -a (1 - q) alpha', and the result is
    a * (x or alpha') + b.
    """
    return _select(noise.is_kept(key, rate, x.shape), x, _alpha_affine(rate, x.dtype))


def ordinary_dropout(x: jax.Array, rate: jax.Array | float, key: jax.Array) -> jax.Array:
    """Set units to 0 and divide the others by 1 - rate, which keeps the mean."""
    return _select(noise.is_kept(key, rate, x.shape), x, _ordinary_affine(rate, x.dtype))


def drop_activated(
    activation: Activation,
    dropout: Dropout,
    x: jax.Array,
    rate: jax.Array | float,
    key: jax.Array,
    axis: int = 1,
) -> jax.Array:
    """Return dropout(activation(x), rate, key), cheaper to differentiate for the pairs that allow.

    With the features along `axis` 0, (features, rows), the masks are those of (rows, features).

    Where dropped units take a value at which the activation is flat (alpha dropout after SELU,
    ordinary dropout after ReLU), the gradient follows from the result alone: neither the
    activations nor the mask need be kept or computed again.
    """
    affine = _FLAT_WHERE_DROPPED.get((activation, dropout))
    if affine is None:
        y = activation(x)
        return dropout(y, rate, key) if axis == 1 else dropout(y.T, rate, key).T
    kept = noise.is_kept(key, rate, x.shape, row_axis=1 - axis)
    return _activate_and_select(activation, kept, x, affine(rate, x.dtype))


def _alpha_affine(rate: jax.Array | float, dtype: Any) -> _Affine:
    keep = 1 - rate
    a = jax.lax.rsqrt(jnp.asarray(keep + ALPHA_PRIME**2 * keep * rate, dtype))
    b = -a * rate * ALPHA_PRIME
    return _Affine(a, b, a * ALPHA_PRIME + b)


def _ordinary_affine(rate: jax.Array | float, dtype: Any) -> _Affine:
    scale = 1 / jnp.asarray(1 - rate, dtype)
    return _Affine(scale, jnp.zeros_like(scale), jnp.zeros_like(scale))


def _select(kept: jax.Array, x: jax.Array, affine: _Affine) -> jax.Array:
    return jnp.where(kept, affine.scale * x + affine.shift, affine.dropped)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _activate_and_select(
    activation: Activation, kept: jax.Array, x: jax.Array, affine: _Affine
) -> jax.Array:
    return _select(kept, activation(x), affine)


def _forward(
    activation: Activation, kept: jax.Array, x: jax.Array, affine: _Affine
) -> tuple[jax.Array, tuple[jax.Array, _Affine]]:
    result = _activate_and_select(activation, kept, x, affine)
    return result, (result, affine)


def _backward(
    activation: Activation, residuals: tuple[jax.Array, _Affine], gradient: jax.Array
) -> tuple[None, jax.Array, _Affine]:
    """Take the mask from the result: a kept unit as low as a dropped one is flat like it."""
    result, affine = residuals
    kept = result != affine.dropped
    y = (result - affine.shift) * (1 / affine.scale)
    passed = jnp.where(kept, gradient, 0)
    of_affine = _Affine((passed * y).sum(), passed.sum(), (gradient - passed).sum())
    return None, passed * (affine.scale * SLOPES[activation](y)), of_affine


_activate_and_select.defvjp(_forward, _backward)

# The activation's slope is 0 at alpha', and at 0.
_FLAT_WHERE_DROPPED: Mapping[tuple[Activation, Dropout], Callable[..., _Affine]] = {
    (selu, alpha_dropout): _alpha_affine,
    (relu, ordinary_dropout): _ordinary_affine,
}
