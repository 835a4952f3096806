"""Rows of a batch shared out among devices: data parallelism, as one axis of the mesh.

A program is written as for one device. Where its mesh has an axis for rows, the compiler divides
what follows from a batch, and adds up over devices what is a sum or mean over rows: losses,
gradients, the moments of batch normalisation. Formulas and random numbers stay as they are.
"""

from typing import Any

import jax
from jax.sharding import PartitionSpec

MEMBERS, ROWS = "members", "rows"
"""The axes of a mesh: members are dealt out along one, rows of their batches along the other."""


def over_devices(arrays: Any) -> Any:
    """Share the leading axis of arrays out among the devices of a member, if it has several.

    Where rows cannot be divided evenly, the compiler fills up the last device's.

    Args:
        arrays: A pytree, as a program that is being traced has it.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.shape.get(ROWS, 1) == 1:
        return arrays
    return jax.lax.with_sharding_constraint(arrays, PartitionSpec(ROWS))
