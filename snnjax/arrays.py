"""Data sets on the device: one table of rows, and what each member sees of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from snnjax.data.dataset import SPLITS, Dataset
from snnjax.nn.padding import Used
from snnjax.shapes import Problem, bucket, problem_of


class Table(NamedTuple):
    """The rows of one or several data sets, shared by all members.

    Attributes:
        features: (rows, columns) uint8 or float32; columns that a set lacks are 0.
        targets: (rows,) int32 or (rows, outputs) float32; labels that a row or set lacks are NaN.
        indices: (entries,) int32, rows of `features`: every split of every set, end to end.
        weights: (rows,) float32, what rows weigh in the loss; None if all weigh the same.
    """

    features: jax.Array
    targets: jax.Array
    indices: jax.Array
    weights: jax.Array | None = None


class View(NamedTuple):
    """What a member sees of a table: numbers, free to differ between members.

    Attributes:
        first: Per split where its rows begin in `Table.indices`.
        rows: Per split its number of rows.
        used: How many columns and outputs are the set's own; the others are padding.
        shift: (columns,) float32; the network sees (features - shift) * scale.
        scale: (columns,) float32.
        target_scale: (outputs,), the units of regression targets relative to the largest.
        target_squares: Per split the (outputs,) sums of squared deviations of the targets from
            their mean, in the network's unit.
        unit: The largest unit of the targets, float32: errors times it are in the targets' own.
        class_weights: What the classes weigh in a balanced loss, (outputs,) float32; of several
            labels (2, outputs), those of 0 and of 1. Empty in regression.
    """

    first: Mapping[str, Any]
    rows: Mapping[str, Any]
    used: Used
    shift: Any
    scale: Any
    target_scale: Any
    target_squares: Mapping[str, Any]
    unit: Any
    class_weights: Any


class Arrays(NamedTuple):
    """What a member trains on."""

    table: Table
    view: View


@dataclass(frozen=True)
class Layout:
    """Data sets laid out for one compiled program.

    Attributes:
        problem: The shapes that cover all of them.
        sets: The data sets.
        table: Their rows, on the default device.
        views: What a member of each set sees, on the host.
    """

    problem: Problem
    sets: tuple[Dataset, ...]
    table: Table
    views: tuple[View, ...]


def lay_out(*sets: Dataset, problem: Problem | None = None) -> Layout:
    """Put data sets of one `shapes.column_class` into one table.

    Folds of one set that share their features in memory share their rows in the table too.

    Args:
        sets: The data sets.
        problem: Shapes that cover them, perhaps others too; by default no others.
    """
    problem = problem or problem_of(sets)
    offsets: dict[int, int] = {}
    features, targets, indices, weights, views = [], [], [], [], []
    rows = entries = 0
    for data in sets:
        # Regression targets are scaled by the training rows, so that folds cannot share them.
        own = id(data.targets) if data.task == "regression" else id(data.features)
        if own not in offsets:
            offsets[own] = rows
            rows += len(data.features)
            features.append(_widened(data.features, problem.features))
            targets.append(_widened_targets(data, problem.outputs))
            if data.weights is not None:
                weights.append(data.weights)
        first = {}
        for split in SPLITS:
            first[split] = np.int32(entries)
            indices.append(data.rows[split] + np.int32(offsets[own]))
            entries += len(data.rows[split])
        views.append(_view(data, problem, first))
    # Splits of other folds are a little shorter or longer, and must not change the shape.
    indices.append(np.zeros(bucket(entries) - entries, np.int32))
    columns = (features, targets, indices, weights)
    table = Table(*(jax.device_put(_joined(parts)) for parts in columns if parts))
    return Layout(problem, sets, table, tuple(views))


def target_squares(data: Dataset) -> dict[str, NDArray[np.float64]]:
    """Sum, per split and output, the squared deviations of the targets from their mean.

    Zeros for other tasks than regression, which have no use for them.
    """
    if data.task != "regression":
        return {split: np.zeros(data.outputs) for split in SPLITS}
    squares = {}
    for split in SPLITS:
        targets = data.targets[data.rows[split]].astype(np.float64)
        mean = targets.mean(0, keepdims=True) if len(targets) else 0.0
        squares[split] = ((targets - mean) ** 2).sum(0)
    return squares


def _view(data: Dataset, problem: Problem, first: Mapping[str, Any]) -> View:
    columns = data.features.shape[1]
    relative_scale = data.target_scale / data.target_scale.max()
    return View(
        first=first,
        rows={split: np.int32(len(data.rows[split])) for split in SPLITS},
        used=Used(np.int32(columns), np.int32(data.outputs)),
        shift=_widened(data.shift[None].astype(np.float32), problem.features)[0],
        scale=_widened(data.scale[None].astype(np.float32), problem.features)[0],
        target_scale=_widened(relative_scale[None], problem.outputs)[0],
        target_squares={
            split: _widened(squares[None], problem.outputs)[0]
            for split, squares in target_squares(data).items()
        },
        unit=np.float32(data.target_scale.max()),
        class_weights=_balanced(data, problem.outputs),
    )


def class_weights(data: Dataset) -> NDArray[np.float64]:
    """Return weights that make all classes count alike in the training rows, as scikit-learn's do.

    A class of n rows out of N, with C classes present, weighs N / (C n); one without rows 1.

    Returns:
        (classes,), or for several labels (2, labels), each label by itself over the rows that have
        it.
    """
    targets = data.targets[data.rows["train"]]
    if data.task == "classification":
        counts = np.bincount(targets, minlength=data.outputs).astype(np.float64)
    else:
        counts = np.stack([(targets == kind).sum(0) for kind in (0, 1)]).astype(np.float64)
    present = np.maximum((counts > 0).sum(0), 1)
    return np.where(counts > 0, counts.sum(0) / (present * np.maximum(counts, 1)), 1)


def _balanced(data: Dataset, outputs: int) -> Any:
    if data.task == "regression":
        return ()
    weights = class_weights(data).astype(np.float32)
    return np.pad(weights, [(0, 0)] * (weights.ndim - 1) + [(0, outputs - data.outputs)])


def _widened_targets(data: Dataset, outputs: int) -> NDArray[Any]:
    """Append labels that are missing, so that sets with fewer labels can share a table."""
    if data.task != "multilabel" or data.outputs == outputs:
        return data.targets
    return np.pad(
        data.targets, ((0, 0), (0, outputs - data.outputs)), constant_values=np.float32(np.nan)
    )


def _widened(table: NDArray[Any], columns: int) -> NDArray[Any]:
    """Append columns of zeros."""
    missing = columns - table.shape[1]
    return np.pad(table, ((0, 0), (0, missing))) if missing else table


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
