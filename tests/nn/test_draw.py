"""Draws of a network: a layer's own place, padding that changes nothing, numbers that differ."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import hasty

from snnjax.config.schema import ModelConfig
from snnjax.nn.draw import draw_kernels, standard_normals
from snnjax.nn.initializers import WITHOUT_PADDING
from snnjax.registry import INITIALIZERS, resolve

KEY = jax.random.key(3)
SHAPES = [(5, 11), (11, 11), (11, 3)]
PADDED = [(8, 16), (16, 16), (16, 4)]
CAN_PAD = [name for name in INITIALIZERS if resolve("initializer", name) not in WITHOUT_PADDING]
# For every initialiser that takes them, numbers that differ from its defaults.
FURTHER = {"constant": {"init_value": 0.3}} | {
    f"{scale}_{shape}": {"init_fan": fan}
    | ({"init_corrected": False} if shape == "truncated" else {})
    for scale, fan in (("lecun", "fan_out"), ("glorot", "fan_in"), ("he", "fan_avg"))
    for shape in ("normal", "truncated", "uniform")
}


def value_of(traced=None, **choices):
    return {**vars(ModelConfig(**choices)), **(traced or {})}.get


def test_a_layer_depends_on_its_place_and_shape_only():
    deep = standard_normals(KEY, [(8, 20), (20, 20), (20, 20), (20, 3)])
    other = standard_normals(KEY, [(500, 20), (20, 20), (20, 20), (20, 7)])
    np.testing.assert_array_equal(deep[1], other[1])
    np.testing.assert_array_equal(deep[2], other[2])
    assert [noise.shape for noise in deep] == [(8, 20), (20, 20), (20, 20), (20, 3)]


def test_layers_and_seeds_are_uncorrelated():
    """Correlation of 90,000 pairs is N(0, 1/n); 15 pairs at |z| < 4.5."""
    drawn = [
        np.asarray(noise).ravel()
        for seed in (0, 1)
        for noise in standard_normals(jax.random.key(seed), [(300, 300)] * 3)
    ]
    correlations = np.corrcoef(drawn)[np.triu_indices(len(drawn), 1)]
    assert np.abs(correlations).max() * 300 < 4.5


@pytest.mark.parametrize("name", CAN_PAD)
@pytest.mark.parametrize("is_default", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_padded_layer_is_the_unpadded_one_among_zeros(name, is_default):
    """Sizes known only when the program runs, as in a population of several data sets."""
    value = value_of(init=name, init_gain=1.3, **({} if is_default else FURTHER.get(name, {})))

    @hasty
    def draw(used):
        return draw_kernels(value, KEY, PADDED, used)

    padded = draw([(jnp.int32(rows), jnp.int32(columns)) for rows, columns in SHAPES])
    for kernel, alone in zip(padded, draw_kernels(value, KEY, SHAPES), strict=True):
        expected = np.zeros(kernel.shape, np.float32)
        expected[: alone.shape[0], : alone.shape[1]] = alone
        np.testing.assert_allclose(kernel, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_gains_multiply_and_may_differ_between_members(name):
    gains = np.array([0.5, 1.0, 2.0], np.float32)

    def draw(**gain):
        return draw_kernels(value_of(init=name, **gain), KEY, SHAPES)

    mapped = jax.vmap(lambda gain: draw(traced={"init_gain": gain}))(jnp.asarray(gains))
    for kernels, plain in zip(mapped, draw(), strict=True):
        np.testing.assert_allclose(kernels, gains[:, None, None] * np.asarray(plain), rtol=1e-6)
    for kernel, plain in zip(draw(init_gain=2.0), draw(), strict=True):
        np.testing.assert_array_equal(kernel, 2 * plain)


def test_further_numbers_of_initialisers_may_differ_between_members():
    values = jnp.array([-1.0, 0.0, 2.0])
    for kernel in jax.vmap(
        lambda number: draw_kernels(value_of({"init_value": number}, init="constant"), KEY, SHAPES)
    )(values):
        np.testing.assert_array_equal(kernel, np.broadcast_to(values[:, None, None], kernel.shape))
