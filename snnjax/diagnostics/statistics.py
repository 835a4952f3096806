"""Mean, variance, percentile and histogram of many values, on the device."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

BINS = 100
"""Bins of a histogram, equally wide."""

# Percentiles come from narrower bins, of which each bin of the histogram is so many together.
_NARROW = 20

# Histograms and percentiles are those of about so many values, whole rows spread over all.
_COUNTED = 2**15
# Multiples of it, without their whole parts, are spread evenly and in step with no number of
# positions of an image.
_GOLDEN = (5**0.5 - 1) / 2


class Values(NamedTuple):
    """Values of one layer.

    Attributes:
        array: (rows, columns).
        rows: (rows,) bool, which rows count; these come first where there are many.
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
        p98: Scalar, the 98th percentile, to a part in 2,000 of the range of the values.
        histogram: (BINS,) uint32 counts.
        edges: (2,), the first and the last edge of the bins: the least value and the largest.
    """

    mean: jax.Array
    variance: jax.Array
    p98: jax.Array
    histogram: jax.Array
    edges: jax.Array


def describe(values: Values) -> Statistics:
    """Describe the values that count.

    All is NaN, and counts are 0, where one of them or their variance is not finite.
    """
    x, valid = values.array, values.rows[:, None] & values.columns[None, :]
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    count = valid.sum()
    mean = jnp.where(valid, x, 0).sum() / count
    variance = (jnp.where(valid, x - mean, 0) ** 2).sum() / count
    low = jnp.where(valid, x, jnp.inf).min()
    high = jnp.where(valid, x, -jnp.inf).max()
    is_finite = jnp.isfinite(variance)
    some = _some_rows(values.rows, max(1, len(x) // max(1, x.size // _COUNTED)))
    narrow = _counts(x[some], valid[some] & is_finite, low, high)
    numbers = mean, variance, _percentile(narrow, 0.98, low, high), jnp.stack([low, high])
    mean, variance, p98, edges = (jnp.where(is_finite, own, jnp.nan) for own in numbers)
    return Statistics(mean, variance, p98, narrow.reshape(BINS, _NARROW).sum(1), edges)


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


def _some_rows(rows: jax.Array, number: int) -> jax.Array:
    """Return the places of so many rows, spread over all that count; all if there are no more."""
    if number == len(rows):
        return jnp.arange(number)
    spread = np.arange(number) * _GOLDEN % 1
    place = jnp.arange(number)
    count = rows.sum()
    return jnp.where(count > number, (spread * count).astype(place.dtype), place)


def _counts(x: jax.Array, valid: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """Count the valid values in narrow bins between the least and the largest."""
    bins = BINS * _NARROW
    width = jnp.maximum(high - low, jnp.finfo(x.dtype).tiny)
    place = jnp.clip(((x - low) / width * bins).astype(jnp.int32), 0, bins - 1)
    return jnp.zeros(bins, jnp.uint32).at[place].add(valid.astype(jnp.uint32))


def _percentile(counts: jax.Array, share: float, low: jax.Array, high: jax.Array) -> jax.Array:
    """Return the value below which a share of what was counted lies, linear within its bin.

    Sorting, which would be exact, takes ten times as long.
    """
    below = jnp.cumsum(counts).astype(low.dtype)
    wanted = share * below[-1]
    place = jnp.minimum((below < wanted).sum(), len(counts) - 1)
    before = below[place] - counts[place]
    inside = (wanted - before) / jnp.maximum(counts[place], 1)
    return low + (place + inside) * (high - low) / len(counts)
