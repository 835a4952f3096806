"""The matrix product of the layers, in the precision a program asks for.

The three products of a layer (forward, and two in its gradient) are written out so that each has
the form a CPU is fast at: bfloat16 operands with a float32 result reach its matrix units.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

Precision = Literal["float32", "bf16"]

# Up to this many inputs of a layer, a transposed copy of them costs less than it saves.
_MOST_COLUMNS = 512


_precision: ContextVar[Precision] = ContextVar("precision", default="float32")


@contextmanager
def precision_of_products(precision: Precision) -> Iterator[None]:
    """Compute in `precision` the products that are traced inside, and their gradients."""
    token = _precision.set(precision)
    try:
        yield
    finally:
        _precision.reset(token)


def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return x @ kernel: (rows, fan_in) by (fan_in, fan_out) to (rows, fan_out).

    In `bf16` the operands of this product and of the two in its gradient are rounded to
    bfloat16; the sums and the results stay float32.
    """
    return _product(x, kernel, _precision.get())


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _product(x: jax.Array, kernel: jax.Array, precision: Precision) -> jax.Array:
    return _dot(x, kernel, precision)


def _forward(
    x: jax.Array, kernel: jax.Array, precision: Precision
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _dot(x, kernel, precision), (x, kernel)


def _backward(
    precision: Precision, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    of_x = _dot(gradient, kernel, precision, (1, 1))
    if x.shape[1] > _MOST_COLUMNS:
        return of_x, _dot(x, gradient, precision, (0, 0))
    # Without the barrier the copy is folded back into a product that reads by columns.
    transposed = jax.lax.optimization_barrier(x.T)
    return of_x, _dot(transposed, gradient, precision)


_product.defvjp(_forward, _backward)


def _dot(
    a: jax.Array, b: jax.Array, precision: Precision, contracted: tuple[int, int] = (1, 0)
) -> jax.Array:
    if precision == "bf16":
        a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
    axes = (contracted[:1], contracted[1:])
    kind = jnp.promote_types(a.dtype, jnp.float32)
    return jax.lax.dot_general(a, b, (axes, ((), ())), preferred_element_type=kind)
