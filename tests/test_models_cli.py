"""`python -m snnjax.models`: the table of names and the summary of a network."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import pytest

import snnjax
from snnjax import app, models
from snnjax.config.schema import ModelConfig
from snnjax.config.sources import groups
from snnjax.config.split import split
from snnjax.model_summary import _nearest, summarize_model
from snnjax.registry import KINDS
from snnjax.shapes import Problem
from snnjax.step import parameter_count
from snnjax.theory.depth.network import Ends, layer_weights, predict

ROOT = Path(snnjax.__file__).parent.parent
OWN = '''
import jax
from flax import nnx
from snnjax.nn.draw import draw_kernels
from snnjax.nn.linear import Linear

class Conv(nnx.Module):
    """Two convolutions of 8 x 8 images, their order not that of their names."""

    def __init__(self, config, features, outputs, key, value):
        self.z_first = Kernel(key, (3, 3, 1, 4))
        self.a_second = Kernel(key, (3, 3, 4, 4))
        self.b_second = Kernel(key, (3, 3, 4, 4))
        self.shift = nnx.Param(jax.numpy.zeros(()))
        self.output = Linear(draw_kernels(value, key, [(2 * 2 * 4, outputs)])[0])

    def __call__(self, x, randomness=None):
        x = self.z_first(x.reshape(-1, 8, 8, 1) + self.shift[...], 1)
        x = self.b_second(jax.jit(lambda x: self.a_second(x, 2))(x), 2)
        return self.output(x.reshape(x.shape[0], -1))

class Kernel(nnx.Module):
    def __init__(self, key, shape):
        self.kernel = nnx.Param(jax.random.normal(key, shape))
        self.bias = nnx.Param(jax.numpy.zeros(shape[-1]))

    def __call__(self, x, stride):
        y = jax.lax.conv_general_dilated(
            x, self.kernel[...], (stride, stride), "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return y + self.bias[...][None, None, None, :]
'''


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def run(*argv: str, command: Callable[[], int] = models.main) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["models", *argv])
        code = command()
        return code, *capsys.readouterr()

    return run


def table(text: str) -> dict[str, list[str]]:
    """Return the cells of each row of a printed summary by the row's name."""
    rows = [re.split(r" {2,}", line) for line in text.splitlines()[2:-2]]
    return {cells[0]: cells[1:] for cells in rows}


def test_the_table_has_every_name_with_its_description(call: Callable[..., tuple]) -> None:
    code, text, errors = call()
    assert (code, errors) == (0, "")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    sections = text.split("\n\n")
    assert len(sections) == len(KINDS) + 1
    for kind, section in zip(KINDS, sections, strict=False):
        described = dict(re.findall(r"^  (\w+) +(\S.*)$", section, re.MULTILINE))
        assert described.keys() == {*KINDS[kind], *groups().get(kind, ())}
        assert all(len(words) > 5 for words in described.values())
    columns = {line.index(line.split()[1]) for line in lines if re.match(r"  \w+ ", line)}
    assert len(columns) == 1


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("model", "snn", "Self-normalizing network (Klambauer et al. 2017)."),
        ("model", "maxout", "Maxout network (Goodfellow et al. 2013)."),
        ("activation", "identity", "Linear unit: x."),
        ("optimizer", "nadam", "Adam with Nesterov momentum (Dozat 2016)."),
    ],
)
def test_descriptions_come_from_the_file_or_the_code(kind: str, name: str, said: str) -> None:
    assert models._described(kind)[name] == said


@pytest.mark.parametrize("name", groups()["model"])
@pytest.mark.parametrize("form", ["rectangular", "conic"])
def test_parameters_are_those_of_the_network(
    call: Callable[..., tuple], name: str, form: str
) -> None:
    overrides = (f"model={name}", "model.depth=4", "model.width=64", f"model.form={form}")
    code, text, refused = call(*overrides)
    if form == "conic" and code:
        assert "model.form=conic" in refused
        return
    config = models.configured(overrides)
    expected = parameter_count(split(config)[0], Problem("classification", 64, 10))
    assert table(text)["total"][0] == f"{expected:,}"


def test_rows_of_a_perceptron() -> None:
    model = ModelConfig(depth=11, width=30, norm="batch")
    summary = summarize_model(model, Ends(7, 3))
    names = [f"hidden.{number}.linear" for number in range(11)]
    assert [row.name for row in summary.rows] == [*names, "output"]
    assert [row.shape for row in summary.rows] == [(7, 30), *[(30, 30)] * 10, (30, 3)]
    inner = 30 * 30 + 3 * 30  # weights, biases, scales and shifts
    assert [row.parameters for row in summary.rows] == [7 * 30 + 90, *[inner] * 10, 93]
    assert [row.flops for row in summary.rows] == [420, *[1800] * 10, 180]
    assert summary.other == 0


def test_flops_of_convolutions_count_every_position() -> None:
    """Of 32 x 32 pixels in three planes, counted by hand."""
    summary = summarize_model(ModelConfig(name="cnn", depth=1, width=512), Ends(3072, 10))
    layers = [(32, 3, 32), (30, 32, 32), (15, 32, 64), (13, 64, 64)]
    wanted = [2 * 9 * fan_in * fan_out * size**2 for size, fan_in, fan_out in layers]
    assert [row.flops for row in summary.rows] == [*wanted, 2 * 6 * 6 * 64 * 512, 2 * 512 * 10]


def test_parameters_go_with_the_weights_of_their_own_layer() -> None:
    """A norm beside the last matrix of a block is not that of the matrix inside the block."""
    inner, outer = ("block", "inner", "linear", "kernel"), ("block", "linear", "kernel")
    homes = {inner: 0, outer: 0}
    assert _nearest(("block", "norm", "scale"), homes) == outer
    assert _nearest(("block", "inner", "linear", "bias"), homes) == inner
    assert _nearest(("elsewhere", "scale"), homes) is None


def test_moments_are_those_of_the_map_without_dropout() -> None:
    model = ModelConfig(depth=3, init="he_normal", dropout=0.2)
    ends = Ends(16, 26)
    *found, of_outputs = summarize_model(model, ends).moments
    assert found == predict(model, layer_weights(model, ends), training=False)
    assert of_outputs is None
    assert found != predict(model, layer_weights(model, ends))


@pytest.mark.parametrize(
    ("model", "rows"),
    [
        ("highway", ["hidden.0.linear", "hidden.1.transform.linear"]),
        ("resnet", ["hidden.0.linear", "hidden.1.hidden.0.linear", "hidden.1.linear"]),
        ("cnn", ["blocks.0.layers.0.linear", "blocks.0.layers.1.linear", "hidden.0.linear"]),
    ],
)
def test_other_networks_have_moments_by_layer(
    call: Callable[..., tuple], model: str, rows: list[str]
) -> None:
    _, text, _ = call(f"model={model}", "model.width=64", "model.depth=2")
    assert "by the moment map, without dropout" in text
    cells = table(text)
    for name in rows:
        mean, variance = map(float, cells[name][-2:])
        assert abs(mean) < 3
        assert 0.2 < variance < 3
    assert len(cells["output"]) == 3  # nothing is said of the outputs


def test_raw_inputs_are_taken_as_they_are(call: Callable[..., tuple]) -> None:
    _, text, warned = call("data.standardize=none", "model.depth=1")
    assert table(text)["inputs"] == ["4.89", "36.3"]
    assert warned.startswith(
        "snnjax: model: selu with inputs of mean 4.89 and variance 36.3: after"
    )


def test_a_network_of_ones_own_with_convolutions(
    call: Callable[..., tuple], tmp_path: Path
) -> None:
    (tmp_path / "conv_of_mine.py").write_text(OWN)
    code, text, _ = call("model.name=conv_of_mine:Conv")
    assert code == 0
    assert table(text) == {
        "inputs": ["0", "1"],
        "z_first": ["3 x 3 x 1 x 4", "40", f"{64 * 2 * 36:,}"],
        "a_second": ["3 x 3 x 4 x 4", "148", f"{16 * 2 * 144:,}"],
        "b_second": ["3 x 3 x 4 x 4", "148", f"{4 * 2 * 144:,}"],
        "output": ["16 x 10", "170", "320"],
        "other": ["1"],
        "total": ["507", f"{64 * 72 + 20 * 288 + 320:,}"],
    }
    assert "not known" in text


def test_nothing_is_allocated(call: Callable[..., tuple]) -> None:
    before = sum(array.nbytes for array in jax.live_arrays())
    code, text, _ = call("model.depth=2", "model.width=46340")
    assert code == 0
    assert f"{46340**2 + 46340:,}" in text
    assert sum(array.nbytes for array in jax.live_arrays()) - before < 1e6


@pytest.mark.parametrize(
    "mistake",
    ["model.widht=3", "model.depth=-1", "model=snm", "model.init=he", "model.name=nowhere:Net"],
)
def test_a_mistake_is_told_as_in_training(call: Callable[..., tuple], mistake: str) -> None:
    code, text, errors = call(mistake)
    assert (code, text) == (2, "")
    assert errors.count("\n") == 1
    assert errors.startswith("snnjax: error: ")
    code, _, theirs = call(mistake, "hydra.run.dir=here", command=app.main)
    assert (code, theirs) == (2, errors)


def test_strict_and_sweeps_are_refused(call: Callable[..., tuple]) -> None:
    code, _, errors = call("model.init=he_normal", "model.strict=true")
    assert code == 2
    assert "refused by model.strict=true" in errors
    for several in ("seed=0,1", "sweep=quickstart"):
        code, _, errors = call(several)
        assert code == 2
        assert "several" in errors
    assert call("-m")[::2] == (2, "snnjax: error: -m: no such option; allowed: --help, overrides\n")


def test_help_and_a_closed_pipe(call: Callable[..., tuple], tmp_path: Path) -> None:
    code, text, _ = call("--help")
    assert code == 0
    assert text.startswith("usage: python -m snnjax.models")
    command = f'"{sys.executable}" -m snnjax.models | head -n 1'
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("models (model=...)\n", "")
