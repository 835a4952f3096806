"""Limits to the gradient before the optimizer sees it, and how often they take effect."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from snnjax.nn.numbers import Value

Tree = Any

_LIMITS = ("value", "norm", "layer_norm", "adaptive")
_SMALLEST_UNIT = 1e-3  # Brock et al. (2021), section 4.1: so that weights of 0 can move


def clip(value: Value, gradients: Tree, params: Tree) -> tuple[Tree, dict[str, jax.Array]]:
    """Limit gradients by element, by common norm, by array, by unit, whichever have a threshold.

    Args:
        value: Gives the thresholds of `config.ClipConfig`, None where there is none.
        gradients: A pytree of arrays.
        params: The parameters, of the same structure.

    Returns:
        The limited gradients; and `gradient_norm`, the norm of all before, `clipped`, 1 where any
        limit took effect, else 0, and `steps`, 1: nothing of it where there are no limits.
    """
    if not is_clipped(value):
        return gradients, {}
    limits = {name: value(name) for name in _LIMITS}
    norm, before = optax.tree.norm(gradients), gradients
    if (limit := limits["value"]) is not None:
        gradients = jax.tree.map(lambda g: jnp.clip(g, -limit, limit), gradients)
    if (limit := limits["norm"]) is not None:
        gradients = _scale_to(gradients, optax.tree.norm(gradients), limit)
    if (limit := limits["layer_norm"]) is not None:
        gradients = jax.tree.map(lambda g: _scale_to(g, jnp.sqrt(jnp.sum(g * g)), limit), gradients)
    if (limit := limits["adaptive"]) is not None:
        gradients = jax.tree.map(partial(_scale_units, limit), gradients, params)
    changed = [
        jnp.any(a != b)
        for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(gradients), strict=True)
    ]
    clipped = jnp.stack(changed).any().astype(float)
    return gradients, {"gradient_norm": norm, "clipped": clipped, "steps": jnp.ones(())}


def is_clipped(value: Value) -> bool:
    """Tell whether there is any limit."""
    return any(value(name) is not None for name in _LIMITS)


def _scale_units(limit: Any, gradient: jax.Array, weights: jax.Array) -> jax.Array:
    """Scale the gradient of every unit down to `limit` times the norm of its weights.

    A vector of biases is one unit. Unlike in optax a kernel with one row has as many units as
    columns: what a data set gives may not depend on the padding that makes it two rows.
    """
    axes = tuple(range(max(gradient.ndim - 1, min(gradient.ndim, 1))))
    norm, size = (jnp.sqrt((a * a).sum(axes, keepdims=True)) for a in (gradient, weights))
    return _scale_to(gradient, norm, limit * jnp.maximum(size, _SMALLEST_UNIT))


def _scale_to(tree: Tree, norm: jax.Array, limit: Any) -> Tree:
    """Scale a tree of this norm down to the limit; PyTorch adds 1e-6 to the norm, we do not."""
    is_above = norm > limit
    scale = jnp.where(is_above, limit / jnp.where(is_above, norm, 1), 1)
    return jax.tree.map(lambda g: jnp.where(is_above, g * scale, g), tree)
