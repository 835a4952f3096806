"""From what the device says of a population to records and outcomes, on the host in float64."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import numpy as np
from numpy.typing import NDArray

from snnjax import training
from snnjax.arrays import target_squares
from snnjax.config.split import Program
from snnjax.data.dataset import SPLITS, Dataset
from snnjax.metrics import areas, count_pairs, summarize

Metrics = dict[str, float]
Report = Callable[["EpochRecord"], None]

_CLASS_COUNTS = frozenset({"actual", "predicted", "correct"})
_LABEL_COUNTS = frozenset({"positives", "negatives", "right"})
_BY_OUTPUT = _CLASS_COUNTS | _LABEL_COUNTS
_COUNTS = _BY_OUTPUT | {"pairs"}


@dataclass(frozen=True)
class EpochRecord:
    """What one member reports of one epoch: metrics per split, training ones with dropout on."""

    member: int
    epoch: int
    step: int
    metrics: dict[str, Metrics]


@dataclass(frozen=True)
class Outcome:
    """What one member leaves behind.

    Attributes:
        status: `done` or `diverged`.
        epochs: Epochs trained; of a diverged member the last is the one that broke.
        best_epoch: The epoch with the best monitored metric; 0 where no epoch was healthy.
        scored_epoch: The epoch whose network stands for the run: the best, or the last where
            `training.restore_best` is off and the run did not diverge; 0 where there is none.
        scored_step: Optimizer steps taken by then.
        metrics: Per split, of that network, without dropout; empty where there is none.
        areas: Of several labels the area under the ROC curve of each by its name, per split; NaN
            where a label lacks rows of a kind.
    """

    status: Literal["done", "diverged"]
    epochs: int
    best_epoch: int
    scored_epoch: int
    scored_step: int
    metrics: dict[str, Metrics]
    areas: dict[str, Metrics] = field(default_factory=dict)


def report_news(
    news: Mapping[str, Any], order: NDArray[Any], data: Sequence[Dataset], report: Report
) -> None:
    """Report the epochs of a chunk, member by member.

    Args:
        news: What `programs.advance_members` returns beside the state, on the host: the epoch
            before and after the chunk, and the records with leading axes (slots, chunk).
        order: The member in each slot.
        data: The data set of every member; a slot whose member has none is empty.
        report: Called once per member and epoch.
    """
    for slot, member in enumerate(order):
        first, last = int(news["first"][slot]), int(news["epoch"][slot])
        if member >= len(data) or first == last:
            continue
        records = jax.tree.map(
            lambda leaf, slot=slot, epochs=last - first: leaf[slot, :epochs], news["records"]
        )
        curves = {
            split: _host_metrics(records[split], data[member], split)
            for split in SPLITS
            if split in records
        }
        for index, step in enumerate(records["step"].tolist()):
            metrics = {
                split: {name: values[index] for name, values in curve.items()}
                for split, curve in curves.items()
            }
            report(EpochRecord(int(member), first + index + 1, step, metrics))


def conclude(
    program: Program,
    news: Mapping[str, Any],
    scored: Mapping[str, Any],
    data: Sequence[Dataset],
    members: Iterable[int],
) -> dict[int, Outcome]:
    """Draw up the outcomes of members.

    Args:
        program: What was trained.
        news: `epoch`, `status`, `best_epoch` and `step` of every member, on the host.
        scored: Per split the sums and the scores of the chosen networks, leading axis members, on
            the host.
        data: The data set of every member.
        members: Those whose outcomes are asked for.
    """
    outcomes = {}
    for member in members:
        own = data[member]
        status = news["status"][member]
        best_epoch, epochs = int(news["best_epoch"][member]), int(news["epoch"][member])
        is_last = not program.training.restore_best and status != training.DIVERGED
        scored_epoch = epochs if is_last else best_epoch
        splits = [split for split in scored if scored_epoch and len(own.rows[split])]
        sums = {split: _scored_sums(member, scored[split], own, split) for split in splits}
        metrics = {split: _scored_metrics(sums[split], own, split) for split in splits}
        by_label = {split: _areas(sums[split], own) for split in splits if own.tasks}
        outcomes[member] = Outcome(
            status="diverged" if status == training.DIVERGED else "done",
            epochs=epochs,
            best_epoch=best_epoch,
            scored_epoch=scored_epoch,
            scored_step=int(news["step"][member]) // max(1, epochs) * scored_epoch,
            metrics=metrics,
            areas=by_label,
        )
    return outcomes


def _scored_sums(member: int, scored: tuple[Any, Any], data: Dataset, split: str) -> dict[str, Any]:
    """Return one member's sums; ranks are counted here, where sorting is ten times faster."""
    sums, scores = scored
    own = jax.tree.map(lambda leaf: leaf[member][None], dict(sums))
    if data.task != "regression":
        labels = data.targets[data.rows[split]]
        own["pairs"] = count_pairs(scores[member, : len(labels), : data.outputs], labels)[None]
    return own


def _scored_metrics(sums: Mapping[str, Any], data: Dataset, split: str) -> Metrics:
    own = dict(sums)
    passes = own.pop("monte_carlo", None)
    metrics = _host_metrics(own, data, split)
    if passes is not None and passes["count"].all():
        several = _host_metrics(passes, data, split)
        metrics |= {f"monte_carlo_{name}": value for name, value in several.items()}
    return {name: value for name, (value,) in metrics.items()}


def _areas(sums: Mapping[str, Any], data: Dataset) -> Metrics:
    """Return the area under the ROC curve of every label by its name."""
    own = _without_padding(sums, data)
    is_finite = np.isfinite(sums["loss"]).all()
    counts = {name: np.asarray(own[name]) for name in ("positives", "negatives", "pairs")}
    (by_label,) = areas(counts)
    return {
        name: float(area) if is_finite else np.nan
        for name, area in zip(data.tasks, by_label, strict=True)
    }


def _host_metrics(sums: Mapping[str, Any], data: Dataset, split: str) -> dict[str, list[float]]:
    """Return the metrics of several epochs from sums that have them as leading axis."""
    wide = {
        name: np.asarray(value, np.int64 if name in _COUNTS else np.float64)
        for name, value in _without_padding(sums, data).items()
    }
    with np.errstate(invalid="ignore", over="ignore"):
        metrics = summarize(wide, data.target_scale, target_squares(data)[split], np)
    # Of outputs that are not finite, classes and ranks can be counted but mean nothing.
    is_finite = np.isfinite(metrics["loss"])
    return {name: np.where(is_finite, value, np.nan).tolist() for name, value in metrics.items()}


def _without_padding(sums: Mapping[str, Any], data: Dataset) -> dict[str, Any]:
    """Leave out classes that are padding, and ranks that say nothing of the set's own classes."""
    own = {
        name: value[:, : data.outputs] if name in _BY_OUTPUT else value
        for name, value in sums.items()
    }
    if "pairs" in own and data.task == "multilabel":
        own["pairs"] = own["pairs"][:, : data.outputs]
    elif "pairs" in own:
        pairs, classes = own.pop("pairs"), data.outputs
        if pairs.shape[1] >= classes > 2:
            own["pairs"] = pairs[:, :classes]
        elif classes == 2:  # class 1 stands for both
            own["pairs"] = pairs[:, -1:] if pairs.shape[1] == 1 else pairs[:, 1:2]
    return own
