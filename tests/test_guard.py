"""The guard: what it warns of, what it leaves alone, how often it speaks, what strict refuses."""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import QUIET, make_dataset
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from snnjax import app, experiment, guard, sweep
from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config, DataConfig, ModelConfig
from snnjax.config.sources import folder, groups, register
from snnjax.config.strict import from_hydra
from snnjax.data.catalog import uci_table
from snnjax.data.load import load
from snnjax.experiment import Run, RunResult
from snnjax.guard import Guard, Inputs, warning
from snnjax.theory.depth.network import Ends, layer_weights, predict

LETTER = Inputs(16, 26)
SNN = ModelConfig()
NUMBER = r"(-?[\d.e+]+)"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    guard.forget()
    yield
    guard.forget()


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    small = ("data.name=sklearn_wine", "training=debug", "model.width=4", "model.depth=2")
    quiet = ("logging=quiet", "logging.wandb.mode=disabled")

    def run(*argv: str) -> int:
        monkeypatch.setattr(sys, "argv", ["snnjax-train", *argv, *small, *quiet])
        return app.main()

    return run


def composed(*overrides: str) -> Config:
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder("conf")), version_base="1.3"):
        return from_hydra(compose("config", list(overrides)))


BROKEN = {
    "selu with he_normal weights (variance 2/fan_in):": {"init": "he_normal"},
    "he_truncated weights (variance 1.55/fan_in):": {
        "init": "he_truncated", "init_corrected": False
    },
    "glorot_uniform weights (variance 0.118 to 1 over fan_in):": {"init": "glorot_uniform"},
    "glorot_normal weights (variance 0.118 to": {
        "init": "glorot_normal", "form": "conic"
    },
    "normal weights (variance 16 to 256 over fan_in):": {"init": "normal"},
    "uniform weights (variance 0.333/fan_in):": {"init": "uniform"},
    "zeros weights (variance 0/fan_in):": {"init": "zeros"},
    "lecun_normal weights times 1.2 (variance 1.44/fan_in):": {"init_gain": 1.2},
    "lecun_normal weights (variance 0.0625 to 1 over fan_in):": {"init_fan": "fan_out"},
    "lecun_truncated weights (variance 0.774/fan_in):": {
        "init": "lecun_truncated", "init_corrected": False
    },
    "initial biases of 0.5:": {"init_bias": 0.5},
    "ordinary dropout of 0.2:": {"dropout_kind": "ordinary", "dropout": 0.2},
    "ordinary input dropout of 0.2:": {
        "dropout_kind": "ordinary", "dropout": 0.0, "input_dropout": 0.2
    },
    "keeps mean 0 and variance 2:": {"dropout_variance": 2.0},
    "relu with alpha dropout of 0.05, which is made for selu:": {
        "activation": "relu", "init": "he_normal"
    },
    "elu with alpha dropout": {"activation": "elu", "dropout_kind": "feature_alpha"},
}  # fmt: skip


@pytest.mark.parametrize("said", BROKEN)
@pytest.mark.parametrize("depth", [2, 8])
def test_broken_combinations_are_named_with_what_becomes_of_them(said: str, depth: int) -> None:
    model = replace(SNN, depth=depth, **BROKEN[said])
    assert guard.is_unusual(model)
    line = warning(model, LETTER)
    assert "\n" not in line
    assert line.startswith("model: ")
    assert said in line
    after = re.findall(rf"after {depth} layers mean {NUMBER}, variance {NUMBER} ?", line)
    predicted = predict(model, layer_weights(model, Ends(16, 26)))
    assert predicted is not None
    expected = predicted[-1]
    assert float(after[0][1]) == pytest.approx(expected.variance, rel=6e-3)
    assert float(after[0][0]) == pytest.approx(expected.mean, rel=6e-3, abs=2e-4)


def test_alpha_dropout_after_the_pooling_of_other_units_is_named() -> None:
    model = ModelConfig(
        name="cnn_relu", depth=1, activation="relu", init="he_normal", dropout=0, conv_dropout=0.2
    )
    assert guard.is_unusual(model)
    line = warning(model, LETTER)
    assert "relu with alpha dropout of 0.2, which is made for selu: what is dropped becomes" in line
    assert not guard.is_unusual(replace(model, dropout_kind="ordinary"))


@pytest.mark.parametrize("said", BROKEN)
def test_the_remedy_mends(said: str) -> None:
    model = replace(SNN, **BROKEN[said])
    remedy = re.findall(r"model\.(\w+)=([\w.]+)", warning(model, LETTER))
    types = {"init_gain": float, "init_bias": float, "dropout_mean": float,
             "dropout_variance": float, "init_corrected": lambda text: text == "true"}  # fmt: skip
    changes: dict[str, Any] = {key: types.get(key, str)(value) for key, value in remedy}
    assert changes
    assert warning(replace(model, **changes), LETTER) == ""


def test_what_a_line_looks_like() -> None:
    model = replace(SNN, init="he_normal", dropout=0.0)
    assert warning(model, LETTER) == (
        "model: selu with he_normal weights (variance 2/fan_in): after 8 layers mean 1.19, "
        "variance 11.4 instead of 0 and 1; model.init=lecun_normal keeps them"
    )
    both = warning(replace(model, dropout_kind="ordinary", dropout=0.5), LETTER)
    assert both.endswith("model.init=lecun_normal and model.dropout_kind=alpha keep them")
    assert "too large for float32" in warning(replace(SNN, init="normal", depth=40), LETTER)
    assert "stay equal" in warning(replace(SNN, init="constant", init_value=0.2), LETTER)


def test_alpha_dropout_above_one_half_is_told_its_noise() -> None:
    line = warning(replace(SNN, dropout=0.6), LETTER)
    assert "alpha dropout of 0.6: 86 % of each layer's variance" in line
    assert warning(replace(SNN, dropout=0.5), LETTER) == ""


def test_constants_of_another_fixed_point_are_judged_by_it() -> None:
    """(0, 2) attracts with the constants of the paper's appendix A5; lambda 3 has no such point."""
    own = replace(SNN, selu_alpha=1.97126, selu_lambda=1.06071)
    assert warning(replace(own, dropout_variance=2.0), LETTER) == ""
    assert warning(replace(own, dropout=0.0), LETTER) == ""
    assert "instead of 0 and 2" in warning(own, LETTER)
    assert "no stable fixed point" in warning(replace(SNN, selu_lambda=3.0), LETTER)


ENDS = [Inputs(row.features, row.classes) for row in uci_table().values() if row.sha256]
SHAPES = [
    replace(SNN, depth=depth, width=width, form=form)
    for depth, width, form in product((2, 8, 32), (256, 1024, 2048), ("rectangular", "conic"))
]


@pytest.mark.parametrize("name", groups()["model"])
def test_no_model_is_warned_of_as_it_is(name: str) -> None:
    config = composed(f"model={name}")
    for inputs in (None, *ENDS[:3], ENDS[-1]):
        assert warning(config.model, inputs) == ""


@pytest.mark.parametrize(
    "choices",
    [
        *({"dropout": rate} for rate in (0.0, 0.05, 0.1)),
        {"init": "lecun_uniform"},
        {"init": "lecun_truncated"},
        {"init": "lsuv"},
        {"init": "he_normal", "norm": "batch"},
        {"init": "normal", "norm": "layer", "dropout_kind": "ordinary", "dropout": 0.5},
        *(
            {"activation": "relu", "init": "he_normal", "dropout_kind": "ordinary", "dropout": rate}
            for rate in (0.0, 0.5)
        ),
        *(
            {"activation": activation, "init": init, "dropout": 0.0}
            for activation in ("sigmoid", "tanh", "softsign", "relu", "elu")
            for init in ("uniform", "normal", "glorot_uniform")
        ),
        {"activation": "my:own"},
        {"init": "my:own"},
        {"dropout_kind": "my:own", "dropout": 0.9},
        {"depth": 0, "init": "he_normal"},
    ],
)
def test_grids_of_the_papers_and_the_diseases_to_be_shown_are_left_alone(choices: dict) -> None:
    for shape, inputs in product(SHAPES, (None, *ENDS[::40])):
        assert warning(replace(shape, **choices), inputs) == ""


def test_the_snn_is_left_alone_on_every_data_set() -> None:
    assert {warning(SNN, inputs) for inputs in ENDS} == {""}


@pytest.mark.parametrize("name", groups()["experiment"])
def test_no_experiment_is_warned_of_before_its_data_are_known(name: str) -> None:
    assert Guard().judge(composed(f"+experiment={name}")) == ""


def test_inputs_are_judged_by_training_rows() -> None:
    raw = Config(data=DataConfig(name="sklearn_digits", standardize="none"))
    data = load(raw.data)
    line = Guard().judge(raw, data)
    x = data.features[data.rows["train"]]
    assert f"selu with inputs of mean {x.mean():.3g} and variance {x.var():.3g}: after" in line
    assert line.endswith("data.standardize=standard keeps them")
    assert Guard().judge(replace(raw, model=replace(SNN, norm="batch")), data) == ""
    assert Guard().judge(replace(raw, model=replace(SNN, activation="relu", dropout=0)), data) == ""
    standard = replace(raw, data=replace(raw.data, standardize="standard"))
    assert Guard().judge(standard, load(standard.data)) == ""


@pytest.mark.parametrize(
    ("mean", "variance", "is_fine"),
    [(0, 1, True), (0.4, 0.6, True), (-0.4, 1.9, True), (0.6, 1, False), (0, 2.1, False),
     (0, 0.4, False)],
)  # fmt: skip
def test_inputs_nearly_standardised_pass(mean: float, variance: float, is_fine: bool) -> None:
    data = make_dataset(rows=3000, features=20, counts=(2500, 300, 200))
    x = data.features
    x = ((x - x.mean()) / x.std() * variance**0.5 + mean).astype(np.float32)
    config = Config(data=DataConfig(standardize="none"))
    line = Guard().judge(config, replace(data, features=x))
    assert (line == "") == is_fine


def test_large_data_are_sampled_and_images_scaled() -> None:
    data = make_dataset(rows=30_000, features=5, counts=(25_000, 3000, 2000))
    bytes_ = (np.clip(data.features * 40 + 128, 0, 255)).astype(np.uint8)
    scale = np.full(5, 1 / 255, np.float32)
    inputs = guard.inputs_of(replace(data, features=bytes_, scale=scale))
    assert inputs[:2] == (5, 3)
    assert inputs.mean == pytest.approx(128 / 255, abs=0.005)
    assert inputs.variance == pytest.approx((40 / 255) ** 2, rel=0.05)


def test_usual_runs_cost_nothing(run_code: Callable[..., Any]) -> None:
    judge = "from snnjax.config.schema import *; from snnjax import guard; m = ModelConfig({})\n"
    look = "guard.Guard().judge(Config(model=m))"
    done, imported = run_code(judge.format("") + look)
    assert (done.returncode, done.stderr) == (0, "")
    assert not imported & {"jax", "numpy", "scipy"}
    done, imported = run_code(judge.format("init='he_normal'") + f"assert {look}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "scipy" in imported
    assert not imported & {"jax", "flax"}


def test_a_line_is_told_once_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("model: a", "", "model: a", "model: b"):
        guard.tell(line)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "snnjax: model: a\nsnnjax: model: b\n"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """Collect the configurations that would be trained, instead of training them."""
    found: list[Config] = []

    def take(runs: list[Run], *_: Any, **__: Any) -> list[RunResult]:
        found.extend(run.config for run in runs)
        return [RunResult("done", 0.5)] * len(runs)

    monkeypatch.setattr(experiment, "run_population", take)
    monkeypatch.setattr(sweep, "run_population", take)
    return found


def test_a_run_is_warned_of_once_and_trained(
    trained: list[Config], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Config(
        data=DataConfig(name="sklearn_wine"), model=replace(SNN, init="he_normal"), logging=QUIET
    )
    for name in ("a", "b"):
        assert experiment.run(config, tmp_path / name).status == "done"
    assert trained == [config] * 2
    assert capsys.readouterr().err.count("snnjax: model: selu with he_normal weights") == 1


def test_strict_refuses_a_run(trained: list[Config], tmp_path: Path) -> None:
    model = replace(SNN, init="he_normal", strict=True)
    config = Config(data=DataConfig(name="sklearn_wine"), model=model, logging=QUIET)
    with pytest.raises(ConfigError, match=r"he_normal.*refused by model.strict=true"):
        experiment.run(config, tmp_path / "b")
    assert not trained
    assert not (tmp_path / "b").exists()


def test_strict_refuses_a_single_run_before_its_folder_is_made(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call("model.init=he_normal", "model.strict=true") == 2
    captured = capsys.readouterr().err
    assert captured.startswith("snnjax: error: model: selu with he_normal weights")
    assert captured.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_strict_refuses_raw_inputs_once_they_are_known(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("data.standardize=none", "model.strict=true") == 2
    assert capsys.readouterr().err.startswith("snnjax: error: model: selu with inputs of mean")


SWEPT = ("-m", "model.init=he_normal,lecun_normal", "seed=0,1", "hydra.sweep.dir=out")


@pytest.mark.parametrize("launcher", ["population", "basic"])
def test_a_sweep_is_warned_of_once(
    call: Callable[..., int],
    trained: list[Config],
    capsys: pytest.CaptureFixture[str],
    launcher: str,
) -> None:
    for _ in range(2):  # each command speaks for itself
        call(*SWEPT, f"hydra/launcher={launcher}")
        assert capsys.readouterr().err.count("selu with he_normal") == 1
    assert len(trained) == 8


def test_strict_refuses_a_sweep_whole(
    call: Callable[..., int],
    trained: list[Config],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert call(*SWEPT, "model.strict=true") == 2
    assert not trained
    assert not list(tmp_path.glob("out/[0-9]*"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("(refused by model.strict=true)  (2 of 4 runs)")


def test_a_sweep_may_leave_out_what_strict_refuses(
    call: Callable[..., int], trained: list[Config], capsys: pytest.CaptureFixture[str]
) -> None:
    call(*SWEPT, "model.strict=true", "sweep.skip_invalid=true")
    assert [config.model.init for config in trained] == ["lecun_normal"] * 2
    assert capsys.readouterr().err.count("refused by model.strict=true") == 1


def test_strict_refuses_the_data_sets_of_a_sweep_that_are_raw(
    call: Callable[..., int], trained: list[Config], capsys: pytest.CaptureFixture[str]
) -> None:
    call("-m", "data.standardize=standard,none", "model.strict=true", "seed=0,1")
    assert [config.data.standardize for config in trained] == ["standard"] * 2
    assert capsys.readouterr().err.count("selu with inputs of mean") == 1
