"""The metrics of what a method says of rows: the sums that networks are judged by, on the host."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnjax.arrays import target_squares
from snnjax.baselines.fitting import Outputs
from snnjax.data.dataset import Dataset
from snnjax.metrics import areas, count_pairs, summarize

_LEAST = float(np.finfo(np.float32).eps)  # a probability that the loss is finite of

Metrics = dict[str, float]


def score(outputs: Outputs, data: Dataset, split: str) -> tuple[Metrics, Metrics]:
    """Return the metrics of the outputs for the rows of a split, and of labels the areas by name.

    The loss of classes and labels is the cross-entropy of probabilities, taken as at least the
    rounding error of float32, and NaN of methods that know none.
    """
    targets = data.targets[data.rows[split]]
    if data.task == "regression":
        sums = _regression_sums(outputs, targets)
    elif data.task == "multilabel":
        sums = _label_sums(outputs, targets)
    else:
        sums = _class_sums(outputs, targets, data.outputs)
    metrics = summarize(sums, data.target_scale, target_squares(data)[split], np)
    by_label = zip(data.tasks, areas(sums), strict=True) if data.task == "multilabel" else ()
    return (
        {name: float(value) for name, value in metrics.items()},
        {name: float(area) for name, area in by_label},
    )


def _class_sums(outputs: Outputs, labels: NDArray[Any], classes: int) -> dict[str, Any]:
    predicted, probabilities = outputs.predicted.astype(np.int64), outputs.probabilities
    right = labels[labels == predicted]
    counted = {"actual": labels, "predicted": predicted, "correct": right}
    own = None if probabilities is None else probabilities[np.arange(len(labels)), labels]
    return {
        "count": len(labels),
        "loss": _cross_entropy(own),
        "pairs": count_pairs(outputs.scores, labels),
        **{name: np.bincount(kinds, minlength=classes) for name, kinds in counted.items()},
    }


def _label_sums(outputs: Outputs, labels: NDArray[Any]) -> dict[str, Any]:
    is_positive, is_negative = labels == 1, labels == 0
    known = is_positive | is_negative
    p = outputs.probabilities
    own = None if p is None else np.where(is_positive, p, 1 - p)[known]
    return {
        "count": known.sum(),
        "loss": _cross_entropy(own),
        "pairs": count_pairs(outputs.scores, labels),
        "positives": is_positive.sum(0),
        "negatives": is_negative.sum(0),
        "right": (known & (outputs.predicted == labels)).sum(0),
    }


def _regression_sums(outputs: Outputs, targets: NDArray[Any]) -> dict[str, Any]:
    squares = (outputs.predicted - targets.astype(np.float64)) ** 2
    return {
        "count": len(targets),
        "loss": squares.mean(1).sum(),
        "squared_error": squares.sum(0),
    }


def _cross_entropy(probabilities: NDArray[Any] | None) -> float:
    if probabilities is None:
        return float("nan")
    return float(-np.log(np.maximum(probabilities, _LEAST)).sum())
