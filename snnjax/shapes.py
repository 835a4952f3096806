"""The shapes that compiled programs are made for, and which data sets can share them.

A sweep over a hundred data sets must not compile a hundred times: sets of similar size are padded
to common shapes, and what is padding in them is an argument of the program.
"""

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from snnjax.data.dataset import Dataset, Stream
from snnjax.metric_names import Task

# Sets share a program if they fall between the same two of these sizes. Chosen on the 121 sets of
# the UCI collection: six programs instead of a hundred, for 1.3 % more arithmetic.
_FEATURES = (32, 272)
_CLASSES = (16, 128)
_TRAIN_ROWS = (4096,)

# Splits shorter than the longest one are rounded up to sizes that lie this factor apart.
_ROWS_RATIO = 4


@dataclass(frozen=True)
class Problem:
    """What the data decide of a program, for one data set or for several that share it.

    Attributes:
        task: What the outputs mean.
        features: Columns of the inputs; of the widest set.
        outputs: Classes or target columns; of the set with most.
        is_padded: Whether sets use different numbers of features or outputs.
        has_binary: Whether a set with two classes is among them.
        train_rows: Sizes to which training splits are rounded up, ascending; the last holds all.
        validation_rows: The same of validation splits; empty where there are none.
        stream: Where training rows come from, if not from a table.
    """

    task: Task
    features: int
    outputs: int
    is_padded: bool = False
    has_binary: bool = False
    train_rows: tuple[int, ...] = ()
    validation_rows: tuple[int, ...] = ()
    stream: Stream | None = None


def problem_of(sets: Sequence[Dataset]) -> Problem:
    """Return the problem that covers data sets of one `column_class`."""
    features = [data.features.shape[1] for data in sets]
    outputs = [data.outputs for data in sets]
    problem = Problem(
        task=sets[0].task,
        features=max(features),
        outputs=max(outputs),
        is_padded=len({*zip(features, outputs, strict=True)}) > 1,
        has_binary=sets[0].task == "classification" and 2 in outputs,
        stream=sets[0].stream,
    )
    return with_rows_of(problem, sets)


def with_rows_of(problem: Problem, sets: Sequence[Dataset]) -> Problem:
    """Return the problem for some of the sets that it covers, those of one `row_class`."""
    return replace(
        problem,
        train_rows=_row_sizes([data.epoch_rows for data in sets]),
        validation_rows=_row_sizes([len(data.rows["validation"]) for data in sets]),
    )


def column_class(data: Dataset, *, can_pad: bool = True) -> Hashable:
    """Return what data sets must have in common to share a table and a network.

    Args:
        data: The set.
        can_pad: Whether the network can tell padded columns from others; if not, only sets with
            the same columns share.
    """
    columns, outputs = data.features.shape[1], data.outputs
    if can_pad and data.task != "regression":
        columns, outputs = _round_up(columns, _FEATURES), _round_up(outputs, _CLASSES)
    has_weights = data.weights is not None
    is_bytes = data.features.dtype == np.uint8
    return data.task, is_bytes, has_weights, data.stream, columns, outputs


def row_class(data: Dataset) -> Hashable:
    """Return what data sets must have in common to share a program for training."""
    has_validation = len(data.rows["validation"]) > 0
    return bisect_left(_TRAIN_ROWS, data.epoch_rows), has_validation


def bucket(rows: int) -> int:
    """Round a number of rows up to four significant bits, so that folds share their shapes.

    At most an eighth is added; 0 stays 0.
    """
    step = 1 << max(0, rows.bit_length() - 4)
    return -(-rows // step) * step


def _row_sizes(counts: Sequence[int]) -> tuple[int, ...]:
    if not max(counts):
        return ()
    sizes = [bucket(max(counts))]
    while sizes[0] // _ROWS_RATIO >= max(1, min(counts)):
        sizes.insert(0, bucket(sizes[0] // _ROWS_RATIO))
    return tuple(sizes)


def _round_up(size: int, limits: Sequence[int]) -> int:
    place = bisect_left(limits, size)
    return limits[place] if place < len(limits) else size
