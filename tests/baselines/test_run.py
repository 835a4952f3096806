"""Run folders of baselines: what is in them, which rows were used, going on, failing."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_dataset

from snnjax.baselines import run as run_module
from snnjax.baselines.__main__ import main
from snnjax.baselines.config import BaselineConfig, FittingConfig, ForestConfig, NeighboursConfig
from snnjax.baselines.parallel import run_all
from snnjax.baselines.run import folder_of, run
from snnjax.config.errors import ConfigError
from snnjax.config.schema import DataConfig, SweepConfig
from snnjax.config.split import fingerprint
from snnjax.config.strict import convert
from snnjax.data.load import load
from snnjax.sinks.jsonl import MetricsFile, read_evaluations
from snnjax.status import read_states

IRIS = BaselineConfig(data=DataConfig("sklearn_iris"), model=ForestConfig(n_estimators=5))
NEAREST = NeighboursConfig(n_neighbors=1)


def result_in(folder):
    return json.loads((folder / "result.json").read_text())


def command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["snnjax.baselines", *map(str, words)])
    return main()


@pytest.fixture
def made(monkeypatch):
    """Let the next runs see a data set of ours; return a function that says which."""

    def use(data):
        monkeypatch.setattr(run_module, "_loaded", lambda config: data)

    return use


def test_a_run_folder_holds_what_one_of_a_network_holds(tmp_path):
    run(IRIS, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert convert(BaselineConfig, config) == IRIS
    assert (config["model"]["name"], config["model"]["n_estimators"]) == ("random_forest", 5)
    result, data = result_in(tmp_path), load(IRIS.data)
    assert (result["status"], result["fingerprint"]) == ("done", fingerprint(IRIS))
    assert (result["best_epoch"], result["epochs"]) == (1, 1)
    assert result["data"]["sha256"] == data.sha256
    assert result["data"]["test_rows"] == len(data.rows["test"])
    assert {"snnjax", "python", "scikit-learn", "numpy", "code"} <= set(result["versions"])
    lines = read_evaluations(tmp_path / "metrics.jsonl")
    assert [line.split for line in lines] == ["train", "validation", "test"]
    assert {line.split: line.metrics for line in lines} == result["metrics"]
    assert set(result["metrics"]["test"]) == {"loss", "accuracy", "macro_f1", "roc_auc"}


@pytest.mark.parametrize("refit", [False, True])
def test_only_the_rows_that_may_be_learnt_from_are(refit, made, tmp_path):
    """The nearest neighbour of a row that was learnt from is the row itself."""
    data = make_dataset()
    random = np.random.default_rng(1)
    noise = replace(data, targets=random.integers(0, 3, len(data.targets)).astype(np.int32))
    # Test rows that are copies of validation rows tell whether those were learnt.
    copies = noise.rows["validation"][: len(noise.rows["test"])]
    noise.features[noise.rows["test"]] = noise.features[copies]
    noise.targets[noise.rows["test"]] = noise.targets[copies]
    made(noise)
    config = replace(IRIS, model=NEAREST, training=FittingConfig(refit=refit))
    run(config, tmp_path)
    accuracy = {s: m["accuracy"] for s, m in result_in(tmp_path)["metrics"].items()}
    assert accuracy["train"] == 1
    assert accuracy["validation"] < 0.7  # never learnt before it is judged by
    assert (accuracy["test"] == 1) == refit


def test_splits_without_rows_have_no_metrics(tmp_path):
    run(replace(IRIS, data=DataConfig("sklearn_iris", validation=0.0)), tmp_path)
    assert set(result_in(tmp_path)["metrics"]) == {"train", "test"}


def test_labels_have_their_areas_in_the_result(made, tmp_path):
    data = make_dataset(task="multilabel")
    made(data)
    run(IRIS, tmp_path)
    areas = result_in(tmp_path)["roc_auc_by_task"]
    assert set(areas) == {"train", "validation", "test"}
    assert set(areas["test"]) == set(data.tasks)


def test_the_same_run_has_the_same_numbers_and_another_seed_others(tmp_path):
    metrics = []
    for place, seed in enumerate((0, 0, 1)):
        run(replace(IRIS, seed=seed), tmp_path / str(place))
        metrics.append(result_in(tmp_path / str(place))["metrics"])
    assert metrics[0] == metrics[1] != metrics[2]


def test_what_is_done_is_not_done_again(tmp_path):
    several = [replace(IRIS, seed=seed) for seed in range(3)]
    assert run_all(several[:2], tmp_path, jobs=1) == {"done": 2, "skipped": 0}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert run_all(several, tmp_path, jobs=1) == {"done": 1, "skipped": 2}
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert before.items() < after.items()
    assert list(read_states(tmp_path).values()) == ["done"] * 3


def test_what_was_begun_is_done_again(tmp_path):
    run(IRIS, folder := folder_of(IRIS, tmp_path))
    whole = (folder / "metrics.jsonl").read_bytes()
    (folder / "result.json").unlink()
    (folder / "metrics.jsonl").write_bytes(whole[:100])  # killed while it wrote
    assert run_all([IRIS], tmp_path, jobs=1) == {"done": 1, "skipped": 0}
    assert (folder / "metrics.jsonl").read_bytes() == whole


def test_results_of_other_code_are_refused_unless_allowed(tmp_path):
    run_all([IRIS], tmp_path, jobs=1)
    path = folder_of(IRIS, tmp_path) / "result.json"
    path.write_text(path.read_text().replace('"scikit-learn": "', '"scikit-learn": "0'))
    with pytest.raises(ConfigError, match="scikit-learn"):
        run_all([IRIS], tmp_path, jobs=1)
    mixed = replace(IRIS, sweep=SweepConfig(mix_versions=True))
    assert run_all([mixed], tmp_path, jobs=1) == {"skipped": 1}


def test_a_run_that_another_process_is_at_is_left_to_it(tmp_path):
    folder = folder_of(IRIS, tmp_path)
    other = MetricsFile(run_module._info(IRIS, folder))
    try:
        assert run_all([IRIS], tmp_path, jobs=1) == {"left": 1, "skipped": 0}
    finally:
        other.close()


def test_a_failure_is_noted_and_ends_no_other_run(monkeypatch, tmp_path, capsys):
    words = ["data.name=sklearn_iris,letter", "model=knn", "model.n_neighbors=1"]
    healthy = make_dataset()

    def loaded(config):
        if config.name == "letter":
            raise OSError(5, "broken disk", "letter.csv")
        return healthy

    monkeypatch.setattr(run_module, "_loaded", loaded)
    assert command(monkeypatch, *words, "--out", tmp_path) == 1
    states = read_states(tmp_path)
    assert sorted(states.values()) == ["done", "done", "failed", "failed"]
    assert "letter.csv: broken disk  (2 runs)" in capsys.readouterr().err


def test_rows_cannot_weigh_in_neighbours(made, tmp_path):
    data = make_dataset()
    made(replace(data, weights=np.ones(len(data.targets), np.float32)))
    with pytest.raises(ConfigError, match="knn cannot weigh rows"):
        run(replace(IRIS, model=NEAREST), tmp_path)


def test_a_mistake_is_told_before_anything_is_written(monkeypatch, tmp_path, capsys):
    out = tmp_path / "out"
    assert command(monkeypatch, "model=svn", "--out", out) == 2
    assert "did you mean svm?" in capsys.readouterr().err
    assert command(monkeypatch, "--jobs", 0, "--out", out) == 2
    assert not out.exists()


@pytest.mark.slow
def test_processes_give_the_numbers_of_one(monkeypatch, tmp_path):
    words = ["data.name=sklearn_iris", "model=random_forest,gradient_boosting"]
    words += ["model.n_estimators=5", "model.max_iter=5"]
    found = []
    for jobs in (1, 2):
        out = tmp_path / str(jobs)
        assert command(monkeypatch, *words, "--jobs", jobs, "--out", out) == 0
        paths = sorted(out.rglob("result.json"))
        found.append({p.relative_to(out): result_in(p.parent)["metrics"] for p in paths})
    assert len(found[0]) == 12
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_all_processes_and_the_next_start_goes_on(jobs, tmp_path):
    words = ["data.name=sklearn_digits", "model=random_forest", "model.n_estimators=5,300"]
    words += ["seed=range(20)", "--jobs", jobs, "--out", str(tmp_path)]
    started = [sys.executable, "-m", "snnjax.baselines", *words]
    process = subprocess.Popen(started, stderr=subprocess.PIPE, text=True)
    while not any(tmp_path.rglob("result.json")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "snnjax: error: interrupted\n")
    states = [*read_states(tmp_path).values()]
    assert len(states) == 160
    assert set(states) == {"done", "left"}
