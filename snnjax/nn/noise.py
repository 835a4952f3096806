"""Cheap counter-based random bits for dropout masks and shuffles.

Dropout asks for one random number per activation and step; with threefry that costs a quarter of
a training step at width 256. Here the bits at a position are a hash of (key, position): the same
key gives the same bits on every backend, in any order, with no state to carry. It is a generator
for masks and orders, not for cryptography; initial weights come from threefry.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

# Two-multiply xorshift mixer of the "lowbias32" family (C. Wellons, hash prospector, 2018-2022):
# a bijection of 32-bit words with an avalanche bias of 0.107 per mille.
_SHIFTS = (16, 15, 15)
_MULTIPLIERS = (np.uint32(0x21F0AAAD), np.uint32(0xD35A2D97))
# Powers of the inverse of the plastic number, as fractions of 2**32 and odd: the lattice of least
# discrepancy in two dimensions. Two places start from the same word only if they are 7,843 rows and
# 47,809 columns apart, or further in one of the two.
_ROW_STRIDE = np.uint32(0xC13FA9A9)
_COLUMN_STRIDE = np.uint32(0x91E10DA5)
# First words of the fractional parts of sqrt(2) and sqrt(3): arbitrary, odd.
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


def from_row(key: jax.Array, row: jax.Array | int) -> jax.Array:
    """Return the key whose bits of row i are those of `key` at `row` + i.

    Rows looked at in parts then have the bits that they have together.
    """
    return key.at[0].add(jnp.asarray(row, jnp.uint32) * _ROW_STRIDE)


def bits(key: jax.Array, shape: Sequence[int], row_axis: int = 0) -> jax.Array:
    """Return uint32 random bits of shape (rows, ...): an element is a hash of key and place.

    Its place is the row and, counted over all other axes, the column: how many rows or columns
    there are does not matter, so that padding changes nothing. With `row_axis` 1 the shape is
    (columns, rows), and the bits are the transpose of those of (rows, columns).

    The second lane enters after a first multiplication and before a full mix, so that streams of
    different keys are neither shifts nor masks of one another.
    """
    matrix = (shape[0], int(np.prod(shape[1:])))
    places = [jax.lax.broadcasted_iota(jnp.uint32, matrix, axis) for axis in (0, 1)]
    row, column = places[row_axis], places[1 - row_axis]
    word = row * _ROW_STRIDE + column * _COLUMN_STRIDE + key[0]
    word = (word ^ (word >> _SHIFTS[0])) * _MULTIPLIERS[0]
    return mix(word ^ key[1]).reshape(tuple(shape))


def is_kept(
    key: jax.Array, rate: jax.Array | float, shape: Sequence[int], row_axis: int = 0
) -> jax.Array:
    """Draw a mask that is False with probability `rate` in [0, 1), to a resolution of 2**-32.

    Its shape and `row_axis` are those of `bits`.
    """
    threshold = (jnp.asarray(rate, jnp.float32) * np.float32(2**32)).astype(jnp.uint32)
    return bits(key, shape, row_axis) >= threshold


def uniform(key: jax.Array, shape: Sequence[int], row_axis: int = 0) -> jax.Array:
    """Draw float32 numbers from [0, 1), multiples of 2**-24; shape and `row_axis` as of `bits`."""
    return (bits(key, shape, row_axis) >> 8).astype(jnp.float32) * np.float32(2**-24)
