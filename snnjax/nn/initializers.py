"""Initialisers: pure functions from standard normal noise to a weight matrix.

`initializer(noise, fan_in, fan_out)` maps independent N(0, 1) noise of shape (fan_in, fan_out) to
weights; further arguments are named like the keys of the model that give them. In a padded layer
the noise has more rows or columns than fan_in and fan_out say, and these may be traced.
"""

import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from snnjax.decompositions import qr
from snnjax.nn.padding import Size

Initializer = Callable[..., jax.Array]
Scalar = jax.Array | float
Fan = Literal["default", "fan_in", "fan_out", "fan_avg"]

# Truncated normals end at two standard deviations; what is left has this standard deviation.
_END = 2.0
_INSIDE = math.erf(_END / math.sqrt(2))
_DEVIATION = math.sqrt(1 - 2 * _END * math.exp(-(_END**2) / 2) / math.sqrt(2 * math.pi) / _INSIDE)


def lecun_normal(
    noise: jax.Array, fan_in: Size, fan_out: Size, init_fan: Fan = "default"
) -> jax.Array:
    """N(0, 1/fan_in), untruncated (LeCun et al. 1998): the choice of self-normalizing networks."""
    return noise * (1 / _fan(init_fan, "fan_in", fan_in, fan_out)) ** 0.5


def lecun_truncated(
    noise: jax.Array,
    fan_in: Size,
    fan_out: Size,
    init_fan: Fan = "default",
    init_corrected: bool = True,
) -> jax.Array:
    """Normal cut at two deviations, variance 1/fan_in (smaller if not corrected for the cut)."""
    return lecun_normal(_truncated(noise, init_corrected), fan_in, fan_out, init_fan)


def lecun_uniform(
    noise: jax.Array, fan_in: Size, fan_out: Size, init_fan: Fan = "default"
) -> jax.Array:
    """Uniform of variance 1/fan_in: U(-sqrt(3/fan_in), sqrt(3/fan_in))."""
    return lecun_normal(_uniform(noise), fan_in, fan_out, init_fan)


def glorot_normal(
    noise: jax.Array, fan_in: Size, fan_out: Size, init_fan: Fan = "default"
) -> jax.Array:
    """N(0, 2/(fan_in + fan_out)), untruncated (Glorot & Bengio 2010, Eq. 12)."""
    return noise * (1 / _fan(init_fan, "fan_avg", fan_in, fan_out)) ** 0.5


def glorot_truncated(
    noise: jax.Array,
    fan_in: Size,
    fan_out: Size,
    init_fan: Fan = "default",
    init_corrected: bool = True,
) -> jax.Array:
    """Normal cut at two deviations, variance 2/(fan_in + fan_out) (smaller if not corrected)."""
    return glorot_normal(_truncated(noise, init_corrected), fan_in, fan_out, init_fan)


def glorot_uniform(
    noise: jax.Array, fan_in: Size, fan_out: Size, init_fan: Fan = "default"
) -> jax.Array:
    """Normalised: U(-b, b) with b = sqrt(6/(fan_in + fan_out)) (Glorot & Bengio 2010, Eq. 16)."""
    return glorot_normal(_uniform(noise), fan_in, fan_out, init_fan)


def he_normal(
    noise: jax.Array,
    fan_in: Size,
    fan_out: Size,
    init_fan: Fan = "default",
    negative_slope: Scalar = 0.0,
) -> jax.Array:
    """N(0, 2/fan_in), untruncated (He et al. 2015): for ReLU; over 1 + slope^2 for leaky forms.

    With `negative_slope` a the variance is 2 / ((1 + a^2) fan_in), Eq. 15.
    """
    fan = _fan(init_fan, "fan_in", fan_in, fan_out)
    return noise * (2 / ((1 + negative_slope**2) * fan)) ** 0.5


def he_truncated(
    noise: jax.Array,
    fan_in: Size,
    fan_out: Size,
    init_fan: Fan = "default",
    init_corrected: bool = True,
    negative_slope: Scalar = 0.0,
) -> jax.Array:
    """Normal cut at two deviations, with the variance of `he_normal` (smaller if not corrected)."""
    cut = _truncated(noise, init_corrected)
    return he_normal(cut, fan_in, fan_out, init_fan, negative_slope)


def he_uniform(
    noise: jax.Array,
    fan_in: Size,
    fan_out: Size,
    init_fan: Fan = "default",
    negative_slope: Scalar = 0.0,
) -> jax.Array:
    """Uniform with the variance of `he_normal`: U(-sqrt(6/fan_in), sqrt(6/fan_in)) for ReLU."""
    return he_normal(_uniform(noise), fan_in, fan_out, init_fan, negative_slope)


def normal(noise: jax.Array, fan_in: Size, fan_out: Size) -> jax.Array:
    """N(0, 1) whatever the fan_in: a historical choice that fails."""
    return noise


def uniform(noise: jax.Array, fan_in: Size, fan_out: Size) -> jax.Array:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), variance 1/(3 fan_in): the standard until 2010.

    Glorot & Bengio 2010, Eq. 1: signals shrink from layer to layer.
    """
    return _uniform(noise) * (1 / (3 * fan_in)) ** 0.5


def orthogonal(noise: jax.Array, fan_in: int, fan_out: int) -> jax.Array:
    """Orthonormal rows or columns, whichever are fewer, drawn uniformly (Saxe et al. 2014)."""
    is_tall = noise.shape[0] >= noise.shape[1]
    tall = noise if is_tall else noise.T
    q, r = qr(tall)
    q = q * jnp.sign(jnp.diagonal(r))[None, :]
    return q if is_tall else q.T


def lsuv(noise: jax.Array, fan_in: int, fan_out: int) -> jax.Array:
    """Layer-sequential unit variance: orthonormal, then scaled on data (Mishkin & Matas 2016)."""
    return orthogonal(noise, fan_in, fan_out)


def zeros(noise: jax.Array, fan_in: Size, fan_out: Size) -> jax.Array:
    """Zeros: nothing tells the units apart, and they never part."""
    return jnp.zeros_like(noise)


def constant(noise: jax.Array, fan_in: Size, fan_out: Size, init_value: Scalar = 0.0) -> jax.Array:
    """All weights `model.init_value`."""
    return jnp.full_like(noise, init_value)


SCALED_ON_DATA = (lsuv,)
"""Initialisers after which every layer's pre-activations are given variance 1 on real rows."""

WITHOUT_PADDING = (orthogonal, lsuv)
"""Initialisers that must know the sizes of a layer when the program is compiled."""


def _fan(wanted: Fan, default: Fan, fan_in: Size, fan_out: Size) -> Size | float:
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    return fans[default if wanted == "default" else wanted]


def _uniform(noise: jax.Array) -> jax.Array:
    """Return U(-sqrt(3), sqrt(3)) numbers, variance 1, by the distribution function of N(0, 1)."""
    return jax.lax.erf(noise * 0.5**0.5) * 3**0.5


def _truncated(noise: jax.Array, corrected: bool) -> jax.Array:
    """Return N(0, 1) numbers from [-2, 2], divided by their deviation if corrected."""
    quantiles = jax.lax.erf(noise * 0.5**0.5) * _INSIDE
    cut = jax.lax.erf_inv(quantiles) * 2**0.5
    return cut / _DEVIATION if corrected else cut
