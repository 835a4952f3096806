"""Dropout: `dropout(x, rate, key)` in training; evaluation simply does not call it.

`rate` is the probability to drop, in [0, 1), and may be traced; `key` is a `noise` key. Further
arguments are named like the keys of the model that give them.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.nn import noise
from snnjax.nn.numbers import Value, arguments, is_off, keep, read
from snnjax.nn.selu import SLOPES, relu, selu
from snnjax.nn.units import Elementwise, Unit
from snnjax.registry import resolve

Function = Callable[..., jax.Array]
Scalar = jax.Array | float


class Dropout(nnx.Module):
    """The dropout of one layer, with its rate and its other numbers."""

    def __init__(self, value: Value, rate: str) -> None:
        """Take the kind of the model, and the rate that the key `rate` gives."""
        self.function = resolve("dropout", value("dropout_kind"))
        self.rate = keep(value(rate))
        given = arguments(self.function, value, after=3)
        self.names = tuple(given)
        self.numbers = nnx.List([keep(number) for number in given.values()])

    @property
    def is_off(self) -> bool:
        """Whether nothing is ever dropped."""
        return is_off(self.rate)

    def __call__(self, x: jax.Array, key: jax.Array | None, axis: int = -1) -> jax.Array:
        """Drop from (rows, units) or (rows, ..., channels), with `axis` 0 from (units, rows).

        Without a key nothing is dropped.
        """
        if self.is_off or key is None:
            return x
        if axis == 0:
            return self(x.T, key).T
        numbers = dict(zip(self.names, map(read, self.numbers), strict=True))
        return self.function(x, read(self.rate), key, **numbers)

    def after(
        self,
        unit: Unit,
        x: jax.Array,
        key: jax.Array | None,
        of_slopes: jax.Array | None,
        axis: int = 1,
    ) -> jax.Array:
        """Return the dropout of activations, cheaper to differentiate for the pairs that allow.

        Random slopes are drawn with a key of their own, `of_slopes`. With the features along `axis`
        0, (features, rows), the masks are those of (rows, features).

        Where dropped units take a value at which the activation is flat (alpha dropout after SELU,
        ordinary dropout after ReLU), the gradient follows from the result alone: neither the
        activations nor the mask need be kept or computed again.
        """
        pair = self._pair_with(unit)
        if pair not in _FLAT_WHERE_DROPPED or self.is_off or key is None:
            y = unit(x, axis, of_slopes)
            return self(y, key, axis)
        rate = read(self.rate)
        kept = noise.is_kept(key, rate, x.shape, row_axis=1 - axis)
        return _activate_and_select(pair[0], kept, x, _FLAT_WHERE_DROPPED[pair](rate, x.dtype))

    def _pair_with(self, unit: Unit) -> tuple[Function, Function]:
        """Return the functions of activation and dropout; themselves where they have numbers."""
        if not isinstance(unit, Elementwise) or unit.names or self.names:
            return unit, self
        return unit.function, self.function


def alpha_dropout(
    x: jax.Array,
    rate: Scalar,
    key: jax.Array,
    dropout_mean: Scalar = 0.0,
    dropout_variance: Scalar = 1.0,
    selu_alpha: Scalar = ALPHA_01,
    selu_lambda: Scalar = LAMBDA_01,
) -> jax.Array:
    """Alpha dropout: units go to SELU's saturation alpha', an affine map restores both moments.

    Klambauer et al. 2017, section 3, for activations of mean mu and variance nu, with keep
    probability q = 1 - rate and alpha' = -lambda * alpha:
    a = sqrt(nu / (q ((1 - q) (alpha' - mu)^2 + nu))), b = mu - a (q mu + (1 - q) alpha'), and the
    result is a * (x or alpha') + b.
    """
    affine = _alpha_affine(rate, x.dtype, dropout_mean, dropout_variance, -selu_lambda * selu_alpha)
    return _select(noise.is_kept(key, rate, x.shape), x, affine)


def feature_alpha_dropout(
    x: jax.Array,
    rate: Scalar,
    key: jax.Array,
    dropout_mean: Scalar = 0.0,
    dropout_variance: Scalar = 1.0,
    selu_alpha: Scalar = ALPHA_01,
    selu_lambda: Scalar = LAMBDA_01,
) -> jax.Array:
    """Alpha dropout of whole channels: one draw per row and channel of (rows, ..., channels)."""
    affine = _alpha_affine(rate, x.dtype, dropout_mean, dropout_variance, -selu_lambda * selu_alpha)
    kept = noise.is_kept(key, rate, (x.shape[0], x.shape[-1]))
    inner = (1,) * (x.ndim - 2)
    return _select(kept.reshape(x.shape[0], *inner, x.shape[-1]), x, affine)


def ordinary_dropout(x: jax.Array, rate: Scalar, key: jax.Array) -> jax.Array:
    """Dropout: units go to 0, the others are divided by 1 - rate (Srivastava et al. 2014)."""
    return _select(noise.is_kept(key, rate, x.shape), x, _ordinary_affine(rate, x.dtype))


class _Affine(NamedTuple):
    """What a dropout makes of a unit: scale * x + shift where kept, else `dropped`."""

    scale: jax.Array
    shift: jax.Array
    dropped: jax.Array


def _alpha_affine(
    rate: Scalar,
    dtype: Any,
    mean: Scalar = 0.0,
    variance: Scalar = 1.0,
    alpha_prime: Scalar = -LAMBDA_01 * ALPHA_01,
) -> _Affine:
    wide = jnp.promote_types(dtype, jnp.float32)  # numbers are rounded once, at the end
    kept = 1 - rate
    spread = kept * (rate * (alpha_prime - mean) ** 2 + variance)
    a = jnp.sqrt(jnp.asarray(variance, wide) / jnp.asarray(spread, wide))
    b = mean - a * (kept * mean + rate * alpha_prime)
    return _Affine(*(number.astype(dtype) for number in (a, b, a * alpha_prime + b)))


def _ordinary_affine(rate: Scalar, dtype: Any) -> _Affine:
    scale = 1 / jnp.asarray(1 - rate, dtype)
    return _Affine(scale, jnp.zeros_like(scale), jnp.zeros_like(scale))


def _select(kept: jax.Array, x: jax.Array, affine: _Affine) -> jax.Array:
    return jnp.where(kept, affine.scale * x + affine.shift, affine.dropped)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _activate_and_select(
    activation: Function, kept: jax.Array, x: jax.Array, affine: _Affine
) -> jax.Array:
    return _select(kept, activation(x), affine)


def _forward(
    activation: Function, kept: jax.Array, x: jax.Array, affine: _Affine
) -> tuple[jax.Array, tuple[jax.Array, _Affine]]:
    result = _activate_and_select(activation, kept, x, affine)
    return result, (result, affine)


def _backward(
    activation: Function, residuals: tuple[jax.Array, _Affine], gradient: jax.Array
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
_FLAT_WHERE_DROPPED: Mapping[tuple[Function, Function], Callable[..., _Affine]] = {
    (selu, alpha_dropout): _alpha_affine,
    (relu, ordinary_dropout): _ordinary_affine,
}
