"""The subcommands `predict` and `figures`."""

import argparse
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from snnjax.config.errors import ConfigError
from snnjax.figures.style import save
from snnjax.theory import pictures
from snnjax.theory.commands import figures, predict
from snnjax.theory.commands.predict import likeness
from snnjax.theory.moments.activations import numpy_activation


def run(command: ModuleType, *words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words))


def test_the_table_and_its_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net.svg"
    assert run(predict, "model=snn", "model.depth=3", "--out", str(out)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("snn on sklearn_digits: selu, lecun_normal, alpha dropout 0.05")
    cells = lines[4].split()
    assert cells[:3] == ["hidden.2.linear", "0", "1"]
    assert len(cells) == 9
    assert out.read_text().startswith("<?xml")
    assert max(map(len, lines)) <= 100


def test_evaluation_has_no_dropout(capsys: pytest.CaptureFixture[str]) -> None:
    words = "model.activation=tanh", "model.dropout_kind=ordinary", "model.depth=1"
    run(predict, *words)
    on = capsys.readouterr().out
    run(predict, *words, "--evaluation")
    off = capsys.readouterr().out
    assert "dropout on." in on
    assert "dropout off." in off
    assert float(on.splitlines()[2].split()[2]) > float(off.splitlines()[2].split()[2])


def test_sigmoids_are_told_why_they_fail(capsys: pytest.CaptureFixture[str]) -> None:
    run(predict, "model=mlp", "model.activation=sigmoid", "model.depth=1")
    assert "|w| > 4 only" in capsys.readouterr().out


def test_layers_too_narrow_for_finite_widths_have_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.svg"
    run(predict, "model=msra", "model.depth=32", "model.width=32", "--out", str(out))
    said = capsys.readouterr().out
    rows = [line.split() for line in said.splitlines() if line.startswith("hidden.")]
    assert [len(row) for row in rows] == [9] * 2 + [7] * 30
    assert "No finite variance where the spread is above 0.75" in said
    run(predict, "model=msra", "model.depth=2", "model.width=512")
    assert "No finite variance" not in capsys.readouterr().out


def test_gradients_of_normalised_patches_are_told_to_be_larger(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = "model=cnn", "model.dropout=0", "model.conv_dropout=0"
    for norm, is_told in (("layer", True), ("rms", True), ("batch", False), ("none", False)):
        run(predict, *words, f"model.norm={norm}")
        assert ("40 to 70 %" in capsys.readouterr().out) == is_told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model.depth=2", "--out", "net.gif"), "--out=net.gif: not the name of an image"),
        (("model.depth=2", "--out", "no/such/net.png"), "--out=no/such/net.png: no such folder"),
        (("model.depth=2,3",), "model.depth=2,3: several values"),
        (("model.init=constant",), "nothing is known"),
        (("model.dpeth=2",), "model.depth"),
    ],
)
def test_mistakes_of_predict(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run(predict, *words)


def test_pixels_of_digits_are_alike_and_columns_of_tables_are_not() -> None:
    from snnjax.config.preflight import the_only
    from snnjax.data.load import load

    config = the_only(["model=cnn"], "")
    data = load(config.data)
    assert 0.1 < likeness(config, data) < 0.9
    assert likeness(the_only(["model=snn"], ""), data) == 0


def test_figures_are_written_and_light(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(figures, "depth", "depth", "--out-dir", str(tmp_path / "new")) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(path.name for path in written) == ["depth.png", "depth.svg"]
    assert all(1000 < path.stat().st_size < 250_000 for path in written)
    again = tmp_path / "again.svg"
    save(pictures.draw_depth(), again)
    assert again.read_bytes() == (tmp_path / "new" / "depth.svg").read_bytes()


def test_the_curves_are_those_of_the_theory() -> None:
    from snnjax.config.schema import ModelConfig

    axes = pictures.draw_activations().axes
    drawn = {ax.get_title(): ax.get_lines()[2].get_data() for ax in axes}
    assert len(drawn) == 16
    x, y = drawn["maxout of two lines"]
    np.testing.assert_allclose(y, np.maximum(-0.6 * x - 0.5, 0.8 * x + 0.2))
    x, y = drawn["mish"]
    np.testing.assert_allclose(y, numpy_activation(ModelConfig(activation="mish"))(x))
    assert pictures._settled(0.0, 1.1) == pytest.approx((0.04852, 1.39931), abs=2e-5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("flwo",), "flwo: no such figure; .*did you mean flow"),
        (("flow", "--formats", "gif"), "--formats gif: no such format"),
        (("flow", "--out-dir", "/dev/null/x"), "--out-dir=/dev/null/x: cannot be made"),
    ],
)
def test_mistakes_of_figures(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run(figures, *words)
