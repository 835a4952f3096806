"""Decompositions of matrices inside compiled programs that run side by side.

On a CPU, JAX shares the matrices of a batched decomposition out among the threads that also run
the programs, and waits for them: two programs that do so at once wait for each other for ever.
One matrix at a time is never shared out.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Decomposition = Callable[[jax.Array], Any]


def qr(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return orthonormal columns and an upper triangle whose product is a matrix."""
    q, r = _one_by_one(jnp.linalg.qr)(matrix)
    return q, r


def svd(matrix: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return a matrix's left vectors, singular values, largest first, and right vectors."""
    u, values, v = _one_by_one(jnp.linalg.svd)(matrix)
    return u, values, v


def singular_values(matrix: jax.Array) -> jax.Array:
    """Return the singular values of a matrix, largest first."""
    values: jax.Array = _one_by_one(_values)(matrix)
    return values


def _values(matrix: jax.Array) -> jax.Array:
    return jnp.linalg.svd(matrix, compute_uv=False)


def _one_by_one(function: Decomposition) -> Decomposition:
    """Let a function that is mapped over matrices take them one after another on a CPU."""
    if jax.default_backend() != "cpu":
        return function

    def plain(matrix: jax.Array) -> Any:
        return tuple(out) if isinstance(out := function(matrix), tuple) else out

    sequential: Decomposition = jax.custom_batching.sequential_vmap(plain)
    return sequential
