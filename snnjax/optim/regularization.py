"""What keeps weights small: penalties in the loss, decay beside the step, projection after it.

Weights are the kernels of layers; of weight-normalised layers what their directions and lengths
make. Biases, scales and shifts are left alone.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from snnjax.nn.linear import of_lengths
from snnjax.nn.numbers import Value, is_off

Tree = Any


def penalty(value: Value, params: Tree) -> jax.Array | float:
    """Return l1 * sum |w| + l2 * sum w^2; exactly 0.0 where both are off."""
    total: jax.Array | float = 0.0
    l1, l2 = value("l1"), value("l2")
    if not is_off(l1):
        total = total + l1 * sum(jnp.abs(w).sum() for w in weights(params))
    if not is_off(l2):
        total = total + l2 * sum((w * w).sum() for w in weights(params))
    return total


def weights(params: Tree) -> Iterator[jax.Array]:
    """Yield the kernel of every layer."""
    if not isinstance(params, dict):
        return
    if "kernel" in params:
        yield params["kernel"]
    elif "direction" in params:
        yield of_lengths(params["direction"], params["length"])
    else:
        for inner in params.values():
            yield from weights(inner)


def decay(value: Value, rate: Any, params: Tree, updated: Tree) -> Tree:
    """Take learning rate * decay * weights off the updated weights, decoupled from the gradient."""
    factor = value("decay")
    if is_off(factor):
        return updated
    shrink = rate * factor

    def one(name: str, before: jax.Array, after: jax.Array) -> jax.Array:
        return after - shrink * before if name in ("kernel", "length") else after

    return _map_named(one, params, updated)


def project(value: Value, params: Tree) -> Tree:
    """Shorten the weights that lead into a unit to `max_norm` where they are longer."""
    radius = value("max_norm")
    if radius is None:
        return params

    def one(name: str, _: jax.Array, leaf: jax.Array) -> jax.Array:
        if name == "length":
            return jnp.clip(leaf, -radius, radius)
        if name != "kernel":
            return leaf
        squares = (leaf * leaf).sum(tuple(range(leaf.ndim - 1)), keepdims=True)
        is_long = squares > radius * radius
        return jnp.where(is_long, leaf * (radius / jnp.sqrt(jnp.where(is_long, squares, 1))), leaf)

    return _map_named(one, params, params)


def add_noise(value: Value, gradients: Tree, key: jax.Array, step: jax.Array) -> Tree:
    """Add N(0, noise / (1 + step)^0.55) to every gradient (Neelakantan et al. 2015, Eq. 2).

    Args:
        value: Gives `noise`, the variance at step 0.
        gradients: A pytree of arrays.
        key: A threefry key of this step.
        step: Steps taken before.
    """
    variance = value("noise")
    if is_off(variance):
        return gradients
    deviation = jnp.sqrt(variance / (1 + step.astype(float)) ** 0.55)
    leaves, structure = jax.tree.flatten(gradients)
    keys = jax.random.split(key, len(leaves))
    noisy = [
        leaf + deviation * jax.random.normal(k, leaf.shape, jnp.float32)
        for leaf, k in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(structure, noisy)


def _map_named(
    function: Callable[[str, jax.Array, jax.Array], jax.Array], one: Tree, other: Tree
) -> Tree:
    """Map a function of a leaf's own name and two leaves over two trees."""

    def at(path: Any, a: jax.Array, b: jax.Array) -> jax.Array:
        return function(str(path[-1].key), a, b)

    return jax.tree_util.tree_map_with_path(at, one, other)
