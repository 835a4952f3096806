"""`python -m snnjax.schedules`: what it prints and how it refuses."""

import math

import numpy as np
import pytest

from snnjax.config.schema import Config
from snnjax.config.strict import convert
from snnjax.schedules import curve_of, draw, main


def make(**schedule):
    return convert(Config, {"schedule": schedule, "training": {"epochs": 20}})


def test_the_curve_ends_with_the_last_step():
    curve = curve_of(make(name="cosine", unit="steps"), epoch_steps=10, points=9)
    assert curve.epochs[0] == 0
    assert curve.epochs[-1] == pytest.approx(19.9)
    expected = [0.01 * (1 + math.cos(math.pi * e / 20)) / 2 for e in curve.epochs]
    np.testing.assert_allclose(curve.rates, expected, rtol=1e-5, atol=1e-9)
    assert not curve.momenta


def test_a_plateau_is_shown_for_a_metric_that_never_improves():
    """The first value is an improvement over nothing."""
    curve = curve_of(make(name="plateau", factor=0.5, patience=4), epoch_steps=1, points=100)
    cut = [0.01] * 6 + [0.005] * 5 + [0.0025] * 5 + [0.00125] * 4
    np.testing.assert_allclose(curve.rates, cut, rtol=1e-6)


def test_momenta_are_shown_where_they_move(capsys):
    assert main(["schedule=onecycle", "optimizer=momentum", "--epoch-steps", "7"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["epoch", "rate", "momentum"]
    assert len(rows) == 25
    assert rows[0].split()[:3] == ["0.00", "0.0004", "0.9500"]


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_an_image_is_drawn(name, begins, tmp_path, capsys):
    path = tmp_path / name
    assert main(["schedule=onecycle", "optimizer=momentum", "--out", str(path)]) == 0
    assert path.read_bytes().startswith(begins)


def test_bars_are_as_long_as_rates():
    lines = draw(curve_of(make(name="linear"), epoch_steps=1, points=3)).splitlines()[1:]
    assert [line.count("#") for line in lines] == [48, 24, 2]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["schedule=cosin"], "schedule=cosin: no such choice; allowed: "),
        (["schedule=cosine", "schedule.time=0"], "schedule.time=0: out of range; allowed: "),
        (["seed=1,2"], "seed=1,2: several values make several runs"),
        (["--epoch-steps", "0"], "--epoch-steps=0: out of range; allowed: an integer >= 1"),
        (["--out", "curve.foo"], "--out=curve.foo: not the name of an image; allowed: "),
    ],
)
def test_mistakes_are_one_line(argv, line, capsys):
    assert main(argv) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"snnjax: error: {line}")
