"""Convolutions of images (rows, height, width, channels), their layers and their pooling.

Kernels are (height, width, channels in, channels out). Nothing is rounded to bfloat16 here, also
where products of matrices are.
"""

import math
from itertools import product

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.nn.linear import make_linear
from snnjax.nn.numbers import Value
from snnjax.nn.products import transposed
from snnjax.nn.randomness import SLOPES, Randomness
from snnjax.nn.taps import activated
from snnjax.nn.units import make_unit
from snnjax.registry import resolve
from snnjax.widths import Padding

# Measured on images of 15 to 34 pixels in 3 to 64 channels: up to a third faster than 8.
_ROWS_IN_CACHE = 2


class ConvolutionLayer(nnx.Module):
    """convolution -> normalisation -> activation; to the activation every position is a row.

    The counterpart of `Hidden` but for the dropout, which follows the pooling.
    """

    def __init__(
        self, value: Value, kernel: jax.Array, channels: int, padding: Padding, number: int
    ) -> None:
        """Build a layer around its weights.

        Args:
            value: Gives the model's choices and numbers.
            kernel: Initial weights, with `units.inputs_per_unit` * channels outputs.
            channels: Of the images it makes.
            padding: `same` keeps their size, `valid` takes only the patches that lie inside.
            number: Its place in the network, from 1 on.
        """
        self.linear = make_linear(value, kernel, kernel.shape[-1])
        self.is_before = value("norm_placement") == "before"
        columns = kernel.shape[-1] if self.is_before else channels
        self.norm = resolve("normalization", value("norm"))(value, columns, columns)
        self.unit = make_unit(value, channels)
        self.padding, self.number = padding, number

    def __call__(self, images: jax.Array, randomness: Randomness | None) -> jax.Array:
        """Map images to images of `channels` channels."""
        x = self.convolved(images)
        mask = key = None
        if randomness is not None:
            positions = x[0].size // x.shape[-1]
            key, mask = randomness.stream(self.number, SLOPES, positions), randomness.mask
        if self.is_before:
            return self._activated(self.norm(x, 1, mask), key)
        return self.norm(self._activated(x, key), 1, mask)

    def convolved(self, images: jax.Array) -> jax.Array:
        """Return the net inputs, (rows, height, width, channels)."""
        x = convolve(images, self.linear.kernel[...], self.padding)
        return x + self.linear.bias[...][None, None, None, :]

    def _activated(self, x: jax.Array, key: jax.Array | None) -> jax.Array:
        y = activated(self.unit, self.number, _positions(x), 1, key)
        return y.reshape(*x.shape[:-1], -1)

    def adapt(self, images: jax.Array, mask: jax.Array) -> None:
        """Adapt initial weights to valid images, if they are of such a kind."""
        x = _positions(self.convolved(images))
        self.linear.adapt(x, jnp.repeat(mask, len(x) // len(images)))


def convolve(images: jax.Array, kernel: jax.Array, padding: Padding) -> jax.Array:
    """Return the cross-correlation of images with a kernel; `same` pads with zeros.

    Written out for the CPU, where XLA's own derivative by the kernel is a hundred times slower.
    """
    if padding == "same":
        images = _surrounded(images, *((size // 2, (size - 1) // 2) for size in kernel.shape[:2]))
    return _convolve(images, kernel) if jax.default_backend() == "cpu" else _valid(images, kernel)


@jax.custom_vjp
def largest_of_four(images: jax.Array) -> jax.Array:
    """Return the maxima of squares of 2 x 2 pixels; a last odd row or column is left out.

    The derivative is shared by pixels that are equally large; written out, because that of strided
    slices cannot be computed in vectors.
    """
    return _squares(images).max((2, 4))


def _squares(images: jax.Array) -> jax.Array:
    rows, height, width, channels = images.shape
    even = images[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(rows, height // 2, 2, width // 2, 2, channels)


def _pool(images: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    largest = largest_of_four(images)
    return largest, (images, largest)


def _unpool(residuals: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array]:
    images, largest = residuals
    squares = _squares(images)
    is_largest = squares == largest[:, :, None, :, None]
    share = gradient / is_largest.sum((2, 4), dtype=gradient.dtype)
    spread = jnp.where(is_largest, share[:, :, None, :, None], 0)
    height, width = images.shape[1] // 2 * 2, images.shape[2] // 2 * 2
    spread = spread.reshape(len(images), height, width, -1)
    odd = ((0, images.shape[1] - height), (0, images.shape[2] - width))
    return (_surrounded(spread, *odd) if (odd[0][1] or odd[1][1]) else spread,)


largest_of_four.defvjp(_pool, _unpool)


def _positions(images: jax.Array) -> jax.Array:
    """Return every position of images as a row, (rows * height * width, channels)."""
    return images.reshape(-1, images.shape[-1])


def _surrounded(images: jax.Array, *margins: tuple[int, int]) -> jax.Array:
    return jnp.pad(images, ((0, 0), *margins, (0, 0)))


def _valid(images: jax.Array, kernel: jax.Array) -> jax.Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(images, kernel, (1, 1), "VALID", dimension_numbers=layout)


@jax.custom_vjp
def _convolve(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiply the patches of few rows at a time, which stay in the core's cache, by the kernel."""
    height, width = _places(images, kernel.shape)
    matrix = kernel.reshape(-1, kernel.shape[-1])
    parts = _in_parts(images)
    products = jax.lax.map(lambda part: _patches(part, kernel.shape) @ matrix, parts)
    return products.reshape(len(images), height, width, -1)


def _forward(images: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolve(images, kernel), (images, kernel)


def _backward(
    residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Convolve with the turned kernel, and add up patches times gradient."""
    images, kernel = residuals
    margins = ((size - 1, size - 1) for size in kernel.shape[:2])
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    of_images = _valid(_surrounded(gradient, *margins), turned)

    def add(total: jax.Array, part: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        patches = transposed(_patches(part[0], kernel.shape))
        return total + patches @ _positions(part[1]), None

    zeros = jnp.zeros((kernel.size // kernel.shape[-1], kernel.shape[-1]), kernel.dtype)
    of_kernel, _ = jax.lax.scan(add, zeros, (_in_parts(images), _in_parts(gradient)))
    return of_images, of_kernel.reshape(kernel.shape)


_convolve.defvjp(_forward, _backward)


def _in_parts(images: jax.Array) -> jax.Array:
    few = math.gcd(len(images), _ROWS_IN_CACHE)
    return images.reshape(-1, few, *images.shape[1:])


def _places(images: jax.Array, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how often a kernel fits into images, downwards and across."""
    return images.shape[1] - shape[0] + 1, images.shape[2] - shape[1] + 1


def _patches(images: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return what each weight of a kernel sees at each position: (positions, fan_in)."""
    height, width = _places(images, shape)
    seen = [
        images[:, row : row + height, column : column + width]
        for row, column in product(range(shape[0]), range(shape[1]))
    ]
    return jnp.concatenate(seen, axis=-1).reshape(-1, shape[2] * shape[0] * shape[1])
