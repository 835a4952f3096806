"""Affine layers in three kinds: plain, scaled on data before training, weight-normalised.

Kernels are (..., fan_out); those of convolutions have the axes of a patch before the last one, and
only their weights and biases are used.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.nn.initializers import SCALED_ON_DATA
from snnjax.nn.normalization import moments_of_rows
from snnjax.nn.numbers import Value
from snnjax.nn.padding import Size, clear
from snnjax.nn.products import product
from snnjax.registry import resolve

# Lengths and deviations below this are those of units that are padding.
_TINY = 1e-12


class Linear(nnx.Module):
    """Affine layer x @ kernel + bias."""

    def __init__(self, kernel: jax.Array, bias: jax.Array | None = None) -> None:
        self.kernel = nnx.Param(kernel)
        zeros = jnp.zeros(kernel.shape[-1], kernel.dtype)
        self.bias = nnx.Param(zeros if bias is None else bias)

    def __call__(self, x: jax.Array, axis: int = 1) -> jax.Array:
        """Map (rows, fan_in) to (rows, fan_out), with the features along axis 0 both transposed."""
        return product(x, self.kernel[...], axis) + jnp.expand_dims(self.bias[...], 1 - axis)

    def adapt(self, outputs: jax.Array, mask: jax.Array) -> None:
        """Leave the weights as they were drawn, whatever they make of the data."""


class UnitVarianceLinear(Linear):
    """Affine layer whose outputs are given variance 1 on data (Mishkin & Matas 2016, Alg. 1).

    One division does what their iteration approaches, because the layer is linear in its kernel.
    """

    def adapt(self, outputs: jax.Array, mask: jax.Array) -> None:
        """Divide the kernel by the deviation of (rows, fan_out) over valid rows and all units."""
        means, variances = moments_of_rows(outputs - self.bias[...][None, :], 1, mask)
        variance = variances.mean() + means.var()
        self.kernel[...] = self.kernel[...] / jnp.sqrt(jnp.maximum(variance, _TINY))


class WeightNormLinear(nnx.Module):
    """Affine layer x @ (g v / |v|) + bias, each unit with a length g (Salimans & Kingma 2016).

    `direction` is v, (..., fan_out), and `length` is g, (fan_out,).
    """

    def __init__(self, kernel: jax.Array, bias: jax.Array | None = None) -> None:
        self.direction = nnx.Param(kernel)
        self.length = nnx.Param(jnp.sqrt(_squares(kernel)))
        zeros = jnp.zeros(kernel.shape[-1], kernel.dtype)
        self.bias = nnx.Param(zeros if bias is None else bias)

    @property
    def kernel(self) -> jax.Array:
        """The weights, (..., fan_out)."""
        return of_lengths(self.direction[...], self.length[...])

    def __call__(self, x: jax.Array, axis: int = 1) -> jax.Array:
        """Map (rows, fan_in) to (rows, fan_out), with the features along axis 0 both transposed."""
        return product(x, self.kernel, axis) + jnp.expand_dims(self.bias[...], 1 - axis)

    def adapt(self, outputs: jax.Array, mask: jax.Array) -> None:
        """Give every unit mean 0 and variance 1 over valid rows of (rows, fan_out) (section 3)."""
        mean, variance = moments_of_rows(outputs, 1, mask)
        is_dead = variance < _TINY
        scale = jnp.where(is_dead, 1, jax.lax.rsqrt(jnp.where(is_dead, 1, variance)))
        self.length[...] = self.length[...] * scale
        self.bias[...] = jnp.where(is_dead, self.bias[...], (self.bias[...] - mean) * scale)


def of_lengths(direction: jax.Array, length: jax.Array) -> jax.Array:
    """Return the weights g v / |v| of units, 0 for those that are padding."""
    squares = _squares(direction)
    is_padding = squares < _TINY**2
    norm = jnp.sqrt(jnp.where(is_padding, 1, squares))
    scale = jnp.where(is_padding, 0, length / norm)
    return direction * scale.reshape((1,) * (direction.ndim - 1) + (-1,))


def _squares(kernel: jax.Array) -> jax.Array:
    """Return the squared length of the weights that lead into each unit, (fan_out,)."""
    return (kernel**2).sum(range(kernel.ndim - 1))


def make_linear(value: Value, kernel: jax.Array, used: Size) -> Linear | WeightNormLinear:
    """Build the affine layer that a model's choices ask for.

    Args:
        value: Gives the choices and numbers.
        kernel: Initial weights, (..., fan_out).
        used: How many of its outputs are not padding.
    """
    bias = clear(jnp.full(kernel.shape[-1], value("init_bias"), kernel.dtype), used, 0)
    if value("norm") == "weight":
        return WeightNormLinear(kernel, bias)
    return (UnitVarianceLinear if _is_scaled_on_data(value) else Linear)(kernel, bias)


def begins_from_data(value: Value) -> bool:
    """Tell whether initial weights depend on data, so that networks are to be adapted to rows."""
    return value("norm") == "weight" or _is_scaled_on_data(value)


def _is_scaled_on_data(value: Value) -> bool:
    return resolve("initializer", value("init")) in SCALED_ON_DATA
