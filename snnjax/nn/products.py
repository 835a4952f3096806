"""The matrix product of the layers, in the precision a program asks for.

The three products of a layer (forward, and two in its gradient) are written out so that each has
the form a CPU is fast at: bfloat16 operands with a float32 result reach its matrix units, and
narrow layers are faster with the features first, (features, rows).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

Precision = Literal["float32", "bf16", "float64"]

# Up to this many inputs of a layer, a transposed copy of them costs less than it saves in float32.
_MOST_COLUMNS = 512


_precision: ContextVar[Precision] = ContextVar("precision", default="float32")


def types_of(precision: Precision) -> AbstractContextManager[None]:
    """Let arrays of this thread have the types of a precision: 64 bits are JAX's choice, not ours.

    Programs are to be traced and called inside; those of another precision are not touched.
    """
    types: AbstractContextManager[None] = jax.enable_x64(precision == "float64")
    return types


@contextmanager
def precision_of_products(precision: Precision) -> Iterator[None]:
    """Compute in `precision` the products that are traced inside, and their gradients."""
    token = _precision.set(precision)
    try:
        yield
    finally:
        _precision.reset(token)


def product(x: jax.Array, kernel: jax.Array, axis: int = 1) -> jax.Array:
    """Return x @ kernel: (rows, fan_in) by (fan_in, fan_out) to (rows, fan_out).

    With the features along `axis` 0 both x and the result are transposed, (features, rows).

    In `bf16` the operands of this product and of the two in its gradient are rounded to
    bfloat16; the sums and the results stay float32.
    """
    return _product(x, kernel, axis, _precision.get())


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _product(x: jax.Array, kernel: jax.Array, axis: int, precision: Precision) -> jax.Array:
    if axis == 0:
        return _dot(transposed(_rounded(kernel, precision)), x, precision)
    return _dot(x, kernel, precision)


def _forward(
    x: jax.Array, kernel: jax.Array, axis: int, precision: Precision
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _product(x, kernel, axis, precision), (x, kernel)


def _backward(
    axis: int,
    precision: Precision,
    residuals: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    if axis == 0:
        of_x = _dot(kernel, gradient, precision)
        return of_x, _after(of_x, _dot(x, gradient, precision, (1, 1)))
    of_x = _dot(gradient, kernel, precision, (1, 1))
    if precision != "bf16" and x.shape[1] > _MOST_COLUMNS:
        return of_x, _after(of_x, _dot(x, gradient, precision, (0, 0)))
    return of_x, _after(of_x, _dot(transposed(_rounded(x, precision)), gradient, precision))


_product.defvjp(_forward, _backward)


def _after(earlier: jax.Array, later: jax.Array) -> jax.Array:
    """Return `later`, depending on `earlier` in the eyes of the compiler.

    A kernel is updated with its gradient once nothing else reads it any more; where the compiler
    cannot know the order of the two, it copies the kernel before every step.
    """
    nothing = (earlier.ravel()[0] > jnp.inf).astype(later.dtype)  # 0, but only we know
    return later + nothing


def transposed(x: jax.Array) -> jax.Array:
    """Return x.T; on a CPU a copy, whose columns are split while they are moved.

    A plain transpose is folded back into the product, which then reads by columns: slower in
    float32, and in bfloat16 out of reach of the CPU's matrix units.
    """
    if jax.default_backend() != "cpu":
        return x.T
    rows, columns = x.shape
    part = next((size for size in (16, 8, 4, 2, 3, 5, 7) if columns % size == 0), 1)
    return x.reshape(rows, columns // part, part).transpose(1, 2, 0).reshape(columns, rows)


def _rounded(x: jax.Array, precision: Precision) -> jax.Array:
    return x.astype(jnp.bfloat16) if precision == "bf16" else x


def _dot(
    a: jax.Array, b: jax.Array, precision: Precision, contracted: tuple[int, int] = (1, 0)
) -> jax.Array:
    a, b = _rounded(a, precision), _rounded(b, precision)
    axes = (contracted[:1], contracted[1:])
    kind = jnp.promote_types(a.dtype, jnp.float32)
    result = jax.lax.dot_general(a, b, (axes, ((), ())), preferred_element_type=kind)
    if precision == "bf16" and jax.default_backend() == "cpu":
        # XLA would fold a transpose that follows into the product, into a form that it has no
        # kernel for once it has settled on bfloat16.
        return jax.lax.optimization_barrier(result)
    return result
