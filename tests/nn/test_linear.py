"""Affine layers: weight norm against PyTorch, and both kinds of beginning from data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn.linear import (
    Linear,
    UnitVarianceLinear,
    WeightNormLinear,
    begins_from_data,
    make_linear,
)

FAN_IN, FAN_OUT, ROWS = 9, 6, 200


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def value_of(traced=None, **choices):
    return {**vars(ModelConfig(**choices)), **(traced or {})}.get


def gradients(layer, x, upstream, axis=1):
    graph, params, rest = nnx.split(layer, nnx.Param, ...)

    def apply(params, x):
        y = nnx.merge(graph, params, rest)(x if axis else x.T, axis)
        return y if axis else y.T

    y, pull = jax.vjp(apply, nnx.to_pure_dict(params), jnp.asarray(x))
    return np.asarray(y), *pull(jnp.asarray(upstream))


@pytest.mark.parametrize("axis", [0, 1])
def test_weight_norm_equals_pytorch(axis):
    """Value and gradients in direction, length, bias and x, with lengths not those of v."""
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    x, upstream, kernel = (
        random(ROWS, FAN_IN),
        random(ROWS, FAN_OUT, seed=1),
        random(FAN_IN, FAN_OUT),
    )
    layer = WeightNormLinear(jnp.asarray(kernel), jnp.asarray(random(FAN_OUT, seed=2)))
    np.testing.assert_allclose(layer.kernel, kernel, rtol=1e-6)
    layer.length[...] = jnp.asarray(random(FAN_OUT, seed=3))
    theirs = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(FAN_IN, FAN_OUT).double())
    lengths, directions = (getattr(theirs.parametrizations.weight, f"original{i}") for i in (0, 1))
    lengths.data = torch.tensor(np.asarray(layer.length[...], np.float64))[:, None]
    directions.data = torch.tensor(np.float64(kernel.T))
    theirs.bias.data = torch.tensor(np.asarray(layer.bias[...], np.float64))
    tensor = torch.tensor(np.float64(x), requires_grad=True)
    expected = theirs(tensor)
    expected.backward(torch.tensor(np.float64(upstream)))
    y, of_params, of_x = gradients(layer, x, upstream, axis)
    close = {"rtol": 1e-5, "atol": 1e-4}  # sums over 200 rows
    np.testing.assert_allclose(y, expected.detach(), rtol=1e-5, atol=5e-6)
    np.testing.assert_allclose(of_x, tensor.grad, rtol=1e-5, atol=5e-6)
    np.testing.assert_allclose(of_params["direction"], directions.grad.T, **close)
    np.testing.assert_allclose(of_params["length"], lengths.grad[:, 0], **close)
    np.testing.assert_allclose(of_params["bias"], theirs.bias.grad, **close)


def test_the_gradient_in_a_direction_is_orthogonal_to_it():
    """Salimans & Kingma 2016, Eq. 4: so the length of v can only grow."""
    layer = WeightNormLinear(jnp.asarray(random(FAN_IN, FAN_OUT)))
    _, of_params, _ = gradients(layer, random(ROWS, FAN_IN), random(ROWS, FAN_OUT, seed=1))
    v = np.asarray(layer.direction[...], np.float64)
    np.testing.assert_allclose((of_params["direction"] * v).sum(0), 0, atol=1e-4)


@pytest.mark.parametrize("count", [ROWS, 50])
def test_weight_norm_begins_with_mean_0_and_variance_1_of_every_unit(count):
    x = random(ROWS, FAN_IN) * np.linspace(0.1, 3, FAN_IN, dtype=np.float32) + 2
    x[count:] = 1e6
    layer = WeightNormLinear(jnp.asarray(random(FAN_IN, FAN_OUT)), jnp.full(FAN_OUT, 0.7))
    layer.adapt(layer(jnp.asarray(x)), jnp.arange(ROWS) < count)
    y = np.asarray(layer(jnp.asarray(x)), np.float64)[:count]
    np.testing.assert_allclose(y.mean(0), 0, atol=2e-6)
    np.testing.assert_allclose(y.var(0), 1, rtol=1e-5)


def test_units_without_weights_or_variance_are_left_alone_and_give_finite_gradients():
    kernel = random(FAN_IN, FAN_OUT)
    kernel[:, 2] = 0  # padding
    layer = WeightNormLinear(jnp.asarray(kernel))
    x = random(ROWS, FAN_IN)
    layer.adapt(layer(jnp.asarray(x)), jnp.ones(ROWS, bool))
    y, of_params, of_x = gradients(layer, x, random(ROWS, FAN_OUT, seed=1))
    assert not y[:, 2].any()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((of_params, of_x)))
    assert not of_params["direction"][:, 2].any()
    assert of_params["length"][2] == 0
    constant = WeightNormLinear(jnp.asarray(kernel), jnp.ones(FAN_OUT))
    constant.adapt(constant(jnp.ones((ROWS, FAN_IN))), jnp.ones(ROWS, bool))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(nnx.state(constant)))


@pytest.mark.parametrize("count", [ROWS, 50])
def test_lsuv_begins_with_variance_1_of_the_layer(count):
    """Over rows and units together, and the kernel keeps its direction (Alg. 1)."""
    x = random(ROWS, FAN_IN) * 5 + 2
    x[count:] = 1e6
    kernel = random(FAN_IN, FAN_OUT)
    layer = UnitVarianceLinear(jnp.asarray(kernel), jnp.full(FAN_OUT, 0.7))
    layer.adapt(layer(jnp.asarray(x)), jnp.arange(ROWS) < count)
    y = np.asarray(layer(jnp.asarray(x)), np.float64)[:count]
    assert y.var() == pytest.approx(1, rel=1e-5)
    ratio = np.asarray(layer.kernel[...]) / kernel
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)


def test_plain_weights_are_left_as_they_were_drawn():
    layer = Linear(jnp.asarray(random(FAN_IN, FAN_OUT)))
    layer.adapt(layer(jnp.asarray(random(ROWS, FAN_IN))), jnp.ones(ROWS, bool))
    np.testing.assert_array_equal(layer.kernel[...], random(FAN_IN, FAN_OUT))
    assert not layer.bias[...].any()


@pytest.mark.parametrize(
    ("choices", "kind"),
    [
        ({}, Linear),
        ({"norm": "layer"}, Linear),
        ({"init": "lsuv"}, UnitVarianceLinear),
        ({"norm": "weight"}, WeightNormLinear),
        ({"norm": "weight", "init": "lsuv"}, WeightNormLinear),
    ],
)
def test_the_choices_decide_the_kind_of_layer(choices, kind):
    value = value_of(**choices)
    assert type(make_linear(value, jnp.ones((2, 3)), 3)) is kind
    assert begins_from_data(value) == (kind is not Linear)


@pytest.mark.parametrize("norm", ["none", "weight"])
def test_biases_begin_at_init_bias_where_there_is_no_padding(norm):
    kernel = jnp.asarray(random(FAN_IN, FAN_OUT))
    layer = make_linear(value_of(norm=norm, init_bias=0.3), kernel, FAN_OUT)
    np.testing.assert_array_equal(layer.bias[...], np.full(FAN_OUT, 0.3, np.float32))
    padded = make_linear(value_of({"init_bias": jnp.float32(0.3)}, norm=norm), kernel, jnp.int32(4))
    np.testing.assert_array_equal(padded.bias[...], np.float32([0.3] * 4 + [0] * 2))
