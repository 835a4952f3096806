"""Cheap counter-based random bits for dropout masks.

Dropout asks for one random number per activation and step; with threefry that costs a quarter of
a training step at width 256. Here the bits at a position are a hash of (key, position): the same
key gives the same bits on every backend, in any order, with no state to carry. It is a generator
for masks, not for cryptography; initial weights and permutations still come from threefry.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

# Two-multiply xorshift mixer of the "lowbias32" family (C. Wellons, hash prospector, 2018-2022):
# a bijection of 32-bit words with an avalanche bias of 0.107 per mille.
_SHIFTS = (16, 15, 15)
_MULTIPLIERS = (np.uint32(0x21F0AAAD), np.uint32(0xD35A2D97))
# First words of the fractional parts of the golden ratio, sqrt(2) and sqrt(3): arbitrary, odd.
_STRIDE = np.uint32(0x9E3779B9)
_LANES = (np.uint32(0x6A09E667), np.uint32(0xBB67AE85))


def mix(word: jax.Array) -> jax.Array:
    """Scramble uint32 words bijectively: every input bit flips every output bit half the time."""
    word = word ^ (word >> _SHIFTS[0])
    word = word * _MULTIPLIERS[0]
    word = word ^ (word >> _SHIFTS[1])
    word = word * _MULTIPLIERS[1]
    return word ^ (word >> _SHIFTS[2])


def make_key(seed: jax.Array) -> jax.Array:
    """Make a (2,) uint32 key from a uint32 scalar."""
    return fold(jnp.zeros(2, jnp.uint32), seed)


def fold(key: jax.Array, word: jax.Array | int) -> jax.Array:
    """Derive the (2,) uint32 key of stream number `word` (step, layer, ...) below `key`.

    Both lanes are bijections of `word`, so siblings never share a key.
    """
    lanes = jnp.asarray(_LANES, jnp.uint32)
    return mix(key + mix(jnp.asarray(word, jnp.uint32) ^ lanes))


def bits(key: jax.Array, shape: Sequence[int]) -> jax.Array:
    """Return uint32 random bits of `shape`: element number i is a hash of (key, i).

    Elements are numbered along the first axis first, so that the bits of the first columns of a
    matrix do not depend on how many columns follow.

    The second lane enters after a first multiplication and before a full mix, so that streams of
    different keys are neither shifts nor masks of one another.
    """
    shape = tuple(shape)
    position = jnp.zeros(shape, jnp.uint32)
    for axis in range(len(shape)):
        stride = np.uint32(math.prod(shape[:axis]))
        position += jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * stride
    word = position * _STRIDE + key[0]
    word = (word ^ (word >> _SHIFTS[0])) * _MULTIPLIERS[0]
    return mix(word ^ key[1])


def is_kept(key: jax.Array, rate: jax.Array | float, shape: Sequence[int]) -> jax.Array:
    """Draw a mask that is False with probability `rate` in [0, 1), to a resolution of 2**-32."""
    threshold = (jnp.asarray(rate, jnp.float32) * np.float32(2**32)).astype(jnp.uint32)
    return bits(key, shape) >= threshold
