"""Initialisers: pure functions from standard normal noise to a weight matrix.

`initializer(noise, fan_in, fan_out)` maps independent N(0, 1) noise of shape (fan_in, fan_out) to
weights. Drawing is kept apart from scaling, so that a deep network draws all its layers in a few
operations: one random call per layer is a third of the compile time.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

Initializer = Callable[[jax.Array, int, int], jax.Array]


def lecun_normal(noise: jax.Array, fan_in: int, fan_out: int) -> jax.Array:
    """Return N(0, 1/fan_in) weights, untruncated: the choice of self-normalizing networks."""
    return noise * (1 / fan_in) ** 0.5


def he_normal(noise: jax.Array, fan_in: int, fan_out: int) -> jax.Array:
    """Return N(0, 2/fan_in) weights, untruncated (He et al. 2015, Eq. 10): the choice for ReLU."""
    return noise * (2 / fan_in) ** 0.5


def standard_normals(key: jax.Array, shapes: Sequence[tuple[int, int]]) -> list[jax.Array]:
    """Draw independent N(0, 1) noise for every shape, layer l from its own key.

    Layers of similar size are drawn together and cut to size; what a layer gets depends on
    `key`, its position in the list and its own shape only.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for layer, (rows, columns) in enumerate(shapes):
        groups[_next_power_of_two(rows * columns)].append(layer)
    keys = jax.vmap(lambda layer: jax.random.fold_in(key, layer))(jnp.arange(len(shapes)))
    noise: dict[int, jax.Array] = {}
    for size, layers in groups.items():
        drawn = jax.vmap(lambda k, n=size: jax.random.normal(k, (n,)))(keys[jnp.array(layers)])
        for row, layer in zip(drawn, layers, strict=True):
            rows, columns = shapes[layer]
            noise[layer] = row[: rows * columns].reshape(rows, columns)
    return [noise[layer] for layer in range(len(shapes))]


def _next_power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()
