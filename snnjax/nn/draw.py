"""The weights of all layers, drawn together.

Drawing is kept apart from scaling, so that a deep network draws all its layers in a few
operations: one random call per layer is a third of the compile time.
"""

import inspect
from collections import defaultdict
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from snnjax.nn.numbers import Value, arguments, is_off
from snnjax.nn.padding import Size, clear
from snnjax.nn.units import negative_slope
from snnjax.registry import resolve


def draw_kernels(
    value: Value,
    key: jax.Array,
    shapes: Sequence[tuple[int, int]],
    used: Sequence[tuple[Size, Size]] | None = None,
) -> list[jax.Array]:
    """Draw the weights of every layer as the model's initialiser has them.

    Args:
        value: Gives the model's choices and numbers.
        key: A threefry key.
        shapes: fan_in and fan_out of every layer, padding included.
        used: The same without padding; None where there is none.
    """
    init, gain = resolve("initializer", value("init")), value("init_gain")
    further = dict(arguments(init, value, after=3))
    if "negative_slope" in inspect.signature(init).parameters:
        further["negative_slope"] = negative_slope(value)
    kernels = []
    fans = shapes if used is None else used
    for noise, (fan_in, fan_out) in zip(standard_normals(key, shapes, used), fans, strict=True):
        kernel = init(noise, fan_in, fan_out, **further)
        kernel = kernel if is_off(gain, 1.0) else gain * kernel
        kernels.append(clear(clear(kernel, fan_in, 0), fan_out, 1))
    return kernels


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
        # Drawn in float32 whatever the precision: a seed stands for the same weights in all.
        draw = jax.vmap(lambda k, n=size: jax.random.normal(k, (n,), jnp.float32))
        drawn = draw(keys[jnp.array(layers)]).astype(float)
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
