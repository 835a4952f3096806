"""Runs and sweeps that are looked into, from the command line to the files they leave."""

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from conftest import QUIET

from snnjax import experiment, sinks, sweep
from snnjax.config.errors import ConfigError
from snnjax.config.optimization import SgdConfig
from snnjax.config.schema import Config, DataConfig, DiagnosticsConfig, ModelConfig, TrainingConfig
from snnjax.config.strict import convert
from snnjax.diagnostics.record import read
from snnjax.experiment import Means, Run
from snnjax.registry import DIAGNOSTICS

CONF = Path(__file__).parents[2] / "conf" / "diagnostics"
MEASURES = ("activations", "weights", "units", "theory")
BASE = Config(
    data=DataConfig(name="sklearn_wine"),
    model=ModelConfig(depth=2, width=12),
    optimizer=SgdConfig(learning_rate=0.05),
    training=TrainingConfig(epochs=4, batch_size=32),
    logging=QUIET,
    diagnostics=DiagnosticsConfig(measures=MEASURES, every=2, steps=(1,), figures=False),
)


def mean_of_inputs(scene):
    """A measure of one's own."""
    return {"mean_input": scene.batch.inputs.mean(), "big": jnp.stack([scene.batch.inputs.max()])}


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def metrics(folder):
    return json.loads((folder / "result.json").read_text())["metrics"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looked")
    own = f"{__name__}:mean_of_inputs"
    looks = replace(BASE.diagnostics, measures=(*MEASURES, own))
    experiment.run(replace(BASE, diagnostics=looks), folder / "run")
    experiment.run(replace(BASE, diagnostics=DiagnosticsConfig()), folder / "plain")
    return folder


def test_a_run_leaves_what_was_seen(folder):
    arrays = read(folder / "run/diagnostics.npz")
    batches = len(
        range(0, json.loads((folder / "run/result.json").read_text())["data"]["train_rows"], 32)
    )
    np.testing.assert_array_equal(arrays["step"], [0, 1, 2 * batches, 4 * batches])
    np.testing.assert_array_equal(arrays["epoch"], [0, 1 / batches, 2, 4])
    assert arrays["layers"].tolist() == ["1", "2"]
    assert arrays["activation_histogram"].shape == (4, 2, 100)
    assert arrays["weight_norm"].shape == (4, 3)
    assert arrays["predicted_mean"].shape == arrays["dead"].shape == (4, 2)
    assert arrays["omega"].shape == (4, 2, 12)
    assert arrays["mean_input"].shape == (4,)
    assert np.ptp(arrays["mean_input"]) == 0
    assert (arrays["fixed_mean"].shape, arrays["fixed_variance"].shape) == ((), ())
    assert np.isfinite(arrays["activation_mean"]).all()
    assert (arrays["update_norm"] > 0).all()
    assert (folder / "run/diagnostics.npz").stat().st_size < 40_000


def test_looks_change_no_number_of_a_run_and_have_lines_of_their_own(folder):
    ours = [line for line in lines(folder / "run") if line["split"] != "diagnostics"]
    assert ours == lines(folder / "plain")
    assert metrics(folder / "run") == metrics(folder / "plain")
    assert not (folder / "plain/diagnostics.npz").exists()
    seen = [line for line in lines(folder / "run") if line["split"] == "diagnostics"]
    assert [line["epoch"] for line in seen] == [0, 0, 2, 4]
    arrays = read(folder / "run/diagnostics.npz")
    for line, step, mean in zip(seen, arrays["step"], arrays["activation_mean"], strict=True):
        assert line["step"] == step
        assert line["activation_mean.2"] == pytest.approx(float(mean[1]))
    epochs = [line["epoch"] for line in lines(folder / "run") if line["split"] != "test"]
    assert epochs == sorted(epochs)
    assert sinks.read_evaluations(folder / "run/metrics.jsonl")


@pytest.mark.slow
def test_a_sweep_leaves_the_looks_of_each_run(tmp_path, folder):
    configs = [replace(BASE, seed=seed) for seed in (0, 1)]
    runs = [Run(config, tmp_path / str(number)) for number, config in enumerate(configs)]
    ends = sweep.run_sweep(runs, tmp_path, Means()).ended
    assert len(ends) == 2
    one, other = (read(tmp_path / name / "diagnostics.npz") for name in "01")
    alone = read(folder / "run/diagnostics.npz")
    for name, array in one.items():
        np.testing.assert_array_equal(array, alone[name])
    assert not np.array_equal(one["weight_mean"], other["weight_mean"])


@pytest.mark.slow
def test_a_run_that_diverges_is_seen_at_its_end(tmp_path):
    config = replace(BASE, optimizer=SgdConfig(learning_rate=1e4))
    looks = replace(config.diagnostics, measures=("activations", "gradients", "theory"))
    assert experiment.run(replace(config, diagnostics=looks), tmp_path).status == "diverged"
    arrays = read(tmp_path / "diagnostics.npz")
    assert not np.isfinite(arrays["activation_mean"][-1]).all()
    assert lines(tmp_path)[-1]["split"] in ("diagnostics", "test")
    assert any(None in line.values() for line in lines(tmp_path))


def test_histograms_reach_wandb(tmp_path, monkeypatch):
    """The rows that wandb is given, without wandb."""
    from snnjax.sinks import wandb_sink

    taken = []

    class Opened:
        def log(self, row):
            taken.append(row)

    items = [
        sinks.Evaluation(0, 0, "diagnostics", {"dead.1": 0.5}, {"weight.1": ([1, 2], [0, 1, 2])}),
        sinks.Evaluation(1, 5, "train", {"loss": 1.0}),
        sinks.Evaluation(1, 5, "diagnostics", {"dead.1": 0.0}, {"weight.1": ([3, 0], [0, 1, 2])}),
        {"status": "done", "metrics": {}, "best_epoch": 1, "device": {"kind": "cpu"}},
    ]

    class Inbox:
        def take(self, wait=None):
            return items.pop(0)

    monkeypatch.setattr(wandb_sink, "_histogram", lambda *parts: parts)
    wandb_sink._log_run(Opened(), Inbox())
    assert [row["step"] for row in taken] == [0, 5]
    assert taken[0]["diagnostics/weight.1"] == ([1, 2], [0, 1, 2])
    assert taken[1]["train/loss"] == 1
    assert taken[1]["diagnostics/dead.1"] == 0
    assert taken[1]["diagnostics/weight.1"] == ([3, 0], [0, 1, 2])


def test_wandb_takes_such_histograms():
    from snnjax.sinks.wandb_sink import _histogram

    made = _histogram(np.ones(100, np.uint32), np.linspace(0, 1, 101))
    assert len(made.histogram) == 100
    assert len(made.bins) == 101


def test_every_choice_is_valid_and_each_measure_has_a_name():
    import yaml

    chosen = {path.stem: yaml.safe_load(path.read_text()) for path in CONF.glob("*.yaml")}
    assert {"none", "default", "all"} <= chosen.keys()
    for name, own in chosen.items():
        config = convert(Config, {"diagnostics": own}).diagnostics
        assert (config.measures == ()) == (name == "none")
    assert set(chosen["all"]["measures"]) == set(DIAGNOSTICS)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"measures": ["activatons"]},
            r"diagnostics.measures=activatons: no such diagnostic; allowed: a list of "
            r"activations, .*noise; did you mean activations\?",
        ),
        ({"measures": "units"}, r"diagnostics.measures=units: .*; did you mean \[units\]\?"),
        ({"measures": ["nope.nope:x"]}, r"diagnostics.measures=nope.nope:x: no module .*"),
        ({"measures": [1]}, r"diagnostics.measures=\[1\]: .*allowed: a list of activations.*"),
        ({"steps": 5}, r"diagnostics.steps=5: .*; did you mean \[5\]\?"),
        ({"every": 0}, r"diagnostics.every=0: out of range; allowed: .*auto.*"),
        ({"every": "often"}, r"diagnostics.every=often: .*auto.*"),
        ({"steps": [-1]}, r"diagnostics.steps=\[-1\]: out of range; .*"),
        ({"rows": 1}, r"diagnostics.rows=1: out of range; .*did you mean 2\?"),
        (
            {"measure": []},
            r"diagnostics.measure=.*unknown key.*did you mean diagnostics.measures\?",
        ),
    ],
)
def test_what_is_no_choice_is_one_line(given, line):
    with pytest.raises(ConfigError, match=f"^{line}") as caught:
        convert(Config, {"diagnostics": given})
    assert len(caught.value.mistakes) == 1


def test_a_name_that_a_module_lacks_is_refused(tmp_path):
    looks = DiagnosticsConfig(measures=("json:nope",))
    with pytest.raises(ConfigError, match=r"^diagnostics.measures=json:nope: .*nope"):
        experiment.run(replace(BASE, diagnostics=looks), tmp_path)
    assert not (tmp_path / "result.json").exists()


ARGUMENTS = ["data.name=sklearn_wine", "training=debug", "logging=quiet", "model.width=8"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "choice", [path.stem for path in sorted(CONF.glob("*.yaml"))] + ["default,sweep"]
)
def test_from_the_command_line(tmp_path, choice):
    choice, _, is_sweep = choice.partition(",")
    command = [sys.executable, "-m", "snnjax.train", *ARGUMENTS, f"diagnostics={choice}"]
    command += ["diagnostics.figures=false"]
    if is_sweep:
        command[3:3] = ["-m", "seed=0,1", "hydra.sweep.dir=run"]
    else:
        command += ["hydra.run.dir=run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [*(tmp_path / "run").glob("**/diagnostics.npz")]
    assert len(found) == (0 if choice == "none" else 2 if is_sweep else 1)
    for path in found:
        arrays = read(path)
        assert arrays["epoch"][0] == 0
        assert all(
            not math.isinf(array.sum()) for array in arrays.values() if array.dtype.kind == "f"
        )
    shutil.rmtree(tmp_path / "run")


@pytest.mark.slow
def test_a_measure_of_ones_own_from_the_command_line(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def largest(scene):\n"
        "    layer = scene.layers['1']\n"
        "    return {'largest': layer.activation.max()}\n"
    )
    command = [sys.executable, "-m", "snnjax.train", *ARGUMENTS, "hydra.run.dir=run"]
    command += ["diagnostics.measures=[activations,mine:largest]", "diagnostics.figures=false"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    arrays = read(tmp_path / "run/diagnostics.npz")
    np.testing.assert_array_equal(arrays["largest"], arrays["activation_edges"][:, 0, 1])
