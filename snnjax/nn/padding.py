"""Networks for data sets of different widths in one program: which columns are not padding.

A padded column of the inputs is zero, and so are the weights of a padded unit; both stay zero, so
that a padded network computes what the unpadded one does.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Size = int | jax.Array
"""A number of units; an int where it is known when the program is compiled."""


class Used(NamedTuple):
    """How many of the padded columns at both ends of a network are a data set's own."""

    features: Any
    outputs: Any


def clear(x: jax.Array, used: Size, axis: int, value: float = 0.0) -> jax.Array:
    """Set the positions from `used` on along an axis to a value; an int used leaves x alone."""
    if isinstance(used, int):
        return x
    position = jax.lax.broadcasted_iota(jnp.int32, x.shape, axis % x.ndim)
    return jnp.where(position < used, x, value)
