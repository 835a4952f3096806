"""Mean, variance, percentile and histogram of many values, on the device."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

BINS = 100
"""Bins of a histogram, equally wide."""

# Percentiles are those of so many values, evenly spread over all: sorting costs more than the rest.
_SORTED = 8192


class Values(NamedTuple):
    """Values of one layer.

    Attributes:
        array: (rows, columns).
        rows: (rows,) bool, which rows count.
        columns: (columns,) bool, which columns are not padding.
    """

    array: jax.Array
    rows: jax.Array
    columns: jax.Array


class Statistics(NamedTuple):
    """What is kept of values.

    Attributes:
        mean: Scalar.
        variance: Scalar, divided by the number of values.
        p98: Scalar, the 98th percentile.
        histogram: (BINS,) uint32 counts.
        edges: (2,), the first and the last edge of the bins: the least value and the largest.
    """

    mean: jax.Array
    variance: jax.Array
    p98: jax.Array
    histogram: jax.Array
    edges: jax.Array


def describe(values: Values) -> Statistics:
    """Describe the values that count; all is NaN, and counts are 0, where one is not finite."""
    x, valid = values.array, values.rows[:, None] & values.columns[None, :]
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    count = valid.sum()
    mean = jnp.where(valid, x, 0).sum() / count
    variance = (jnp.where(valid, x - mean, 0) ** 2).sum() / count
    low = jnp.where(valid, x, jnp.inf).min()
    high = jnp.where(valid, x, -jnp.inf).max()
    width = jnp.maximum(high - low, jnp.finfo(x.dtype).tiny)
    place = jnp.clip(((x - low) / width * BINS).astype(jnp.int32), 0, BINS - 1)
    is_counted = valid & jnp.isfinite(variance)
    counts = jnp.zeros(BINS, jnp.uint32).at[place].add(is_counted.astype(jnp.uint32))
    edges = jnp.where(jnp.isfinite(variance), jnp.stack([low, high]), jnp.nan)
    return Statistics(mean, variance, _percentile(x, valid, 0.98), counts, edges)


def describe_each(values: Sequence[Values]) -> Statistics:
    """Describe the values of several layers, (layers, ...); those of one shape by one loop."""
    described = each_alike(describe, values)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *described)


def each_alike(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Apply a function to pytrees, those of equal shapes in one loop: a deep network compiles once.

    Returns:
        The results in the order of the items.
    """
    groups: dict[Any, list[int]] = {}
    for number, item in enumerate(items):
        leaves, structure = jax.tree.flatten(item)
        kind = structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        groups.setdefault(kind, []).append(number)
    results: list[Any] = [None] * len(items)
    for numbers in groups.values():
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(items[n] for n in numbers))
        together = jax.lax.map(function, stacked)
        for place, number in enumerate(numbers):
            results[number] = jax.tree.map(lambda leaf, place=place: leaf[place], together)
    return results


def _percentile(x: jax.Array, valid: jax.Array, share: float) -> jax.Array:
    """Return the value below which a share of the valid ones lies, interpolated linearly."""
    step = max(1, -(-x.size // _SORTED))
    some, counted = x.ravel()[::step], valid.ravel()[::step]
    ordered = _sort(jnp.where(counted, some, jnp.inf))
    position = share * (jnp.maximum(counted.sum(), 1) - 1)
    below = jnp.floor(position).astype(jnp.int32)
    above = jnp.ceil(position).astype(jnp.int32)
    part = (position - below).astype(x.dtype)
    value = ordered[below] * (1 - part) + ordered[above] * part
    # At the last value `above` is `below`, and infinities of what does not count are not read.
    return jnp.where(jnp.isfinite(jnp.where(counted, some, 0)).all(), value, jnp.nan)


def _sort(x: jax.Array) -> jax.Array:
    """Sort floats by their bits, which a CPU does four times as fast; NaN are anywhere."""
    if x.dtype != jnp.float32:
        return jnp.sort(x)

    def flip(bits: jax.Array) -> jax.Array:
        return jnp.where(bits < 0, bits ^ 0x7FFFFFFF, bits)

    bits = flip(jax.lax.bitcast_convert_type(x, jnp.int32))
    return jax.lax.bitcast_convert_type(flip(jnp.sort(bits)), jnp.float32)
