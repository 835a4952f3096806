"""What every loader returns: the arrays of one data set, its split and its input scaling."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnjax.metric_names import Task

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Stream:
    """Training rows without end, each a function of random words, made while they are trained on.

    Attributes:
        generator: `package.module:function`, called with (rows, words) uint32 and an array
            namespace, `numpy` or `jax.numpy`; returns features and targets as a `Dataset` has them.
        words: Random words of a row.
        rows: Rows of an epoch.
    """

    generator: str
    words: int
    rows: int = 10_000

    def render(self, words: Any, xp: Any) -> tuple[Any, Any]:
        """Call the generator."""
        module, function = self.generator.split(":")
        features, targets = getattr(importlib.import_module(module), function)(words, xp)
        return features, targets


@dataclass(frozen=True)
class Dataset:
    """One data set, split and ready to be moved to a device.

    The network sees `(features[row] - shift) * scale`, computed after the rows of a batch are
    gathered, so that images stay bytes in memory and folds can share one array.

    Attributes:
        name: The name users pick.
        task: `classification`, `regression` or `multilabel`.
        features: (rows, columns), uint8 or float32, finite.
        targets: (rows,) int32 class indices, or (rows, outputs) float32 as the network is to
            predict them (standardised on the training rows if the inputs are); of `multilabel`
            (rows, outputs) float32 of 0, 1, and NaN where a label is missing.
        outputs: Number of classes, or of target columns.
        rows: For `train`, `validation` and `test` the int32 row indices, sorted, disjoint.
            `train` is never empty; the others may be.
        shift: (columns,) float32.
        scale: (columns,) float32, positive.
        target_shift: (outputs,) float64; regression targets in their own unit are
            `targets * target_scale + target_shift`. Zeros for all other tasks.
        target_scale: (outputs,) float64. Ones for all other tasks.
        sha256: Hex digest of the unscaled content, the same however the files were packed.
        weights: (rows,) float32, what rows weigh in the loss; None if all weigh the same.
        tasks: Names of the outputs of `multilabel`.
        classes: Names of the classes; empty where they have none but their numbers.
        stream: Where training rows come from; None if they are those of the array. Otherwise
            `rows["train"]` are others like them, for whatever else is asked of training rows.
    """

    name: str
    task: Task
    features: NDArray[np.uint8] | NDArray[np.float32]
    targets: NDArray[np.int32] | NDArray[np.float32]
    outputs: int
    rows: Mapping[str, NDArray[np.int32]]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32]
    target_shift: NDArray[np.float64]
    target_scale: NDArray[np.float64]
    sha256: str
    weights: NDArray[np.float32] | None = None
    tasks: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    stream: Stream | None = None

    @property
    def epoch_rows(self) -> int:
        """How many rows are trained on in an epoch."""
        return len(self.rows["train"]) if self.stream is None else self.stream.rows
