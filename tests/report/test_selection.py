"""Which trial is chosen: by smoothed validation, by the rules for ties, never a diverged one."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import QUIET
from made_runs import make_run, make_sweep

from snnjax.arrays import lay_out
from snnjax.config.optimization import SgdConfig
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.data.load import load
from snnjax.experiment import Run, Together, run_population
from snnjax.report.selection import select
from snnjax.report.table import complete, run_table


def table(rows, monitor="accuracy"):
    """Return a run table of one data set from (objective, depth, rate, dropout, status)."""
    names = ("objective", "model.depth", "optimizer.learning_rate", "model.dropout", "status")
    runs = pd.DataFrame(rows, columns=names)
    runs = runs.assign(**{"data.name": "wine", "data.fold": 0, "seed": 0, "method": "SNN"})
    runs = runs.assign(**{"model.name": "snn", "training.monitor": monitor})
    runs["folder"] = [str(number) for number in range(len(runs))]
    return complete(runs)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0.9, 2, 0.1, 0.0), (0.8, 8, 0.01, 0.5)),  # the objective above all
        ((0.9, 8, 0.1, 0.0), (0.9, 2, 0.01, 0.5)),  # then more layers
        ((0.9, 8, 0.01, 0.0), (0.9, 8, 0.1, 0.5)),  # then a lower learning rate
        ((0.9, 8, 0.1, 0.5), (0.9, 8, 0.1, 0.0)),  # then a higher dropout rate
        ((0.1 + 0.2, 8, 0.1, 0.0), (0.3, 2, 0.1, 0.0)),  # equal but for rounding
        ((0.3, 8, 0.1, 0.0), (0.1 + 0.2, 2, 0.1, 0.0)),
    ],
)
def test_ties_are_decided_as_in_the_paper(first, second):
    for rows in ([first, second], [second, first]):
        chosen = select(table([(*row, "done") for row in rows])).chosen
        assert chosen["model.depth"].tolist() == [first[1]]
        assert chosen["optimizer.learning_rate"].tolist() == [first[2]]
        assert chosen["model.dropout"].tolist() == [first[3]]
        assert chosen["trials"].tolist() == [2]


def test_among_equals_the_first_folder_is_chosen():
    assert select(table([(0.9, 2, 0.1, 0.0, "done")] * 3)).chosen["folder"].tolist() == ["0"]


def test_of_losses_the_lowest_is_the_best():
    rows = [(0.5, 2, 0.1, 0.0, "done"), (0.4, 2, 0.1, 0.0, "done"), (0.6, 8, 0.1, 0.0, "done")]
    assert select(table(rows, "loss")).chosen["objective"].tolist() == [0.4]
    assert select(table(rows, "accuracy")).chosen["objective"].tolist() == [0.6]


def test_infeasible_runs_are_counted_and_never_chosen():
    rows = [
        (0.99, 2, 0.1, 0.0, "diverged"), (math.nan, 3, 0.1, 0.0, "failed"),
        (math.nan, 4, 0.1, 0.0, "left"), (0.1, 5, 0.1, 0.0, "done"), (math.nan, 6, 1, 0.0, "done"),
    ]  # fmt: skip
    made = select(table(rows))
    assert made.chosen["objective"].tolist() == [0.1]
    expected = {"trials": 5, "runs": 5, "done": 2, "diverged": 1, "failed": 1, "open": 1}
    assert made.counts.loc["SNN"].to_dict() == expected
    assert made.empty.empty


def test_where_all_is_infeasible_nothing_is_chosen_and_it_is_told():
    runs = table([(0.9, 2, 1.0, 0.0, "diverged"), (0.8, 2, 0.1, 0.0, "done")])
    runs.loc[0, "data.name"] = "iris"
    made = select(runs)
    assert made.chosen["data.name"].tolist() == ["wine"]
    assert made.empty["data.name"].tolist() == ["iris"]


def test_each_fold_and_seed_has_its_own_choice():
    runs = pd.concat([table([(0.5 + k / 10, 2 + k, 0.1, 0.0, "done")]) for k in range(4)])
    runs = runs.assign(**{"data.fold": [0, 0, 1, 1], "seed": [0, 0, 0, 1]}).reset_index(drop=True)
    assert select(runs).chosen["model.depth"].tolist() == [3, 4, 5]


def test_objectives_of_different_metrics_are_not_compared():
    runs = table([(0.9, 2, 0.1, 0.0, "done"), (0.8, 8, 0.1, 0.0, "done"), (5.0, 9, 1, 0, "done")])
    runs.loc[2, "training.monitor"] = "loss"
    made = select(runs)
    assert made.chosen["model.depth"].tolist() == [2]
    assert made.notes == ["wine: runs that watch loss are not chosen from, most watch accuracy"]


@pytest.mark.parametrize("smoothing", [1, 3, 10])
def test_the_objective_is_the_mean_of_the_last_epochs_up_to_the_best(tmp_path, smoothing):
    curve = np.random.default_rng(smoothing).random(20).round(3)
    for best in (1, 2, 9, 10, 11, 20):
        settings = {"training.smoothing": smoothing}
        raw = float(curve[best - 1])
        make_run(
            tmp_path / str(best), settings, validation=raw, best_epoch=best, curve=curve.tolist()
        )
    make_sweep(tmp_path)
    runs = run_table([tmp_path]).runs
    for best, objective in zip(runs["best_epoch"].astype(int), runs["objective"], strict=True):
        expected = curve[max(0, best - smoothing) : best].mean()
        assert objective == pytest.approx(expected, rel=1e-12)


def test_without_the_curve_the_objective_is_that_of_the_best_epoch(tmp_path):
    make_run(tmp_path, {"training.smoothing": 10}, validation=0.75, best_epoch=5)
    assert run_table([tmp_path]).runs["objective"].tolist() == [0.75]


@pytest.mark.slow
def test_a_real_sweep_is_chosen_from_by_its_smoothed_curves(tmp_path):
    """Moving averages, best epochs and the choice are computed once more from metrics.jsonl."""
    make_sweep(tmp_path)
    training = TrainingConfig(epochs=12, batch_size=32, smoothing=4, monitor="accuracy")
    config = Config(
        data=DataConfig(name="sklearn_wine"),
        model=ModelConfig(depth=1, width=8),
        training=training,
        logging=QUIET,
    )
    rates = (0.02, 0.1, 0.3)
    members = [
        Run(replace(config, optimizer=SgdConfig(learning_rate=rate)), tmp_path / str(number))
        for number, rate in enumerate(rates)
    ]
    run_population(members, Together(lay_out(load(config.data))))
    smoothed = {}
    for rate, run in zip(rates, members, strict=True):
        lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").open()]
        values = [line["accuracy"] for line in lines if line["split"] == "validation"]
        means = [np.mean(values[max(0, end - 4) : end]) for end in range(1, 13)]
        smoothed[rate] = max(means)
        best = json.loads((run.folder / "result.json").read_text())["best_epoch"]
        assert means[best - 1] == pytest.approx(max(means), abs=1e-6)
    runs = run_table([tmp_path]).runs.assign(method="SNN")
    assert runs["objective"].tolist() == pytest.approx([*smoothed.values()], abs=1e-6)
    best_rate = max(smoothed, key=lambda rate: (round(smoothed[rate], 6), -rate))
    assert select(runs).chosen["optimizer.learning_rate"].tolist() == [best_rate]
