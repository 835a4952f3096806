"""`python -m snnjax.theory`: what it prints and how it refuses."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import snnjax
from snnjax.theory.__main__ import main
from snnjax.theory.fixed_points import paving
from snnjax.theory.moments.moment_map import selu_map

ROOT = Path(snnjax.__file__).parent.parent


def told(capsys, *words):
    code = main([str(word) for word in words])
    return code, capsys.readouterr()


def test_help_names_the_subcommands_and_imports_neither_jax_nor_scipy(run_code):
    done, imported = run_code("from snnjax.theory.__main__ import main\nmain(['--help'])")
    assert done.returncode == 0
    for name in ("map", "fixed", "constants"):
        assert f"\n  {name} " in done.stdout
    assert not imported & {"jax", "scipy", "flint", "mpmath", "matplotlib"}


@pytest.mark.parametrize("words", [("map",), ("constants", "--mean", "0.1"), ("fixed",)])
def test_subcommands_do_without_jax(words, run_code):
    code = f"from snnjax.theory.__main__ import main\nraise SystemExit(main({list(words)!r}))"
    done, imported = run_code(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert "jax" not in imported


def test_the_map_is_printed_with_its_jacobian(capsys):
    code, (out, _) = told(capsys, "map", "--mu", 0.1, "--omega", 0.05, "--nu", 1.2)
    mean, variance = selu_map(0.1, 0.05, 1.2, 1.0)
    rows = [line.split() for line in out.splitlines()]
    assert code == 0
    np.testing.assert_allclose(float(rows[2][1]), mean, rtol=1e-11)
    np.testing.assert_allclose(float(rows[3][1]), variance, rtol=1e-11)
    assert rows[4][:2] == ["spectral", "norm"]


def test_a_mean_that_is_rounding_is_printed_as_0(capsys):
    _, (out, _) = told(capsys, "map")
    assert out.splitlines()[2].split()[:2] == ["mean", "0"]


def test_what_is_proved_of_a_box_is_said_when_the_rest_is_not(capsys, monkeypatch):
    monkeypatch.setattr(paving, "_MOST_CELLS", 6)
    code, (out, _) = told(capsys, "fixed", "--box", 0, 0, 0.5, 3)
    assert code == 1
    assert "not proved: the fixed points for omega 0 to 0 and tau " in out
    assert "in each part of the box that is proved so far" in out


def test_other_activations_come_with_an_error(capsys):
    code, (out, _) = told(capsys, "map", "--activation", "relu", "--mu", "-1e-3", "--omega", 1)
    assert code == 0
    assert "by quadrature, error about" in out


def test_fixed_points_are_printed_with_the_proof(capsys):
    code, (out, _) = told(capsys, "fixed", "--omega", 0, "--tau", 1)
    assert code == 0
    assert "attracting     0         1  0.7826478832  0.7876733605" in out
    assert "proved: exactly 1 with mean" in out


def test_a_box_of_fixed_points_is_printed(capsys):
    code, (out, _) = told(capsys, "fixed", "--box", -0.01, 0.01, 0.99, 1.01)
    assert code == 0
    assert "proved: exactly 1" in out
    assert len([line for line in out.splitlines() if " to " in line]) == 4


def test_constants_are_printed_under_every_definition(capsys):
    code, (out, _) = told(capsys, "constants", "--digits", 32, "--rate", 0.05)
    assert code == 0
    assert out.count("1.6732632423543772848170429916717") == 3
    assert out.count("1.0507009873554804934193349852946") == 3
    assert (out.count("repelling:"), out.count("attracting:")) == (1, 2)
    assert out.count("alpha' -1.7580993408473766, a 0.954844476005031") == 3


def test_that_none_exists_is_said_and_is_the_exit_code(capsys):
    words = ("constants", "--mean", 2, "--variance", 0.5, "--definition", "zero_mean")
    code, (out, _) = told(capsys, *words)
    assert code == 1
    assert "none exists: from these net inputs a mean of 2.0 has a variance of at least" in out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["mpa"], "mpa: no such subcommand; allowed: map, fixed, constants"),
        (["map", "--omga", "1"], "--omga: no such argument; allowed: "),
        (["map", "--nu", "-1"], "--nu: -1: not a finite number above 0"),
        (["map", "--mu", "x"], "--mu: x: not a finite number"),
        (["map", "--activation", "gleu"], "--activation=gleu: no such choice; allowed: "),
        (["map", "--mu", "1e200", "--omega", "1"], "net inputs of mean 1e+200"),
        (["fixed", "--tau", "0"], "--tau: 0: not a finite number above 0"),
        (["fixed", "--tau", "1e9"], "tau=1e+09: must lie between"),
        (["fixed", "--box", "0.1", "0", "1", "1"], "--box 0.1 0 1 1: each low end"),
        (["fixed", "--variances", "2", "1"], "--variances 2 1: the first must be below"),
        (["constants", "--variance", "0"], "--variance: 0: not a finite number above 0"),
        (["constants", "--family", "seluu"], "--family=seluu: no such choice; allowed: selu"),
        (["constants", "--rate", "1"], "--rate: 1: not a number in [0, 1)"),
        (["constants", "--digits", "0"], "--digits=0: must lie between"),
        (["constants", "--tau", "1e40"], "--tau=1e+40: must lie between"),
        (["fixed", "--means", "5", "-5"], "--means 5 -5: the first must be below"),
        (["map", "--activation", "elu", "--alpha", "2"], "--alpha: elu has none; only"),
        (["map", "--activation", "relu", "--mu", "1e300", "--omega", "1"], "a net input of mean"),
    ],
)
def test_mistakes_are_one_line(words, line, capsys):
    code, (out, err) = told(capsys, *words)
    (only,) = err.splitlines()
    assert (code, out) == (2, "")
    assert only.startswith(f"snnjax: error: {line}")


@pytest.mark.parametrize("words", [("prove",), ("fixed",), ("--help",)])
def test_nobody_reading_is_no_error_to_tell_of(words):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "snnjax.theory", *words]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, cwd=ROOT)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_help_tells_each_default_once_and_none_that_is_none(capsys):
    with pytest.raises(SystemExit):
        main(["prove", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for number in (7, 20000, 64):
        assert text.count(f"{number})") == text.count(f"(default: {number})") == 1
    assert "None" not in text
    assert "False" not in text


def test_the_nearest_name_is_suggested(capsys):
    for words, hint in ((["fixd"], "fixed"), (["map", "--activation", "gleu"], "gelu")):
        _, (_, err) = told(capsys, *words)
        assert err.rstrip().endswith(f"did you mean {hint}?")
