"""Early stopping and plateaus of whole runs, computed again from `metrics.jsonl`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import QUIET, make_dataset

from snnjax import experiment, population
from snnjax.arrays import lay_out
from snnjax.config.optimization import PlateauConfig, SgdConfig
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.metric_names import BY_TASK, MAXIMIZED

EPOCHS = 60


def run(folder: Path, training: dict[str, Any], **sections: Any) -> tuple[Any, list[Any]]:
    """Train a small network; return the result and the lines of every epoch."""
    config = Config(
        data=DataConfig("sklearn_iris"),
        model=ModelConfig(depth=2, width=16, dropout=0.1),
        training=TrainingConfig(epochs=EPOCHS, batch_size=16, **training),
        logging=QUIET,
        **{"optimizer": SgdConfig(learning_rate=0.2), **sections},
    )
    experiment.run(config, folder)
    result = json.loads((folder / "result.json").read_text())
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return result, [line for line in lines if line["epoch"] > 0]


def chosen(
    curve: list[float], smoothing: int, gain: float, patience: int | None
) -> tuple[int, int]:
    """Return the best epoch, and the last, of a curve of which less is better."""
    best, best_epoch = np.inf, 0
    for epoch in range(1, EPOCHS + 1):
        smoothed = np.mean(curve[max(0, epoch - smoothing) : epoch])
        if smoothed < best - gain:
            best, best_epoch = smoothed, epoch
        if patience is not None and epoch - best_epoch >= patience:
            return best_epoch, epoch
    return best_epoch, EPOCHS


def monitored(lines: list[Any], monitor: str) -> list[float]:
    curve = [line[monitor] for line in lines if line["split"] == "validation"]
    return [-value for value in curve] if monitor == "accuracy" else curve


@pytest.mark.slow
@pytest.mark.parametrize(
    ("monitor", "smoothing", "gain", "patience"),
    [
        ("loss", 10, 0.0, 8),
        ("accuracy", 10, 0.02, 5),
        ("loss", 1, 0.03, 6),
        ("accuracy", 10, 0.0, 8),
        ("accuracy", 1, 0.0, 6),
        ("loss", 3, 0.01, None),
    ],
)
def test_the_epoch_that_is_chosen(
    tmp_path: Path, monitor: str, smoothing: int, gain: float, patience: int | None
) -> None:
    given = {"monitor": monitor, "smoothing": smoothing, "min_gain": gain, "patience": patience}
    result, lines = run(tmp_path, given)
    curve = monitored(lines, monitor)
    best_epoch, stopped = chosen(curve, smoothing, gain, patience)
    assert (result["best_epoch"], result["epochs"]) == (best_epoch, stopped)
    assert len(curve) == stopped
    if patience is not None:
        assert stopped < EPOCHS


QUICK = (("multilabel", "roc_auc"),)
WATCHED = [
    pytest.param(task, name, marks=() if (task, name) in QUICK else pytest.mark.slow)
    for task, names in BY_TASK.items()
    for name in names
]


@pytest.mark.parametrize(("task", "monitor"), WATCHED)
def test_any_metric_is_watched_with_gain_and_smoothing(task: str, monitor: str) -> None:
    """The gain is in the unit that is reported, whatever is computed in."""
    gain, smoothing, patience = 0.1 if monitor == "mse" else 0.02, 3, 4
    config = Config(
        model=ModelConfig(depth=1, width=16, dropout=0.05),
        optimizer=SgdConfig(learning_rate=0.1),
        training=TrainingConfig(
            epochs=EPOCHS, batch_size=32, monitor=monitor,
            min_gain=gain, smoothing=smoothing, patience=patience,
        ),
    )  # fmt: skip
    program, member = split(config)
    records: list[Any] = []
    layout = lay_out(make_dataset(task=task))
    (outcome,) = population.train(program, [member], layout, records.append).outcomes
    curve = [record.metrics["validation"][monitor] for record in records]
    sign = -1 if monitor in MAXIMIZED else 1
    expected = chosen([sign * value for value in curve], smoothing, gain, patience)
    assert (outcome.best_epoch, outcome.epochs) == expected
    assert outcome.epochs < EPOCHS
    best = outcome.metrics["validation"][monitor]
    assert best == pytest.approx(curve[outcome.best_epoch - 1], rel=1e-4)


def test_a_plateau_cuts_the_rate(tmp_path: Path) -> None:
    """The rate of an epoch follows from the validation losses of the epochs before."""
    schedule = PlateauConfig(factor=0.5, patience=2, threshold=0.05, cooldown=1, minimum=0.02)
    _, lines = run(tmp_path, {}, schedule=schedule)
    rates = [line["learning_rate"] for line in lines if line["split"] == "train"]
    best, waited, cooling, factor = np.inf, 0, 0, 1.0
    for rate, loss in zip(rates, monitored(lines, "loss"), strict=True):
        assert rate == pytest.approx(0.2 * factor, rel=1e-5)
        is_better = loss < 0.95 * best
        best, waited = (loss, 0) if is_better else (best, waited + 1)
        if cooling:
            cooling, waited = cooling - 1, 0
        if waited > 2:
            factor, waited, cooling = max(0.5 * factor, 0.02), 0, 1
    assert rates[-1] == pytest.approx(0.2 * 0.02, rel=1e-5)  # it came down to the minimum
