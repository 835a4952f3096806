"""Normalisation of a layer's units: over the batch, over the units of a row, or not at all.

Every kind is built from `(value, width, used)` and called with (rows, width), the features along
`axis`, and in training the mask of the valid rows. Of images, (rows, height, width, channels), each
position counts as a row to what goes over the batch, and as units of their row to what goes over
the units; scale and shift belong to channels. These are learned, and begin at 1 and 0. Moments are
taken in float32 at least; the result has the type of the input.
"""

from typing import Protocol

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.nn.numbers import Value, keep, read
from snnjax.nn.padding import Size, clear
from snnjax.nn.taps import compared


class Norm(Protocol):
    """A normalisation of one layer."""

    def __call__(self, x: jax.Array, axis: int = 1, mask: jax.Array | None = None) -> jax.Array:
        """Normalise (rows, ..., width), with `axis` 0 the transpose of (rows, width)."""
        ...


class NoNorm(nnx.Module):
    """No normalisation."""

    def __init__(self, value: Value, width: int, used: Size) -> None:
        pass

    def __call__(self, x: jax.Array, axis: int = 1, mask: jax.Array | None = None) -> jax.Array:
        """Return `x`."""
        return x


class WeightNorm(NoNorm):
    """Weight normalisation: lengths of weights learned apart (Salimans & Kingma 2016), in `linear`.

    What passes through is left alone: the layer's weights are what is normalised.
    """


class BatchNorm(nnx.Module):
    """Batch normalisation: each unit over the rows of a batch (Ioffe & Szegedy 2015, Alg. 1).

    In training by the batch's mean and biased variance; the running moments, in which the
    variance is unbiased, keep a share `norm_momentum` of what they were. In evaluation by these.
    """

    def __init__(self, value: Value, width: int, used: Size) -> None:
        self.scale, self.shift = nnx.Param(jnp.ones(width)), nnx.Param(jnp.zeros(width))
        self.mean, self.variance = nnx.BatchStat(jnp.zeros(width)), nnx.BatchStat(jnp.ones(width))
        self.momentum, self.epsilon = keep(value("norm_momentum")), keep(value("norm_epsilon"))

    def __call__(self, x: jax.Array, axis: int = 1, mask: jax.Array | None = None) -> jax.Array:
        """Normalise by the valid rows of `mask`, without one by the running moments."""
        shape, dtype, x = x.shape, x.dtype, _in_float32(x)
        if len(shape) > 2:
            x = x.reshape(-1, shape[-1])
            mask = None if mask is None else jnp.repeat(mask, len(x) // shape[0])
        if mask is None:
            mean, variance = self.mean[...], self.variance[...]
        else:
            mean, variance = moments_of_rows(x, axis, mask)
            compared((mean, variance), (self.mean[...], self.variance[...]))
            count = mask.sum().astype(float)
            momentum = read(self.momentum)
            unbiased = variance * count / jnp.maximum(count - 1, 1)
            self.mean[...] = momentum * self.mean[...] + (1 - momentum) * mean
            self.variance[...] = momentum * self.variance[...] + (1 - momentum) * unbiased
        scale = self.scale[...] * jax.lax.rsqrt(variance + read(self.epsilon))
        shift = self.shift[...] - mean * scale
        result = x * jnp.expand_dims(scale, 1 - axis) + jnp.expand_dims(shift, 1 - axis)
        return result.reshape(shape).astype(dtype)


class LayerNorm(nnx.Module):
    """Layer normalisation: each row over the units of the layer (Ba et al. 2016, Eqs. 3, 4)."""

    def __init__(self, value: Value, width: int, used: Size) -> None:
        self.scale, self.shift = nnx.Param(jnp.ones(width)), nnx.Param(jnp.zeros(width))
        self.used, self.epsilon = keep(used), keep(value("norm_epsilon"))

    def __call__(self, x: jax.Array, axis: int = 1, mask: jax.Array | None = None) -> jax.Array:
        """Normalise each row by its own mean and biased variance."""
        dtype, x, used = x.dtype, _in_float32(x), read(self.used)
        mean = _mean(clear(x, used, -axis), used, axis)
        centred = clear(x - mean, used, -axis)
        variance = _mean(centred**2, used, axis)
        scale, shift = (_of_units(p[...], x, axis) for p in (self.scale, self.shift))
        normalised = centred * jax.lax.rsqrt(variance + read(self.epsilon))
        return (normalised * scale + shift).astype(dtype)


class RMSNorm(nnx.Module):
    """Root-mean-square normalisation: each row, not centred (Zhang & Sennrich 2019)."""

    def __init__(self, value: Value, width: int, used: Size) -> None:
        self.scale = nnx.Param(jnp.ones(width))
        self.used, self.epsilon = keep(used), keep(value("norm_epsilon"))

    def __call__(self, x: jax.Array, axis: int = 1, mask: jax.Array | None = None) -> jax.Array:
        """Divide each row by its root mean square."""
        dtype, x, used = x.dtype, _in_float32(x), read(self.used)
        square = _mean(clear(x, used, -axis) ** 2, used, axis)
        scale = _of_units(self.scale[...], x, axis)
        return (x * jax.lax.rsqrt(square + read(self.epsilon)) * scale).astype(dtype)


def _mean(x: jax.Array, used: Size, axis: int) -> jax.Array:
    """Return the mean of every row over its units, of images over their positions too."""
    if axis == 0:
        return x.sum(0, keepdims=True) / used
    positions = x[0].size // x.shape[-1]
    return x.sum(range(1, x.ndim), keepdims=True) / (used * positions)


def _of_units(p: jax.Array, x: jax.Array, axis: int) -> jax.Array:
    """Shape a number per unit so that it meets the units of `x`."""
    return p[:, None] if axis == 0 else p.reshape((1,) * (x.ndim - 1) + (-1,))


def _in_float32(x: jax.Array) -> jax.Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def moments_of_rows(x: jax.Array, axis: int, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return mean and biased variance of every unit over the valid rows."""
    count, valid = mask.sum(), jnp.expand_dims(mask, axis)
    mean = jnp.where(valid, x, 0).sum(1 - axis) / count
    centred = jnp.where(valid, x - jnp.expand_dims(mean, 1 - axis), 0)
    return mean, (centred**2).sum(1 - axis) / count
