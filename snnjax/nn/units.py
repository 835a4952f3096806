"""Activations that are more than a function: with parameters, random slopes, several inputs.

Every unit type is built from `(value, width)` and called with the pre-activations, the features
along `axis`, and a `noise` key where random slopes are to be drawn.
"""

from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.nn import noise
from snnjax.nn.activations import leaky_relu
from snnjax.nn.numbers import Value, arguments, keep, read
from snnjax.registry import resolve


class Unit(Protocol):
    """An activation of one layer."""

    def __call__(self, x: jax.Array, axis: int = 1, key: jax.Array | None = None) -> jax.Array:
        """Map (rows, inputs * width) to (rows, width), with `axis` 0 both transposed."""
        ...


def make_unit(value: Value, width: int) -> Unit:
    """Build the model's activation for a layer of `width` units, padding included.

    It is a unit type, or a function of `x` whose further arguments are named like keys of the
    model.
    """
    piece = resolve("activation", value("activation"))
    is_type = isinstance(piece, type) and issubclass(piece, nnx.Module)
    return piece(value, width) if is_type else Elementwise(piece, value)


def inputs_per_unit(value: Value) -> int:
    """Return how many pre-activations a unit of the model's activation takes."""
    inputs = getattr(resolve("activation", value("activation")), "inputs", None)
    return 1 if inputs is None else int(inputs(value))


def negative_slope(value: Value) -> jax.Array | float:
    """Return the slope of the model's activation left of 0, 0 for all but the leaky forms.

    Of random slopes the root of their mean square: what the variance of the weights is to follow.
    """
    activation = value("activation")
    if activation == "rrelu":
        low, high = value("rrelu_low"), value("rrelu_high")
        return ((low**2 + low * high + high**2) / 3) ** 0.5
    keys = {"leaky_relu": "leaky_slope", "prelu": "prelu_slope"}
    return value(keys[activation]) if activation in keys else 0.0


class Elementwise(nnx.Module):
    """A function of the pre-activation, with its numbers."""

    def __init__(self, function: Callable[..., jax.Array], value: Value) -> None:
        self.function = function
        given = arguments(function, value, after=1)
        self.names = tuple(given)
        self.numbers = nnx.List([keep(number) for number in given.values()])

    def __call__(self, x: jax.Array, axis: int = 1, key: jax.Array | None = None) -> jax.Array:
        """Apply the function."""
        numbers = map(read, self.numbers)
        return self.function(x, **dict(zip(self.names, numbers, strict=True)))


class PReLU(nnx.Module):
    """Parametric ReLU: leaky, the slope learned per unit or per layer (He et al. 2015)."""

    def __init__(self, value: Value, width: int) -> None:
        shape = (1,) if value("prelu_shared") else (width,)
        self.slope = nnx.Param(jnp.full(shape, value("prelu_slope"), float))

    def __call__(self, x: jax.Array, axis: int = 1, key: jax.Array | None = None) -> jax.Array:
        """Return x where x > 0, else slope * x."""
        return leaky_relu(x, jnp.expand_dims(self.slope[...], 1 - axis))


class RReLU(nnx.Module):
    """Randomised leaky ReLU: slopes ~ U(low, high), after training their mean (Xu et al. 2015)."""

    def __init__(self, value: Value, width: int) -> None:
        self.low, self.high = keep(value("rrelu_low")), keep(value("rrelu_high"))

    def __call__(self, x: jax.Array, axis: int = 1, key: jax.Array | None = None) -> jax.Array:
        """Return x where x > 0, else a slope of its own times x."""
        low, high = read(self.low), read(self.high)
        if key is None:
            return leaky_relu(x, (low + high) / 2)
        return leaky_relu(x, low + (high - low) * noise.uniform(key, x.shape, row_axis=1 - axis))


class Maxout(nnx.Module):
    """Maxout: each unit the largest of its linear pieces (Goodfellow et al. 2013)."""

    def __init__(self, value: Value, width: int) -> None:
        self.pieces = self.inputs(value)

    @staticmethod
    def inputs(value: Value) -> int:
        """Return the number of pieces."""
        return int(value("pieces"))

    def __call__(self, x: jax.Array, axis: int = 1, key: jax.Array | None = None) -> jax.Array:
        """Return the maximum over the pieces; those of one unit lie `width` places apart.

        The gradient goes to the first of the largest. That of `jnp.max` looks for the pieces that
        equal the maximum, and divides by 0 where the compiler computed one of the two anew.
        """
        first, *others = jnp.split(x, self.pieces, axis)
        for piece in others:
            first = jnp.where((piece > first) | jnp.isnan(piece), piece, first)
        return first
