"""Convolutions of images (rows, height, width, channels), their layers and their pooling.

Kernels are (height, width, channels in, channels out). All is computed in float32, whatever the
precision of matrix products.
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.nn import noise
from snnjax.nn.initializers import SCALED_ON_DATA
from snnjax.nn.normalization import moments_of_rows
from snnjax.nn.numbers import Value
from snnjax.nn.randomness import Randomness
from snnjax.nn.units import make_unit
from snnjax.registry import resolve

Padding = Literal["same", "valid"]

# Measured on images of 26 x 26 pixels in 32 channels; 1 to 8 are alike, all at once half as fast.
_ROWS_IN_CACHE = 4

# Variances below this are those of images without any contrast.
_TINY = 1e-12


class ConvolutionLayer(nnx.Module):
    """convolution -> normalisation -> activation; to both of these every position is a row.

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
        self.kernel = nnx.Param(kernel)
        self.bias = nnx.Param(jnp.full(kernel.shape[-1], value("init_bias"), kernel.dtype))
        self.is_scaled_on_data = resolve("initializer", value("init")) in SCALED_ON_DATA
        self.is_before = value("norm_placement") == "before"
        columns = kernel.shape[-1] if self.is_before else channels
        self.norm = resolve("normalization", value("norm"))(value, columns, columns)
        self.unit = make_unit(value, channels)
        self.padding, self.number = padding, number

    def __call__(self, images: jax.Array, randomness: Randomness | None) -> jax.Array:
        """Map images to images of `channels` channels."""
        x = convolve(images, self.kernel[...], self.padding)
        shape = x.shape[:-1]
        x = _positions(x) + self.bias[...][None, :]
        mask = key = None
        if randomness is not None:
            key = noise.fold(randomness.stream(self.number), 0)
            if randomness.mask is not None:
                mask = jnp.repeat(randomness.mask, len(x) // len(images))
        if self.is_before:
            x = self.unit(self.norm(x, 1, mask), 1, key)
        else:
            x = self.norm(self.unit(x, 1, key), 1, mask)
        return x.reshape(*shape, -1)

    def adapt(self, images: jax.Array, mask: jax.Array) -> None:
        """Give what the kernel makes of valid images variance 1, if the initialiser asks for it."""
        if not self.is_scaled_on_data:
            return
        x = _positions(convolve(images, self.kernel[...], self.padding))
        means, variances = moments_of_rows(x, 1, jnp.repeat(mask, len(x) // len(images)))
        variance = variances.mean() + means.var()
        self.kernel[...] = self.kernel[...] / jnp.sqrt(jnp.maximum(variance, _TINY))


def convolve(images: jax.Array, kernel: jax.Array, padding: Padding) -> jax.Array:
    """Return the cross-correlation of images with a kernel; `same` pads with zeros.

    The derivative by the kernel is written out for the CPU, where XLA's own is a hundred times
    slower.
    """
    if padding == "same":
        images = _surrounded(images, *((size // 2, (size - 1) // 2) for size in kernel.shape[:2]))
    return _convolve(images, kernel) if jax.default_backend() == "cpu" else _valid(images, kernel)


def largest_of_four(images: jax.Array) -> jax.Array:
    """Return the maxima of squares of 2 x 2 pixels; a last odd row or column is left out."""
    rows, columns = (size // 2 * 2 for size in images.shape[1:3])
    upper, lower = images[:, :rows:2], images[:, 1:rows:2]
    x = jnp.maximum(upper, lower)
    return jnp.maximum(x[:, :, :columns:2], x[:, :, 1:columns:2])


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
    return _valid(images, kernel)


def _forward(images: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolve(images, kernel), (images, kernel)


def _backward(
    residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Convolve with the turned kernel, and add up what each weight saw times the gradient.

    The sum goes over few rows at a time, so that they stay in the core's cache.
    """
    images, kernel = residuals
    margins = ((size - 1, size - 1) for size in kernel.shape[:2])
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    of_images = _valid(_surrounded(gradient, *margins), turned)
    few = math.gcd(len(images), _ROWS_IN_CACHE)
    parts = [x.reshape(-1, few, *x.shape[1:]) for x in (images, gradient)]

    def add(total: jax.Array, part: Sequence[jax.Array]) -> tuple[jax.Array, None]:
        return total + _seen_times_gradient(part[0], part[1], kernel.shape), None

    of_kernel, _ = jax.lax.scan(add, jnp.zeros_like(kernel), parts)
    return of_images, of_kernel


def _seen_times_gradient(
    images: jax.Array, gradient: jax.Array, shape: tuple[int, ...]
) -> jax.Array:
    size, wide, fan_in, channels = shape
    height, width = gradient.shape[1:3]
    of_weights = [
        images[:, row : row + height, column : column + width].reshape(-1, fan_in).T
        @ gradient.reshape(-1, channels)
        for row, column in product(range(size), range(wide))
    ]
    return jnp.stack(of_weights).reshape(shape)


_convolve.defvjp(_forward, _backward)
