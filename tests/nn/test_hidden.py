"""A hidden layer is its pieces in their order; what it does in training, evaluation and between."""

import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.hidden import Hidden
from snnjax.nn.randomness import Randomness

FAN_IN, WIDTH, ROWS, NUMBER = 5, 6, 30, 3
KEY = noise.make_key(np.uint32(7))
MASK = jnp.arange(ROWS) < 21


def rows_of(width=FAN_IN, seed=0):
    return np.random.default_rng(seed).normal(size=(ROWS, width)).astype(np.float32)


def make(used=None, traced=None, columns=WIDTH, **choices):
    value = {**vars(ModelConfig(**choices)), **(traced or {})}.get
    kernel = rows_of(columns, seed=1)[:FAN_IN]
    if used is not None:
        kernel = kernel * (np.arange(columns) < int(used))
    return Hidden(value, jnp.asarray(kernel), WIDTH, NUMBER, used)


def call(layer, x, randomness=None, axis=1):
    y = layer(jnp.asarray(x if axis else x.T), randomness, axis)
    return np.asarray(y if axis else y.T)


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer", "rms", "weight"])
@pytest.mark.parametrize("activation", ["tanh", "rrelu", "selu"])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_layer_is_its_pieces_in_their_order(placement, norm, activation, axis):
    """Masks and random slopes from its own stream; in evaluation neither."""
    layer = make(norm=norm, norm_placement=placement, activation=activation, dropout=0.3)
    x, key = rows_of(), noise.fold(KEY, NUMBER)
    for randomness in (Randomness(KEY, MASK), None):
        mask, slopes = (MASK, noise.fold(key, 0)) if randomness else (None, None)
        y = call(layer, x, randomness, axis)
        expected = layer.linear(jnp.asarray(x))
        if placement == "before":
            expected = layer.unit(layer.norm(expected, 1, mask), 1, slopes)
        else:
            expected = layer.norm(layer.unit(expected, 1, slopes), 1, mask)
        if randomness:
            expected = layer.dropout(expected, key)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("placement", ["before", "after"])
def test_without_a_mask_dropout_goes_on_and_running_moments_are_used_and_kept(placement):
    """Monte-Carlo dropout."""
    choices = {"norm": "batch", "norm_placement": placement, "activation": "relu"}
    layer = make(dropout=0.5, dropout_kind="ordinary", **choices)
    for step in range(3):
        call(layer, rows_of(), Randomness(noise.fold(KEY, step), MASK))
    before = np.asarray(layer.norm.mean[...]), np.asarray(layer.norm.variance[...])
    evaluated, passes = call(layer, rows_of()), []
    for step in range(2):
        y = call(layer, rows_of(), Randomness(noise.fold(KEY, step)))
        dropped = np.asarray(
            ~noise.is_kept(noise.fold(noise.fold(KEY, step), NUMBER), 0.5, y.shape)
        )
        np.testing.assert_allclose(y, np.where(dropped, 0, 2 * evaluated), rtol=1e-6, atol=1e-6)
        passes.append(y)
    assert (passes[0] != passes[1]).any()
    np.testing.assert_array_equal(layer.norm.mean[...], before[0])
    np.testing.assert_array_equal(layer.norm.variance[...], before[1])


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
def test_a_norm_has_as_many_units_as_what_it_normalises(placement, norm):
    """Of maxout, whose pieces are normalised before they compete."""
    layer = make(
        columns=3 * WIDTH, activation="maxout", pieces=3, norm=norm, norm_placement=placement
    )
    assert layer.norm.scale[...].shape == ((3 if placement == "before" else 1) * WIDTH,)
    assert call(layer, rows_of()).shape == (ROWS, WIDTH)
    np.testing.assert_allclose(
        call(layer, rows_of(), Randomness(KEY, MASK), 0),
        call(layer, rows_of(), Randomness(KEY, MASK)),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "rms", "weight"])
@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("axis", [0, 1])
def test_units_that_are_padding_stay_0_in_training(norm, placement, axis):
    """Although the activation is not 0 at 0; used units are those of a layer without padding."""
    used = 4
    choices = {"norm": norm, "norm_placement": placement, "activation": "softplus", "dropout": 0.2}
    padded = make(jnp.int32(used), init_bias=0.5, **choices)
    value = vars(ModelConfig(init_bias=0.5, **choices)).get
    kernel = jnp.asarray(rows_of(WIDTH, seed=1)[:FAN_IN, :used])
    alone = Hidden(value, kernel, used, NUMBER)
    randomness = Randomness(KEY, MASK)
    y = call(padded, rows_of(), randomness, axis)
    np.testing.assert_allclose(
        y[:, :used], call(alone, rows_of(), randomness, axis), rtol=1e-5, atol=1e-6
    )
    assert not y[:, used:].any()


@pytest.mark.parametrize("choices", [{"init": "lsuv"}, {"norm": "weight"}])
def test_adapting_a_layer_adapts_its_weights_to_the_valid_rows(choices):
    layer, x = make(**choices), 3 * rows_of()
    layer.adapt(jnp.asarray(x), MASK)
    outputs = np.asarray(layer.linear(jnp.asarray(x)))[np.asarray(MASK)]
    assert outputs.var() == pytest.approx(1, rel=1e-4)
