"""The highway network: PyTorch's numbers, its gates, what is dropped in it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import slow_but
from torch_twin import affine, assert_as_in_pytorch, hidden, part

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.highway import Highway
from snnjax.nn.randomness import Randomness


def make(**model: Any) -> Highway:
    config = ModelConfig(**{"name": "highway", "dropout": 0.0, "init": "he_normal"} | model)
    return Highway(config, 12, 3, jax.random.key(0))


def forward(activation, torch, params, moments, x, training):
    first, *layers = (params["hidden"][i] for i in range(len(params["hidden"])))
    states = [part(moments, "hidden", i) for i in range(len(layers) + 1)]
    x = hidden(torch, first, states[0], x, training, activation)
    for layer, state in zip(layers, states[1:], strict=True):
        gate = torch.sigmoid(affine(layer["gate"], x))
        inner = hidden(torch, layer["transform"], part(state, "transform"), x, training, activation)
        x = inner * gate + x * (1 - gate)
    return affine(params["output"], x)


@pytest.mark.parametrize(
    ("width", "activation", "norm", "training"),
    slow_but(
        [
            (16, "relu", "batch", True),
            (16, "relu", "batch", False),
            (144, "selu", "none", True),
            (16, "selu", "none", False),
        ],
        *(0, 2),
    ),
)
def test_it_is_pytorchs(width, activation, norm, training):
    def twin(torch, params, moments, x, training):
        return forward(activation, torch, params, moments, x, training)

    choices = {"activation": activation, "norm": norm, "init": "lecun_normal"}
    assert_as_in_pytorch(
        twin, 10, training=training, name="highway", depth=4, width=width, **choices
    )


@pytest.mark.parametrize(("bias", "carried"), [(-40.0, True), (40.0, False)])
def test_a_closed_gate_carries_and_an_open_one_transforms(bias, carried):
    network = make(depth=5, width=24, gate_bias=bias, activation="tanh")
    x = jax.random.normal(jax.random.key(1), (9, 12))
    first, *layers = network.hidden
    y = first(x, None)
    expected = y
    for layer in layers:
        expected = expected if carried else layer.transform(expected, None)
        y = layer(y, None)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_gates_begin_at_the_bias_and_are_drawn_like_other_weights():
    network = make(depth=3, width=400, gate_bias=-3.0)
    for layer in network.hidden[1:]:
        assert (layer.gate.bias[...] == -3).all()
        kernels = layer.gate.kernel[...], layer.transform.linear.kernel[...]
        for kernel in kernels:  # 160,000 normals of variance 2/400: relative deviation 0.0035
            assert float(kernel.var()) == pytest.approx(2 / 400, rel=0.02)
        assert abs(float(np.corrcoef(kernels[0].ravel(), kernels[1].ravel())[0, 1])) < 0.02


def test_what_is_carried_is_never_dropped():
    """With dropout everywhere a closed gate still hands on what the first layer made."""
    network = make(depth=20, width=24, gate_bias=-40.0, dropout=0.5, dropout_kind="ordinary")
    x = jax.random.normal(jax.random.key(1), (9, 12))
    randomness = Randomness(noise.make_key(jnp.uint32(3)), jnp.ones(9, bool))
    first, *layers = network.hidden
    y = entered = first(x, randomness)
    for layer in layers:
        y = layer(y, randomness)
    np.testing.assert_allclose(y, entered, atol=1e-6)
    assert (np.asarray(first(x, None) != entered).mean()) > 0.2


def test_one_layer_is_a_plain_network():
    assert [type(layer).__name__ for layer in make(depth=1).hidden] == ["Hidden"]
