"""Looking into the networks of a run that has ended, against what was seen while it was trained."""

import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from conftest import QUIET

from snnjax import diagnose, experiment
from snnjax.config.optimization import SgdConfig
from snnjax.config.schema import (
    CheckpointConfig,
    Config,
    DataConfig,
    DiagnosticsConfig,
    ModelConfig,
    TrainingConfig,
)
from snnjax.diagnostics.record import read

MEASURES = ("activations", "gradients", "weights", "units", "theory")
CONFIG = Config(
    data=DataConfig(name="sklearn_wine"),
    model=ModelConfig(depth=2, width=12, dropout=0.05),
    optimizer=SgdConfig(learning_rate=0.05),
    training=TrainingConfig(epochs=3, batch_size=32),
    logging=QUIET,
    checkpoint=CheckpointConfig(final=True),
    diagnostics=DiagnosticsConfig(measures=MEASURES, every=1, figures=False),
)


def mean_of_inputs(scene):
    """A measure of one's own."""
    return {"mean_input": scene.batch.inputs.mean()}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnosed") / "run"
    experiment.run(CONFIG, folder)
    return folder


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["diagnose", *map(str, words)])
    return diagnose.main()


def test_networks_look_as_they_did_while_they_were_trained(run, monkeypatch, capsys):
    assert call(monkeypatch, run, *MEASURES, f"{__name__}:mean_of_inputs") == 0
    own, live = read(run / "diagnose/diagnostics.npz"), read(run / "diagnostics.npz")
    assert own["step"][[0, -1]].tolist() == live["step"][[0, -1]].tolist()
    assert own["epoch"][[0, -1]].tolist() == [0, 3]
    assert own["mean_input"].shape == own["step"].shape
    looks = np.searchsorted(live["step"], own["step"])
    assert set(live) - {"revived"} <= set(own)
    for name in set(live) - {"layers", "kernels", "revived"}:
        if not name.startswith("fixed_"):
            np.testing.assert_array_equal(own[name], live[name][looks], err_msg=name)
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said[1:3]] == ["1", "2"]


def test_costs_over_two_weights(run, monkeypatch, tmp_path):
    words = "surface", "--span", 2, "--points", 5, "--out", tmp_path / "out"
    assert call(monkeypatch, run, *words) == 0
    with np.load(tmp_path / "out/surface.npz") as surface:
        np.testing.assert_allclose(surface["first"], [-2, -1, 0, 1, 2])
        assert surface["cross_entropy"].shape == surface["quadratic"].shape == (5, 5)
        assert (surface["cross_entropy"] > 0).all()
        assert ((surface["quadratic"] > 0) & (surface["quadratic"] < 2)).all()
    assert not (tmp_path / "out/diagnostics.npz").exists()


def test_more_rows_than_there_are(run, monkeypatch, tmp_path):
    assert call(monkeypatch, run, "weights", "--rows", 10**9, "--out", tmp_path) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("jacobian",), "NAME=jacobian: no such diagnostic; .*did you mean jacobians"),
        (("nowhere:measure",), "no module nowhere"),
        (("--span", "nan"), "--span: nan: allowed: a number > 0"),
        (("--rows", "1"), "--rows: 1: allowed: integers from 2"),
    ],
)
def test_mistakes(run, monkeypatch, capsys, words, told):
    try:
        code = call(monkeypatch, run, *words)
    except SystemExit as error:  # argparse
        code = error.code
    assert code == 2
    assert re.search(told, capsys.readouterr().err)


def test_a_run_that_kept_no_networks(monkeypatch, capsys, tmp_path):
    experiment.run(replace(CONFIG, checkpoint=CheckpointConfig()), tmp_path / "run")
    assert call(monkeypatch, tmp_path / "run", "weights") == 2
    assert "checkpoint.final=true" in capsys.readouterr().err
    assert call(monkeypatch, tmp_path, "weights") == 2
    assert "no config.json" in capsys.readouterr().err
