"""A data set on the device: what every compiled program takes as an argument."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from snnjax.data.dataset import SPLITS, Dataset


class Arrays(NamedTuple):
    """A data set as arrays, the same for all members of a population.

    Attributes:
        features: (rows, columns) uint8 or float32; the network sees (features - shift) * scale.
        targets: (rows,) int32 or (rows, outputs) float32.
        shift: (columns,) float32.
        scale: (columns,) float32.
        rows: Per split its row indices, int32; entries past the split's count repeat the first.
        counts: Per split its number of rows, int32: traced, because folds differ by a few rows.
        target_scale: (outputs,) float32, the units of regression targets relative to the largest.
        target_squares: Per split the (outputs,) sums of squared deviations of the targets from
            their mean, in the network's unit.
    """

    features: jax.Array
    targets: jax.Array
    shift: jax.Array
    scale: jax.Array
    rows: Mapping[str, jax.Array]
    counts: Mapping[str, jax.Array]
    target_scale: jax.Array
    target_squares: Mapping[str, jax.Array]

    @property
    def has_validation(self) -> bool:
        """Whether there are validation rows at all, which is part of the program's shape."""
        return self.rows["validation"].shape[0] > 0


def to_device(data: Dataset) -> Arrays:
    """Move a data set to the default device."""
    squares = target_squares(data)
    relative_scale = data.target_scale / data.target_scale.max()
    return Arrays(
        features=jnp.asarray(data.features),
        targets=jnp.asarray(data.targets),
        shift=jnp.asarray(data.shift, jnp.float32),
        scale=jnp.asarray(data.scale, jnp.float32),
        rows={split: jnp.asarray(_padded(data.rows[split])) for split in SPLITS},
        counts={split: jnp.asarray(len(data.rows[split]), jnp.int32) for split in SPLITS},
        target_scale=jnp.asarray(relative_scale, jnp.float32),
        target_squares={split: jnp.asarray(squares[split], jnp.float32) for split in SPLITS},
    )


def bucket(rows: int) -> int:
    """Round a number of rows up to four significant bits, so that folds share their shapes.

    At most an eighth is added; 0 stays 0.
    """
    step = 1 << max(0, rows.bit_length() - 4)
    return -(-rows // step) * step


def _padded(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    if not len(rows):
        return rows
    filling = np.full(bucket(len(rows)) - len(rows), rows[0], np.int32)
    return np.concatenate([rows, filling])


def target_squares(data: Dataset) -> dict[str, NDArray[np.float64]]:
    """Sum, per split and output, the squared deviations of the targets from their mean.

    Zeros for classification, which has no use for them.
    """
    if data.task == "classification":
        return {split: np.zeros(data.outputs) for split in SPLITS}
    squares = {}
    for split in SPLITS:
        targets = data.targets[data.rows[split]].astype(np.float64)
        mean = targets.mean(0, keepdims=True) if len(targets) else 0.0
        squares[split] = ((targets - mean) ** 2).sum(0)
    return squares
