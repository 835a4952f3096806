"""What is fitted to measurements, and the file it is kept in."""

import json

import numpy as np
import pytest

from snnjax.config.errors import ConfigError
from snnjax.plan.rates import Rates, fit, line, read, write
from snnjax.plan.work import FEATURES, KNOTS, shares_of_knots

FLOPS = len(FEATURES) - len(KNOTS)


def made_up(seed: int, rows: int = 40, knots: int = len(KNOTS)):
    """Make work that takes known seconds: narrow layers are slower than wide ones."""
    draw = np.random.default_rng(seed)
    amounts = draw.lognormal(size=(rows, len(FEATURES)))
    amounts[:, FLOPS + knots :] = 0
    seconds = np.concatenate(
        [draw.uniform(0.1, 1, FLOPS), np.sort(draw.uniform(0.1, 1, len(KNOTS)))[::-1]]
    )
    return amounts, seconds


@pytest.mark.parametrize("seed", range(5))
def test_the_seconds_of_every_unit_are_found(seed):
    amounts, seconds = made_up(seed)
    found = fit(amounts, amounts @ seconds)
    assert [found[name] for name in FEATURES] == pytest.approx(seconds, rel=1e-6)


def test_layers_wider_than_measured_are_as_fast_as_the_widest():
    amounts, seconds = made_up(0, knots=2)
    found = fit(amounts, amounts @ seconds)
    assert [found[f"flops_{knot}"] for knot in KNOTS[1:]] == pytest.approx(
        [seconds[FLOPS + 1]] * (len(KNOTS) - 1)
    )


def test_no_measurement_makes_a_time_negative():
    amounts, _ = made_up(1, rows=3)
    assert min(fit(amounts, np.array([1.0, 1e-3, 5.0])).values()) >= 0


@pytest.mark.parametrize("fan_in", [1, 8, 20, 100, 1024, 5000])
def test_a_flop_between_two_knots_is_shared_by_them(fan_in):
    shares = shares_of_knots(fan_in)
    assert shares.sum() == pytest.approx(1)
    assert np.count_nonzero(shares) <= 2
    inside = min(max(fan_in, KNOTS[0]), KNOTS[-1])
    assert 2 ** (shares @ np.log2(KNOTS)) == pytest.approx(inside)


def test_a_line_is_found():
    assert line([(1, 3.0), (2, 5.0), (5, 11.0)]) == pytest.approx((1, 2))
    assert line([(1, 3.0), (2, 1.0)])[1] == 0


def rates(**others) -> Rates:
    return Rates(dict.fromkeys(FEATURES, 0.5), machine={"platform": "cpu"}, **others)


def test_a_calibration_is_read_as_it_was_written(tmp_path):
    kept = rates(compiling={"advance": [1.0, 0.5]}, run=0.25, start=3.0)
    write(tmp_path / "new" / "file.json", kept)
    assert read(tmp_path / "new" / "file.json") == kept


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seconds": {"steps": 1.0}}, "seconds: allowed: epochs, steps"),
        ({"run": -1.0}, "missing or below 0"),
        ({"machine": {}}, "lacks its platform"),
        ({"speed": 1}, "speed"),
    ],
)
def test_what_is_no_calibration_is_refused(tmp_path, change, said):
    file = tmp_path / "file.json"
    write(file, rates())
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ConfigError, match=said):
        read(file)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.json: no calibration .* --calibrate"):
        read(tmp_path / "none.json")
