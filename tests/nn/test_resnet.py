"""The residual network: PyTorch's numbers, the widths of its blocks, its shortcuts."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import slow_but
from torch_twin import affine, assert_as_in_pytorch, batch_norm, hidden, part

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.randomness import Randomness
from snnjax.nn.resnet import ResNet, block_widths


def make(**model: Any) -> ResNet:
    config = ModelConfig(**{"name": "resnet", "dropout": 0.0, "activation": "relu"} | model)
    return ResNet(config, 12, 3, jax.random.key(0))


def forward(torch, params, moments, x, training):
    first, *blocks = (params["hidden"][i] for i in range(len(params["hidden"])))
    states = [part(moments, "hidden", i) for i in range(len(blocks) + 1)]
    x = hidden(torch, first, states[0], x, training)
    for block, state in zip(blocks, states[1:], strict=True):
        inner = x
        for i in range(len(block["hidden"])):
            inner = hidden(torch, block["hidden"][i], part(state, "hidden", i), inner, training)
        inner = affine(block["linear"], inner)
        x = torch.relu(x + batch_norm(torch, block, state, inner, training))
    return affine(params["output"], x)


@pytest.mark.parametrize(
    ("form", "block_layers", "width", "norm", "training"),
    slow_but(
        [
            ("rectangular", 2, 16, "batch", True),
            ("rectangular", 3, 136, "none", False),
            ("diavolo", 2, 136, "batch", True),
            ("diavolo", 3, 16, "batch", False),
            ("diavolo", 3, 16, "none", True),
        ],
        *(1, 2),
    ),
)
def test_it_is_pytorchs(form, block_layers, width, norm, training):
    model = {"form": form, "block_layers": block_layers, "width": width, "norm": norm}
    if form == "diavolo":
        model["bottleneck"] = 0.25
    assert_as_in_pytorch(
        forward, 10, training=training, name="resnet", activation="relu", depth=3, **model
    )


@pytest.mark.parametrize(
    ("choices", "widths"),
    [
        ({"width": 1024}, (1024, 1024)),
        ({"width": 1024, "block_layers": 3}, (1024, 1024, 1024)),
        ({"width": 1024, "form": "diavolo"}, (512, 1024)),
        ({"width": 256, "form": "diavolo", "block_layers": 3, "bottleneck": 0.25}, (64, 64, 256)),
    ],
)
def test_a_block_is_narrow_inside(choices, widths):
    assert block_widths(ModelConfig(**choices)) == widths


def test_kernels_have_the_widths_of_their_blocks():
    network = make(depth=2, width=32, form="diavolo", block_layers=3, bottleneck=0.25)
    first, *blocks = network.hidden
    assert first.linear.kernel.shape == (12, 32)
    for block in blocks:
        shapes = [layer.linear.kernel.shape for layer in block.hidden]
        assert [*shapes, block.linear.kernel.shape] == [(32, 8), (8, 8), (8, 32)]
    assert network.output.kernel.shape == (32, 3)


def test_without_weights_a_block_is_its_activation():
    network = make(depth=3, width=16, init="zeros", activation="tanh")
    x = jax.random.normal(jax.random.key(1), (9, 16))
    np.testing.assert_allclose(network.hidden[1](x, None), jnp.tanh(x), rtol=1e-6)


def test_the_pieces_of_a_maxout_unit_take_the_same_shortcut():
    network = make(depth=1, width=16, activation="maxout", pieces=3)
    block = network.hidden[1]
    x = jax.random.normal(jax.random.key(1), (9, 16))
    inner = block.hidden[0](x, None) @ block.linear.kernel[...]
    expected = x + inner.reshape(9, 3, 16).max(1)
    np.testing.assert_allclose(block(x, None), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(block(x.T, None, 0).T, expected, rtol=1e-5, atol=1e-6)


def test_what_takes_the_shortcut_is_never_dropped():
    """Blocks whose last layer is zero hand on what they were given, whatever is dropped inside."""
    network = make(depth=2, width=16, dropout=0.5, dropout_kind="ordinary")
    randomness = Randomness(noise.make_key(jnp.uint32(3)), jnp.ones(9, bool))
    block = network.hidden[1]
    x = jax.nn.relu(jax.random.normal(jax.random.key(1), (9, 16)))
    assert not np.allclose(block(x, randomness), block(x, None))
    block.linear.kernel[...] = jnp.zeros_like(block.linear.kernel[...])
    np.testing.assert_array_equal(block(x, randomness), x)


def test_layers_of_blocks_draw_masks_of_their_own():
    network = make(depth=3, block_layers=3)
    numbers = [network.hidden[0].number]
    for block in network.hidden[1:]:
        numbers += [*(layer.number for layer in block.hidden), block.number]
    assert numbers == list(range(1, 11))


@pytest.mark.parametrize("init", ["lsuv", "lecun_normal"])
@pytest.mark.parametrize("norm", ["none", "weight"])
def test_what_begins_from_data_gives_every_layer_variance_1(init, norm):
    network = make(depth=2, width=16, init=init, norm=norm)
    x = 3 * jax.random.normal(jax.random.key(1), (200, 12))
    before = network.hidden[1].linear(network.hidden[1].hidden[0](network.hidden[0](x, None), None))
    assert network.begins_from_data == (init == "lsuv" or norm == "weight")
    network.adapt(x, jnp.ones(200, bool))
    entered = network.hidden[0](x, None)
    block = network.hidden[1]
    inner = block.linear(block.hidden[0](entered, None))
    if network.begins_from_data:
        assert float(inner.var()) == pytest.approx(1, rel=1e-3)
    else:
        np.testing.assert_array_equal(inner, before)
