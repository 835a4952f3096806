"""Saturated values and dead units, by their definitions written out."""

import numpy as np
import pytest
from conftest import make_dataset, slow_but
from stage import plain, set_up
from written_out import Network

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.diagnostics.measures import units

# Of every activation where it rises by less than a twentieth of its steepest slope.
SATURATED = {
    "tanh": lambda z: 1 - np.tanh(z) ** 2 < 0.05,
    "sigmoid": lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2 < 0.05 / 4,
    "selu": lambda z: (z < 0) & (np.exp(z) < 0.05),  # steepest just left of 0
    "relu": lambda z: z <= 0,
    "softsign": lambda z: (1 + np.abs(z)) ** -2 < 0.05,
    "hard_tanh": lambda z: np.abs(z) >= 1,
    "elu": lambda z: (z < 0) & (np.exp(z) < 0.05),
    "softplus": lambda z: 1 / (1 + np.exp(-z)) < 0.05,
    "leaky_relu": lambda z: z < 0,
    "identity": lambda z: z != z,
    "maxout": lambda z: z != z,
}


def test_the_constants_of_selu_make_its_left_side_the_steepest():
    assert LAMBDA_01 * ALPHA_01 > LAMBDA_01


@pytest.mark.parametrize("activation", slow_but([*SATURATED], 2))
def test_saturated_share(activation):
    config = plain(activation=activation, depth=3)
    stage = set_up(config, moved=2.0)
    seen = stage.see(units)
    written = Network(config.model, stage.params)
    written.outputs(stage.rows()[0])
    for number in (1, 2, 3):
        z = written.seen["preactivation", number]
        expected = SATURATED[activation](z).mean()
        # A value or two may lie at the limit.
        assert seen["saturated"][number - 1] == pytest.approx(expected, abs=2.5 / z.size)
        if activation not in ("identity", "maxout"):
            assert 0.02 < expected < 0.99


@pytest.mark.slow
def test_every_unit_of_prelu_has_a_slope_of_its_own():
    """The steepest of a unit with slope 0.01 is 1, that of one with slope 50 is 50."""
    config = plain(activation="prelu", depth=1)
    stage = set_up(config, moved=0.5)
    params = stage.params
    slope = np.where(np.arange(12) % 3 == 0, 50, np.where(np.arange(12) % 3 == 1, 0.01, 1))
    params["hidden"][0]["unit"]["slope"] = slope.astype(np.float32)
    written = Network(config.model, params)
    written.outputs(stage.rows()[0])
    z = written.seen["preactivation", 1]
    expected = np.where(slope == 50, z > 0, np.where(slope == 0.01, z < 0, False)).mean()
    seen = stage.with_params(params).see(units)
    assert seen["saturated"][0] == pytest.approx(expected, abs=2 / z.size)


def bias_of(stage, layer, unit, value):
    params = stage.params
    params["hidden"][layer]["linear"]["bias"][unit] = value
    return stage.with_params(params)


@pytest.mark.parametrize("activation", slow_but(["relu", "tanh"], 0))
def test_dead_units_are_those_that_are_flat_on_the_whole_split(activation):
    stage = set_up(plain(activation=activation, depth=2))
    stage = bias_of(stage, 0, [1, 7], -1000)
    stage = bias_of(stage, 1, 4, -1000)
    seen = stage.see(units, rows=10)
    np.testing.assert_array_equal(np.flatnonzero(seen["is_dead"][0]), [1, 7])
    np.testing.assert_array_equal(np.flatnonzero(seen["is_dead"][1]), [4])
    np.testing.assert_array_equal(seen["widths"], [12, 12])


@pytest.mark.parametrize("place", slow_but([0, 255, 256, 699, 700], 4))
def test_one_row_brings_a_unit_to_life(place):
    """Wherever it lies in the split, which is longer than the rows that are looked at together."""
    data = make_dataset(rows=1000, counts=(200, 701, 47))
    stage = set_up(plain(activation="relu", depth=1), data)
    x = stage.rows()[0]
    direction = x[place] / np.linalg.norm(x[place])
    params = stage.params
    kernel = params["hidden"][0]["linear"]["kernel"]
    kernel[:, 3] = direction
    heights = x @ direction
    others = np.delete(heights, place).max()
    height = heights[place]
    if height < others:  # lift the row itself above all others
        data.features[data.rows["validation"][place]] *= 2 * others / height
        stage = set_up(plain(activation="relu", depth=1), data)
        height = stage.rows()[0][place] @ direction
    params["hidden"][0]["linear"]["bias"][3] = -(others + height) / 2
    assert not stage.with_params(params).see(units, rows=8)["is_dead"][0, 3]
    params["hidden"][0]["linear"]["bias"][3] = -2 * height
    assert stage.with_params(params).see(units, rows=8)["is_dead"][0, 3]


def test_the_last_few_rows_have_moments_of_their_own_split():
    """With batch normalisation two rows alone would be at plus and minus 1, whatever they are."""
    data = make_dataset(rows=600, counts=(200, 258, 47))
    stage = set_up(plain(activation="relu", norm="batch", depth=1, name="mlp"), data, moved=0.0)
    x = stage.rows()[0].astype(np.float64)
    params = stage.params
    z = x @ params["hidden"][0]["linear"]["kernel"]
    highest = ((z - z.mean(0)) / z.std(0)).max(0)
    params["hidden"][0]["norm"]["shift"][:] = -0.99
    assert highest.min() > 1.2
    assert not stage.with_params(params).see(units)["is_dead"].any()
    params["hidden"][0]["norm"]["shift"][:] = -1.2 * highest
    assert stage.with_params(params).see(units)["is_dead"].all()


def test_units_without_numbers_are_neither_dead_nor_saturated():
    """A network that has diverged has not died: nothing is known of its units."""
    seen = bias_of(set_up(plain(activation="relu", depth=2)), 0, 5, np.nan).see(units)
    assert not seen["is_dead"][0, 5]
    assert not seen["is_dead"][1].any()
    assert np.isnan(seen["saturated"]).all()


def test_units_of_several_inputs_do_not_die():
    stage = bias_of(set_up(plain(activation="maxout", depth=1)), 0, 0, -1000)
    seen = stage.see(units)
    assert not seen["is_dead"].any()
    assert not seen["saturated"].any()


@pytest.mark.slow
def test_layers_of_several_widths_lie_side_by_side():
    stage = set_up(plain(form="conic", activation="relu", depth=3, width=20))
    seen = stage.see(units)
    np.testing.assert_array_equal(seen["widths"], [20, 11, 6])
    assert seen["is_dead"].shape == (3, 20)
    assert not seen["is_dead"][1, 11:].any()


def test_a_network_without_layers_has_no_units():
    assert set_up(plain(depth=0)).see(units) == {}
