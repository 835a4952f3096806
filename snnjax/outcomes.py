"""From what the device says of a population to records and outcomes, on the host in float64."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from numpy.typing import NDArray

from snnjax import training
from snnjax.arrays import target_squares
from snnjax.config.split import Program
from snnjax.data.dataset import SPLITS, Dataset
from snnjax.metrics import count_pairs, summarize

Metrics = dict[str, float]
Report = Callable[["EpochRecord"], None]

_COUNTS = frozenset({"confusion", "pairs"})


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
    """

    status: Literal["done", "diverged"]
    epochs: int
    best_epoch: int
    scored_epoch: int
    scored_step: int
    metrics: dict[str, Metrics]


def report_news(news: Mapping[str, Any], data: Dataset, report: Report) -> bool:
    """Report the epochs of a chunk, member by member.

    Args:
        news: What `population` returns beside the state, on the host: the epoch before and after
            the chunk, the status, and the records with leading axes (members, chunk).
        data: The data set trained on.
        report: Called once per member and epoch.

    Returns:
        Whether every member has stopped.
    """
    squares = target_squares(data)
    for member, (first, last) in enumerate(zip(news["first"], news["epoch"], strict=True)):
        for index in range(int(last) - int(first)):
            record = jax.tree.map(lambda leaf, m=member, i=index: leaf[m, i], news["records"])
            metrics = {
                split: _host_metrics(record[split], data, squares[split])
                for split in SPLITS
                if split in record
            }
            report(EpochRecord(member, int(first) + index + 1, int(record["step"]), metrics))
    return bool((news["status"] != training.RUNNING).all())


def conclude(
    program: Program, news: Mapping[str, Any], scored: Mapping[str, Any], data: Dataset
) -> list[Outcome]:
    """Draw up each member's outcome.

    Args:
        program: What was trained.
        news: `epoch`, `status`, `best_epoch` and `step` of every member, on the host.
        scored: Per split the sums and the scores of the chosen networks, leading axis members, on
            the host.
        data: The data set trained on.
    """
    squares = target_squares(data)
    outcomes = []
    for member, status in enumerate(news["status"]):
        best_epoch, epochs = int(news["best_epoch"][member]), int(news["epoch"][member])
        is_last = not program.training.restore_best and status != training.DIVERGED
        scored_epoch = epochs if is_last else best_epoch
        metrics = {
            split: _host_metrics(
                _member_sums(member, scored[split], data, split), data, squares[split]
            )
            for split in scored
            if scored_epoch
        }
        outcomes.append(
            Outcome(
                status="diverged" if status == training.DIVERGED else "done",
                epochs=epochs,
                best_epoch=best_epoch,
                scored_epoch=scored_epoch,
                scored_step=int(news["step"][member]) // max(1, epochs) * scored_epoch,
                metrics=metrics,
            )
        )
    return outcomes


def _member_sums(member: int, scored: tuple[Any, Any], data: Dataset, split: str) -> dict[str, Any]:
    """Pick one member's sums; ranks are counted here, where sorting is ten times faster."""
    sums, scores = scored
    own = {name: value[member] for name, value in sums.items()}
    if data.task == "classification":
        labels = data.targets[data.rows[split]].astype(np.int32, copy=False)
        own["pairs"] = count_pairs(scores[member, : len(labels)], labels)
    return own


def _host_metrics(
    sums: Mapping[str, Any], data: Dataset, target_squares: NDArray[np.float64]
) -> Metrics:
    wide = {
        name: np.asarray(value, np.int64 if name in _COUNTS else np.float64)
        for name, value in sums.items()
    }
    metrics = summarize(wide, data.target_scale, target_squares, np)
    # Of outputs that are not finite, classes and ranks can be counted but mean nothing.
    is_finite = np.isfinite(metrics["loss"])
    return {name: float(value) if is_finite else np.nan for name, value in metrics.items()}
