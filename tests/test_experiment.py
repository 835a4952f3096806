"""The run folder: what a run leaves behind, and how it refuses, skips, diverges or is stopped."""

import json
import math

import numpy as np
import pytest
from conftest import QUIET

from snnjax import experiment
from snnjax.config.errors import ConfigError
from snnjax.config.optimization import SgdConfig
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.config.split import fingerprint, to_dict
from snnjax.config.strict import convert

MODEL = ModelConfig(depth=2, width=16)


def make(name="sklearn_wine", *, training=None, optimizer=None, **data) -> Config:
    return Config(
        data=DataConfig(name=name, **data),
        model=MODEL,
        optimizer=optimizer or SgdConfig(learning_rate=0.05),
        training=training or TrainingConfig(epochs=5, batch_size=32),
        logging=QUIET,
    )


def read(folder, name="result.json"):
    return json.loads((folder / name).read_text())


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_folder_holds_what_it_promises(tmp_path):
    config = make()
    result = experiment.run(config, tmp_path)
    written = read(tmp_path)
    assert convert(Config, read(tmp_path, "config.json")) == config
    assert read(tmp_path, "config.json") == json.loads(json.dumps(to_dict(config)))
    assert written["status"] == result.status == "done"
    assert written["fingerprint"] == fingerprint(config)
    assert set(written["metrics"]) == {"train", "validation", "test"}
    assert set(written["metrics"]["test"]) == {"loss", "accuracy", "macro_f1", "roc_auc"}
    assert result.objective == written["metrics"]["validation"]["loss"]
    assert written["epochs"] == 5
    assert 1 <= written["best_epoch"] <= 5
    assert written["seconds"] >= written["training_seconds"] > 0
    until_best = written["training_seconds"] * written["best_epoch"] / 5
    assert written["seconds_to_best"] == pytest.approx(until_best, abs=1e-3)
    libraries = {"python", "jax", "jaxlib", "flax", "optax", "numpy"}
    assert set(written["versions"]) == libraries | {"snnjax", "code"}
    assert len(written["data"]["sha256"]) == 64
    assert written["device"]["platform"] in ("cpu", "gpu", "tpu")
    assert not list(tmp_path.glob(".result*"))


def test_metrics_have_a_line_per_evaluation(tmp_path):
    experiment.run(make(), tmp_path)
    rows = lines(tmp_path)
    splits = [(row["epoch"], row["split"]) for row in rows]
    best = read(tmp_path)["best_epoch"]
    expected = [(epoch, split) for epoch in range(1, 6) for split in ("train", "validation")]
    assert splits == [*expected, (best, "test")]
    steps = math.ceil(read(tmp_path)["data"]["train_rows"] / 32)
    assert all(row["step"] == row["epoch"] * steps for row in rows)
    assert rows[-1]["accuracy"] == read(tmp_path)["metrics"]["test"]["accuracy"]


def test_regression_reports_in_its_own_unit(tmp_path):
    training = TrainingConfig(epochs=20, batch_size=32, monitor="r2")
    result = experiment.run(make("sklearn_diabetes", training=training), tmp_path)
    metrics = read(tmp_path)["metrics"]
    assert set(metrics["test"]) == {"loss", "mse", "rmse", "r2"}
    assert result.objective == metrics["validation"]["r2"]
    assert metrics["test"]["rmse"] == pytest.approx(metrics["test"]["mse"] ** 0.5)
    assert 40 < metrics["test"]["rmse"] < 90  # the targets' deviation is 77


def test_several_regression_outputs(tmp_path):
    experiment.run(make("sklearn_linnerud"), tmp_path)
    assert read(tmp_path)["status"] == "done"


def test_divergence_is_a_result(tmp_path):
    result = experiment.run(make(optimizer=SgdConfig(learning_rate=1e6)), tmp_path)
    written = read(tmp_path)
    assert result.status == written["status"] == "diverged"
    assert math.isnan(result.objective)
    assert written["epochs"] < 5
    assert "NaN" not in (tmp_path / "result.json").read_text()
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()


def test_a_second_start_does_nothing(tmp_path, capsys):
    first = experiment.run(make(), tmp_path)
    before = (tmp_path / "result.json").stat().st_mtime_ns
    second = experiment.run(make(), tmp_path)
    assert second.status == "skipped"
    assert second.objective == first.objective
    assert (tmp_path / "result.json").stat().st_mtime_ns == before
    assert "already done" in capsys.readouterr().out


def test_a_folder_of_another_run_is_refused_and_left_alone(tmp_path):
    experiment.run(make(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match="another run"):
        experiment.run(make(optimizer=SgdConfig(learning_rate=0.01)), tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("content", ['{"status": "do', "[]", '{"metrics": null}', None])
def test_a_damaged_result_is_refused(tmp_path, content):
    if content is None:
        (tmp_path / "result.json").mkdir()
    else:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(ConfigError, match=r"result\.json"):
        experiment.run(make(), tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            make(training=TrainingConfig(monitor="rmse")),
            "training.monitor=rmse.*allowed: loss, acc",
        ),
        (
            make("sklearn_diabetes", training=TrainingConfig(monitor="accuracy")),
            "training.monitor=accuracy.*regression.*allowed: loss, mse",
        ),
        (
            make(training=TrainingConfig(patience=3), validation=0.0),
            "training.patience=3.*data.validation=0.0",
        ),
    ],
    ids=["classification", "regression", "patience"],
)
def test_what_does_not_fit_the_data_is_refused_before_anything_is_written(
    tmp_path, config, message
):
    with pytest.raises(ConfigError, match=message):
        experiment.run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_interrupted_run_has_metrics_but_no_result(tmp_path, monkeypatch):
    from snnjax.sinks.jsonl import MetricsFile

    written = MetricsFile.write

    def interrupt(self, evaluation):
        if evaluation.epoch == 3:
            raise KeyboardInterrupt
        written(self, evaluation)

    monkeypatch.setattr(MetricsFile, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        experiment.run(make(), tmp_path)
    assert {row["epoch"] for row in lines(tmp_path)} == {1, 2}
    assert not (tmp_path / "result.json").exists()
    monkeypatch.undo()
    assert experiment.run(make(), tmp_path).status == "done"


def test_the_same_seed_gives_the_same_bits(tmp_path):
    for name in ("one", "two"):
        experiment.run(make(), tmp_path / name)
    assert (tmp_path / "one/metrics.jsonl").read_bytes() == (
        tmp_path / "two/metrics.jsonl"
    ).read_bytes()
    assert read(tmp_path / "one")["metrics"] == read(tmp_path / "two")["metrics"]


def test_metrics_equal_scikit_learn_on_the_restored_network(tmp_path):
    """End to end: the numbers in result.json, recomputed from weights and data."""
    import jax
    from sklearn import metrics as sklearn

    from snnjax import population
    from snnjax.arrays import lay_out
    from snnjax.config.split import split
    from snnjax.data.load import load
    from snnjax.shapes import problem_of
    from snnjax.step import apply

    config = make()
    experiment.run(config, tmp_path)
    data = load(config.data)
    program, member = split(config)
    state = population.train(program, [member], lay_out(data)).state
    network = jax.tree.map(lambda leaf: leaf[0], state.best)
    rows = data.rows["test"]
    inputs = (data.features[rows] - data.shift) * data.scale
    problem = problem_of([data])
    scores = np.asarray(jax.nn.softmax(apply(program, problem, network, inputs, None)[0]))
    labels, ours = data.targets[rows], read(tmp_path)["metrics"]["test"]
    assert ours["accuracy"] == pytest.approx(sklearn.accuracy_score(labels, scores.argmax(1)))
    area = sklearn.roc_auc_score(labels, scores, multi_class="ovr")
    assert ours["roc_auc"] == pytest.approx(area)


def test_two_processes_do_not_share_a_folder(tmp_path):
    """The second is told so and writes nothing."""
    from snnjax.sinks.jsonl import lock_alone

    with (tmp_path / "metrics.jsonl").open("a+b") as other:
        lock_alone(other)
        with pytest.raises(OSError, match="another process is training in this folder"):
            experiment.run(make(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]
    assert experiment.run(make(), tmp_path).status == "done"


def test_the_beginnings_of_another_run_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(to_dict(make())))
    with pytest.raises(ConfigError, match=r"another run was started in this folder"):
        experiment.run(make(optimizer=SgdConfig(learning_rate=0.01)), tmp_path)
    assert experiment.run(make(), tmp_path).status == "done"
