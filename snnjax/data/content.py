"""What a reader returns: one data set as published, before a fold is chosen and inputs scaled."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnjax.data.catalog import DataError
from snnjax.data.dataset import Stream
from snnjax.data.scaling import Scaling
from snnjax.metric_names import Task

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Content:
    """The unscaled arrays of a data set and its test rows in every fold.

    Attributes:
        task: `classification`, `regression` or `multilabel`.
        features: (rows, columns), uint8 for images, float64 for tables.
        targets: (rows,) int32 class indices, or (rows, outputs) float64, NaN for missing labels.
        outputs: Number of classes, or of target columns.
        test: (rows, folds), True where a row is a test row.
        validation: (rows, folds), the set's own validation rows; None if it defines none.
        weights: (rows,) float64, what rows weigh in the loss; None if all weigh the same.
        tasks: Names of the outputs of `multilabel`.
        classes: Names of the classes; empty where they have none but their numbers.
        stream: Where training rows come from, if not from the features; see `Dataset`.
        scalings: For every choice of `data.standardize` how features are scaled, where that does
            not depend on the training rows.
        prepare: Makes the features of all rows, (rows, columns) float64, fitted on the training
            rows it is given, of `features`, which need not be finite then, and of `sparse`.
        sparse: (rows, columns) scipy.sparse.csr_array, for `prepare` only.
    """

    task: Task
    features: NDArray[np.uint8] | NDArray[np.float64]
    targets: NDArray[np.int32] | NDArray[np.float64]
    outputs: int
    test: Mask
    validation: Mask | None = None
    weights: NDArray[np.float64] | None = None
    tasks: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    stream: Stream | None = None
    scalings: Mapping[str, Scaling] | None = None
    prepare: "Callable[[Content, NDArray[np.int32]], NDArray[np.float64]] | None" = None
    sparse: Any = None

    @cached_property
    def sha256(self) -> str:
        """The digest of features, targets and weights."""
        more = [] if self.weights is None else [self.weights]
        if self.sparse is not None:
            places = (self.sparse.indptr, self.sparse.indices)
            more += [*(place.astype(np.int64) for place in places), self.sparse.data]
        return digest(self.features, self.targets, *more)


def digest(*arrays: NDArray[np.generic]) -> str:
    """Return the sha256 over type, shape and little-endian C-order bytes of each array."""
    total = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        total.update(f"{plain.dtype.str}{plain.shape}".encode())
        total.update(plain.data)
    return total.hexdigest()


def check_finite(name: str, what: str, table: NDArray[np.generic]) -> None:
    """Raise `DataError` naming the data set and the first column that is not finite.

    Args:
        name: The data set.
        what: `features` or `targets`.
        table: (rows, columns); integer tables pass unseen.
    """
    if not np.issubdtype(table.dtype, np.floating):
        return
    bad = ~np.isfinite(table)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{name}: column {column} of the {what} holds {table[row, column]} in row {row}; "
            f"every value must be finite ({int(bad.sum())} are not)"
        )
