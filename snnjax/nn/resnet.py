"""The residual network without convolutions, as the SNN paper compares itself with it."""

from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn.draw import draw_kernels
from snnjax.nn.hidden import Hidden
from snnjax.nn.linear import make_linear
from snnjax.nn.numbers import Value, constants
from snnjax.nn.padding import Used
from snnjax.nn.randomness import SLOPES, Randomness
from snnjax.nn.stack import Layer, Stack
from snnjax.nn.taps import activated
from snnjax.nn.units import inputs_per_unit, make_unit
from snnjax.registry import resolve
from snnjax.widths import block_widths


class Block(nnx.Module):
    """y = f(x + F(x)), the shortcut an identity (He et al. 2015, Eq. 1).

    F is hidden layers and then an affine one with its normalisation; the activation f follows the
    addition, and with `norm_placement` `after` the last normalisation follows f. Dropout is that
    of the hidden layers inside: what takes the shortcut is never dropped.
    """

    def __init__(
        self, value: Value, kernels: Sequence[jax.Array], widths: Sequence[int], number: int
    ) -> None:
        """Build a block around its weights.

        Args:
            value: Gives the model's choices and numbers.
            kernels: Initial weights of its layers.
            widths: Units of its layers.
            number: The place of its first layer in the network.
        """
        *inner, last = kernels
        self.hidden = nnx.List(
            Hidden(value, kernel, width, number + place)
            for place, (kernel, width) in enumerate(zip(inner, widths, strict=False))
        )
        self.linear = make_linear(value, last, last.shape[1])
        self.is_before = value("norm_placement") == "before"
        columns = last.shape[1] if self.is_before else widths[-1]
        self.norm = resolve("normalization", value("norm"))(value, columns, columns)
        self.unit = make_unit(value, widths[-1])
        self.number = number + len(inner)

    def __call__(self, x: jax.Array, randomness: Randomness | None, axis: int = 1) -> jax.Array:
        """Map (rows, width) to (rows, width), with the features along axis 0 both transposed."""
        mask = key = None
        if randomness is not None:
            mask, key = randomness.mask, randomness.stream(self.number, SLOPES)
        inner = x
        for layer in self.hidden:
            inner = layer(inner, randomness, axis)
        inner = self.linear(inner, axis)
        # All pieces of a maxout unit take its shortcut.
        shortcut = jnp.concatenate([x] * (inner.shape[axis] // x.shape[axis]), axis)
        if self.is_before:
            inner = self.norm(inner, axis, mask)
        x = activated(self.unit, self.number, shortcut + inner, axis, key)
        return x if self.is_before else self.norm(x, axis, mask)

    def adapt(self, x: jax.Array, mask: jax.Array) -> None:
        """Adapt initial weights to the valid ones of (rows, width), layer by layer."""
        for layer in self.hidden:
            layer.adapt(x, mask)
            x = layer(x, None)
        self.linear.adapt(self.linear(x), mask)


class ResNet(Stack):
    """Residual network: a hidden layer, which changes the width, then `depth` blocks."""

    def __init__(
        self,
        config: ModelConfig,
        features: int,
        outputs: int,
        key: jax.Array,
        value: Value | None = None,
        used: Used | None = None,
    ) -> None:
        """Draw a network; the arguments are those of `MLP`."""
        value = constants(config) if value is None else value
        used = Used(features, outputs) if used is None else used
        inputs, width, widths = inputs_per_unit(value), config.width, block_widths(config)
        block = [(rows, inputs * columns) for rows, columns in pairwise((width, *widths))]
        kernel, *kernels, output = draw_kernels(
            value,
            key,
            [(features, inputs * width), *block * config.depth, (width, outputs)],
            [(used.features, inputs * width), *block * config.depth, (width, used.outputs)],
        )
        size = len(widths)
        starts = range(0, len(kernels), size)
        hidden: list[Layer] = [
            Hidden(value, kernel, width, 1),
            *(Block(value, kernels[start : start + size], widths, 2 + start) for start in starts),
        ]
        super().__init__(config, value, hidden, output, used.features, used.outputs)
