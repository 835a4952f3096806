"""Initialisers: pure functions from standard normal noise to a weight matrix.

`initializer(noise, fan_in, fan_out)` maps independent N(0, 1) noise of shape (fan_in, fan_out) to
weights. Drawing is kept apart from scaling, so that a deep network draws all its layers in a few
operations: one random call per layer is a third of the compile time. In a padded layer the noise
has more rows or columns than fan_in and fan_out say, and these may be traced.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from snnjax.nn.padding import Size

Initializer = Callable[[jax.Array, Size, Size], jax.Array]


def lecun_normal(noise: jax.Array, fan_in: Size, fan_out: Size) -> jax.Array:
    """Return N(0, 1/fan_in) weights, untruncated: the choice of self-normalizing networks."""
    return noise * (1 / fan_in) ** 0.5


def he_normal(noise: jax.Array, fan_in: Size, fan_out: Size) -> jax.Array:
    """Return N(0, 2/fan_in) weights, untruncated (He et al. 2015, Eq. 10): the choice for ReLU."""
    return noise * (2 / fan_in) ** 0.5


def standard_normals(
    key: jax.Array,
    shapes: Sequence[tuple[int, int]],
    used: Sequence[tuple[Size, Size]] | None = None,
) -> list[jax.Array]:
    """Draw independent N(0, 1) noise for every shape, layer l from its own key.

    Layers of similar size are drawn together and cut to size; what a layer gets depends on
    `key`, its position in the list and its own shape only.

    Args:
        key: A threefry key.
        shapes: Rows and columns of every layer.
        used: How many of them are not padding: these get what an unpadded layer would get.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for layer, (rows, columns) in enumerate(shapes):
        groups[_next_power_of_two(rows * columns)].append(layer)
    keys = jax.vmap(lambda layer: jax.random.fold_in(key, layer))(jnp.arange(len(shapes)))
    noise: dict[int, jax.Array] = {}
    for size, layers in groups.items():
        drawn = jax.vmap(lambda k, n=size: jax.random.normal(k, (n,)))(keys[jnp.array(layers)])
        for row, layer in zip(drawn, layers, strict=True):
            width = shapes[layer][1] if used is None else used[layer][1]
            noise[layer] = _cut(row, shapes[layer], width)
    return [noise[layer] for layer in range(len(shapes))]


def _cut(drawn: jax.Array, shape: tuple[int, int], columns: Size) -> jax.Array:
    """Lay out a sequence in rows of which the first `columns` columns are used."""
    if isinstance(columns, int):
        return drawn[: shape[0] * shape[1]].reshape(shape)
    row, column = (jax.lax.broadcasted_iota(jnp.int32, shape, axis) for axis in (0, 1))
    return drawn[row * columns + column]


def _next_power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()
