"""Metrics from sums: exact over a whole split, the same definition on device and host.

A pass over a split adds up sums (counts, confusion matrix, pairs, squared errors). `summarize`
turns them into metrics; with `xp=numpy` in float64 for what is reported, with `xp=jax.numpy`
inside the compiled program for early stopping.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

Sums = Mapping[str, Any]

# Pair counts are added up on the device in blocks small enough for int32: a block's sum is at
# most 2 * _PAIR_BLOCK * rows.
_PAIR_BLOCK = 4096
_MOST_ROWS = 2**31 // (2 * _PAIR_BLOCK)


def class_counts(
    labels: jax.Array, predictions: jax.Array, mask: jax.Array, classes: int
) -> dict[str, jax.Array]:
    """Count per class its rows, the rows predicted as it, and those that are both.

    They are the margins and the diagonal of the confusion matrix: all that any metric needs.

    Returns:
        `actual`, `predicted` and `correct`, each (classes,) int32, masked rows left out.
    """
    kinds = jnp.arange(classes)[None, :]
    is_actual = (labels[:, None] == kinds) & mask[:, None]
    is_predicted = (predictions[:, None] == kinds) & mask[:, None]
    counted = {
        "actual": is_actual,
        "predicted": is_predicted,
        "correct": is_actual & is_predicted,
    }
    return {name: is_one.sum(0, dtype=jnp.int32) for name, is_one in counted.items()}


def concordant_pairs(
    scores: jax.Array, labels: jax.Array, mask: jax.Array, first_class: int = 0
) -> jax.Array:
    """Count, one class against the rest, (positive, negative) pairs in the right order, twice.

    A tie counts once, so that the area under the ROC curve is the sum over blocks divided by
    2 * positives * negatives (Mann-Whitney).

    Args:
        scores: (rows, classes) float32, more means likelier.
        labels: (rows,) int32 classes, or (rows, classes) of 0, 1, and NaN for what is missing.
        mask: (rows,) bool, False for padding.
        first_class: The class that the first column of `scores` belongs to.

    Returns:
        (classes, blocks) int32.

    Raises:
        ValueError: More rows than int32 can count pairs of, 262,144.
    """
    if scores.shape[0] > _MOST_ROWS:
        raise ValueError(f"ROC AUC of {scores.shape[0]} rows; at most {_MOST_ROWS} can be counted")
    blocks = pair_blocks(scores.shape[0])
    padding = blocks * _PAIR_BLOCK - scores.shape[0]

    def one_against_rest(column: jax.Array) -> jax.Array:
        score = scores[:, column]
        if labels.ndim == 1:
            is_positive = mask & (labels == column + first_class)
            is_negative = mask & (labels != column + first_class)
        else:
            is_positive = mask & (labels[:, column + first_class] == 1)
            is_negative = mask & (labels[:, column + first_class] == 0)
        negatives = jnp.sort(jnp.where(is_negative, score, jnp.inf))
        below = jnp.searchsorted(negatives, score, side="left")
        up_to = jnp.minimum(jnp.searchsorted(negatives, score, side="right"), is_negative.sum())
        pairs = jnp.where(is_positive, below + up_to, 0).astype(jnp.int32)
        return jnp.pad(pairs, (0, padding)).reshape(blocks, _PAIR_BLOCK).sum(1)

    return jax.lax.map(one_against_rest, jnp.arange(scores.shape[1]))


def pair_blocks(rows: int) -> int:
    """Return in how many blocks `concordant_pairs` counts the pairs of so many rows."""
    return -(-rows // _PAIR_BLOCK)


def label_counts(labels: jax.Array, logits: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    """Count per label the rows that have it, those that do not, and those predicted rightly.

    Args:
        labels: (rows, labels) of 0, 1, and NaN for what is missing and not counted.
        logits: (rows, labels); one above 0 predicts 1.
        mask: (rows,) bool, False for padding.

    Returns:
        `positives`, `negatives` and `right`, each (labels,) int32.
    """
    is_positive, is_negative = (mask[:, None] & (labels == kind) for kind in (1, 0))
    is_right = jnp.where(logits > 0, is_positive, is_negative)
    counted = {"positives": is_positive, "negatives": is_negative, "right": is_right}
    return {name: is_one.sum(0, dtype=jnp.int32) for name, is_one in counted.items()}


def count_pairs(scores: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.int64]:
    """Count on the host what `concordant_pairs` counts on the device, as (classes or 1, 1).

    Two classes need class 1 only.
    """
    columns, counts = scores.shape[1], []
    for column in range(1 if columns == 2 and labels.ndim == 1 else 0, columns):
        is_positive = (labels == column) if labels.ndim == 1 else labels[:, column] == 1
        is_negative = ~is_positive if labels.ndim == 1 else labels[:, column] == 0
        positives = scores[is_positive, column]
        negatives = np.sort(scores[is_negative, column])
        below = np.searchsorted(negatives, positives, side="left")
        up_to = np.searchsorted(negatives, positives, side="right")
        counts.append([below.sum(dtype=np.int64) + up_to.sum(dtype=np.int64)])
    return np.array(counts, np.int64)


def summarize(
    sums: Sums, target_scale: Any = None, target_squares: Any = None, xp: Any = np
) -> dict[str, Any]:
    """Turn sums into metrics; what the sums lack is left out.

    All sums may have the same leading axes, which the metrics then have too.

    Args:
        sums: From `step.eval_step` over a split: `loss` and `count` (of labels, where a row has
            several), and the `class_counts` or `label_counts`, perhaps `pairs`, or `squared_error`
            per output (regression); of training steps perhaps `weight`, which the loss is divided
            by instead, `gradient_norm`, `clipped`, `learning_rate` and `steps`; of passes with
            dropout on perhaps `entropy` and `information`, or `squared_spread` per output.
        target_scale: (outputs,) unit of each regression output.
        target_squares: (outputs,) sum of squared deviations of the split's targets from their mean,
            in the network's unit.
        xp: `numpy` or `jax.numpy`.
    """
    metrics = {"loss": average_loss(sums, xp)}
    if "hits" in sums:
        metrics["accuracy"] = sums["hits"] / sums["count"]
    for name in ("entropy", "information"):
        if name in sums:
            metrics[name] = sums[name] / sums["count"]
    if "clipped" in sums:
        metrics["gradient_norm"] = sums["gradient_norm"] / sums["steps"]
        metrics["clip_share"] = sums["clipped"] / sums["steps"]
    if "learning_rate" in sums:
        metrics["learning_rate"] = sums["learning_rate"] / sums["steps"]
    if "right" in sums:
        metrics |= _multilabel(sums, xp)
    if "correct" in sums:
        metrics |= _classification(sums, xp)
    if "squared_error" in sums:
        metrics |= _regression(sums, target_scale, target_squares, xp)
    return metrics


def average_loss(sums: Sums, xp: Any = jnp) -> Any:
    """Return the mean loss of a split or batch, weighted where it was; 0 where nothing weighs."""
    if "weight" not in sums:
        return sums["loss"] / sums["count"]
    weight = sums["weight"]
    return sums["loss"] / xp.where(weight > 0, weight, 1)


def areas(sums: Sums, xp: Any = np) -> Any:
    """Return the area under the ROC curve of every label, NaN where it lacks rows of a kind."""
    # As below: the device is content with float32.
    real = xp.float32 if xp is jnp else xp.float64
    possible = sums["positives"].astype(real) * sums["negatives"].astype(real)
    area = sums["pairs"].astype(real).sum(-1) / (2 * xp.maximum(possible, 1))
    return xp.where(possible > 0, area, xp.nan)


def _multilabel(sums: Sums, xp: Any) -> dict[str, Any]:
    metrics = {"accuracy": sums["right"].sum(-1) / sums["count"]}
    if "pairs" in sums:
        area = areas(sums, xp)
        defined = (~xp.isnan(area)).sum(-1)
        mean = xp.where(xp.isnan(area), 0, area).sum(-1) / xp.maximum(defined, 1)
        metrics["roc_auc"] = xp.where(defined > 0, mean, xp.nan)
    return metrics


def _classification(sums: Sums, xp: Any) -> dict[str, Any]:
    correct, actual, predicted = sums["correct"], sums["actual"], sums["predicted"]
    present = (actual + predicted) > 0
    f1 = xp.where(present, 2 * correct / xp.maximum(actual + predicted, 1), 0)
    metrics = {
        "accuracy": correct.sum(-1) / sums["count"],
        "macro_f1": f1.sum(-1) / present.sum(-1),
    }
    if "pairs" in sums:
        # Products of counts leave int32's range: a program's own type serves early stopping,
        # float64 the report.
        actual = actual.astype(float)
        pairs = sums["pairs"].astype(actual.dtype).sum(-1)
        possible = actual * (actual.sum(-1, keepdims=True) - actual)
        possible = possible[..., -pairs.shape[-1] :]
        area = xp.where(possible > 0, pairs / (2 * xp.maximum(possible, 1)), 0)
        defined = (possible > 0).sum(-1)
        mean = area.sum(-1) / xp.maximum(defined, 1)
        metrics["roc_auc"] = xp.where(defined > 0, mean, xp.nan)
    return metrics


def _regression(sums: Sums, target_scale: Any, target_squares: Any, xp: Any) -> dict[str, Any]:
    squared_error = sums["squared_error"]
    mse = (squared_error * target_scale**2).mean(-1) / sums["count"]
    # As in scikit-learn: the mean over outputs; a constant target gives 1 if hit, else 0.
    is_constant = target_squares <= 0
    share = squared_error / xp.where(is_constant, 1, target_squares)
    r2 = 1 - xp.where(is_constant, xp.where(squared_error > 0, 1, 0), share)
    metrics = {"mse": mse, "rmse": xp.sqrt(mse), "r2": r2.mean(-1)}
    if "squared_spread" in sums:
        variance = (sums["squared_spread"] * target_scale**2).mean(-1) / sums["count"]
        metrics["spread"] = xp.sqrt(variance)
    return metrics
