"""A run that is stopped and started again ends as if it had never been stopped, to the last bit."""

import json
import shutil
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
from conftest import QUIET, slow_but

from snnjax import experiment, recorder
from snnjax.checkpoint import load_problem, load_states
from snnjax.config.errors import ConfigError
from snnjax.config.optimization import AdamConfig, PlateauConfig, SgdConfig
from snnjax.config.schema import (
    CheckpointConfig,
    Config,
    DataConfig,
    DiagnosticsConfig,
    ModelConfig,
    SweepConfig,
    TrainingConfig,
)
from snnjax.config.split import fingerprint
from snnjax.diagnostics.record import read as read_looks

from .conftest import checkpoints
from .killing import check_equal

OFTEN = CheckpointConfig(every=1e-6, final=True)
SNN = Config(
    data=DataConfig(name="sklearn_wine"),
    model=ModelConfig(depth=2, width=8, dropout=0.1),
    optimizer=SgdConfig(learning_rate=0.05, momentum=0.9),
    schedule=PlateauConfig(patience=3),
    training=TrainingConfig(epochs=500, batch_size=32),
    logging=QUIET,
    checkpoint=OFTEN,
)
CASES = {
    "dropout and plateau": SNN,
    "batch norm, Adam, patience": replace(
        SNN,
        model=ModelConfig(name="batchnorm", depth=2, width=8, activation="relu", norm="batch"),
        optimizer=AdamConfig(),
        training=TrainingConfig(epochs=500, batch_size=32, patience=200, smoothing=5),
    ),
    "regression, 64 bits": replace(
        SNN,
        data=DataConfig(name="sklearn_diabetes"),
        training=TrainingConfig(epochs=500, batch_size=128, precision="float64", monitor="rmse"),
    ),
}


def read(folder):
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of a run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    experiment.run(SNN, folder)
    return folder


@pytest.mark.parametrize("name", slow_but(list(CASES), 0, 1))
def test_a_stopped_run_goes_on(tmp_path, stopped_at, name):
    config = CASES[name]
    whole, part = tmp_path / "whole", tmp_path / "part"
    experiment.run(replace(config, checkpoint=CheckpointConfig(every=None, final=True)), whole)
    for epoch in (70, 330):
        stopped_at(lambda: experiment.run(config, part), epoch)
        assert len(checkpoints(part)) in (1, 2)
        assert not (part / "result.json").exists()
    assert experiment.run(config, part).status == "done"
    check_equal(whole, part)
    assert read(whole)["metrics"] == read(part)["metrics"]
    assert read(part)["checkpoint"]["resumed_epoch"] >= 330
    assert read(part)["best_epoch"] == read(whole)["best_epoch"]
    assert [path.name for path in checkpoints(part)] == ["final"]


@pytest.mark.slow
def test_looks_inside_a_network_are_had_once(tmp_path, stopped_at):
    measures = ("activations", "gradients", "weights")
    watched = DiagnosticsConfig(measures=measures, every=20, steps=(3, 4 * 70 + 1, 4 * 64 + 2))
    config = replace(SNN, diagnostics=watched)
    whole, part = tmp_path / "whole", tmp_path / "part"
    experiment.run(replace(config, checkpoint=CheckpointConfig(every=None, final=True)), whole)
    for epoch in (70, 280):
        stopped_at(lambda: experiment.run(config, part), epoch)
    assert experiment.run(config, part).status == "done"
    check_equal(whole, part)
    one, other = (read_looks(folder / "diagnostics.npz") for folder in (whole, part))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert len(one["step"]) > 25


def test_earlier_starts_count_in_the_time(tmp_path, stopped_at):
    stopped_at(lambda: experiment.run(SNN, tmp_path), 70)
    (path, *_) = checkpoints(tmp_path)
    index = json.loads((path / "index/metadata").read_text())
    before = index["members"][0]["seconds"]
    assert before > 0
    index["members"][0]["seconds"] = before + 1000
    for path in checkpoints(tmp_path):
        (path / "index/metadata").write_text(json.dumps(index))
    experiment.run(SNN, tmp_path)
    assert read(tmp_path)["seconds"] > 1000


def test_the_newest_that_is_whole_is_taken(tmp_path, stopped_at, whole, capsys):
    """One is damaged: the one before it serves; both are: the run starts anew."""
    stopped_at(lambda: experiment.run(SNN, tmp_path / "one"), 330)
    first, second = checkpoints(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    epochs = [
        json.loads((path / "index/metadata").read_text())["members"][0]["epoch"]
        for path in (first, second)
    ]
    assert epochs[0] < epochs[1]
    shutil.rmtree(second / "state")
    assert experiment.run(SNN, tmp_path / "one").status == "done"
    assert read(tmp_path / "one")["checkpoint"]["resumed_epoch"] == epochs[0]
    complaints = capsys.readouterr().err.splitlines()
    assert [line for line in complaints if "damaged" in line] == complaints != []
    for path in checkpoints(tmp_path / "two"):
        (path / "index/metadata").unlink()
    assert experiment.run(SNN, tmp_path / "two").status == "done"
    assert read(tmp_path / "two")["checkpoint"]["resumed_epoch"] is None
    for name in ("one", "two"):
        check_equal(whole, tmp_path / name)


def test_lost_metrics_are_computed_again(tmp_path, stopped_at, whole, capsys):
    """After a power cut the disk may have a checkpoint and not the lines before it."""
    stopped_at(lambda: experiment.run(SNN, tmp_path), 330)
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:17]))
    experiment.run(SNN, tmp_path)
    assert read(tmp_path)["checkpoint"]["resumed_epoch"] is None
    assert "metrics.jsonl: lacks epochs" in capsys.readouterr().err
    check_equal(whole, tmp_path)


def test_other_code_is_refused(tmp_path, stopped_at, monkeypatch):
    stopped_at(lambda: experiment.run(SNN, tmp_path), 70)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    code = recorder.code_digest(SNN)
    monkeypatch.setattr("snnjax.checkpoint.resume.code_digest", lambda config: "0123456789ab")
    with pytest.raises(ConfigError) as refusal:
        experiment.run(SNN, tmp_path)
    message = str(refusal.value)
    assert f"was written by other source code ({code}, now 0123456789ab)" in message
    assert "checkpoint.resume=false" in message
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
    mixed = replace(SNN, sweep=SweepConfig(mix_versions=True))
    assert experiment.run(mixed, tmp_path).status == "done"
    assert read(tmp_path)["checkpoint"]["resumed_epoch"] >= 70


def test_other_data_are_refused(tmp_path, stopped_at, monkeypatch):
    stopped_at(lambda: experiment.run(SNN, tmp_path), 70)
    load = experiment.load
    monkeypatch.setattr(experiment, "load", lambda data: replace(load(data), sha256="f" * 64))
    with pytest.raises(ConfigError, match=r"was trained on other data \(sha256 .*, now f{12}\)"):
        experiment.run(SNN, tmp_path)
    anew = replace(SNN, checkpoint=replace(OFTEN, resume=False))
    assert experiment.run(anew, tmp_path).status == "done"
    assert read(tmp_path)["checkpoint"]["resumed_epoch"] is None


def test_another_configuration_is_refused(tmp_path, stopped_at):
    stopped_at(lambda: experiment.run(SNN, tmp_path), 70)
    with pytest.raises(ConfigError, match="another run was started in this folder"):
        experiment.run(replace(SNN, seed=1), tmp_path)


def test_a_disk_that_takes_nothing_stops_nothing(tmp_path, whole, capsys):
    (tmp_path / "checkpoints").write_text("in the way")
    assert experiment.run(SNN, tmp_path).status == "done"
    complaints = capsys.readouterr().err.splitlines()
    assert len(complaints) == 2  # checkpoints, and the networks at the end
    assert "no checkpoint is written" in complaints[0]
    assert "the networks are not kept" in complaints[1]
    assert (tmp_path / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()


def test_a_full_disk_stops_nothing(tmp_path, whole, capsys, monkeypatch):
    room = namedtuple("Room", "free")(2**18)
    monkeypatch.setattr("snnjax.checkpoint.store.shutil.disk_usage", lambda folder: room)
    assert experiment.run(SNN, tmp_path).status == "done"
    first, second = capsys.readouterr().err.splitlines()
    assert "no checkpoint is written" in first
    assert "the networks are not kept" in second
    assert "No space left on device" in first
    assert not (tmp_path / "checkpoints").exists()
    assert (tmp_path / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()


def test_without_checkpoints_nothing_is_written(tmp_path, stopped_at):
    config = replace(SNN, checkpoint=CheckpointConfig(every=None))
    stopped_at(lambda: experiment.run(config, tmp_path), 70)
    assert not (tmp_path / "checkpoints").exists()


def test_a_short_run_pays_nothing(tmp_path):
    experiment.run(replace(SNN, checkpoint=CheckpointConfig()), tmp_path)
    assert not (tmp_path / "checkpoints").exists()
    assert "checkpoint" not in read(tmp_path)


def test_the_networks_of_a_run_are_found_afterwards(whole, tmp_path):
    state = load_states(whole, fingerprint(SNN))
    result = read(whole)
    assert int(state.epoch) == result["epochs"] == 500
    assert int(state.best_epoch) == result["best_epoch"]
    assert load_problem(whole).features == 13
    with pytest.raises(ConfigError, match="holds another run"):
        load_states(whole, "0" * 16)
    with pytest.raises(ConfigError, match="train the run with checkpoint"):
        load_states(tmp_path)
