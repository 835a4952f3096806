"""The convolutional networks: PyTorch's numbers, images as they lie in the data, dropout."""

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import hasty
from torch_twin import assert_as_in_pytorch, batch_norm, part

from snnjax.config.schema import ModelConfig
from snnjax.data import catalog
from snnjax.nn import noise
from snnjax.nn.cnn import CNN, IMAGES
from snnjax.nn.convolution import convolve, largest_of_four
from snnjax.nn.randomness import Randomness


def make(features: int = 64, **model: Any) -> CNN:
    config = ModelConfig(**{"name": "cnn", "depth": 1, "width": 16, "dropout": 0.0} | model)
    return CNN(config, features, 3, jax.random.key(0))


def forward(torch, params, moments, x, training, activation="selu"):
    """Images channel by channel, as PyTorch has them; flattened as ours lie."""
    functional = torch.nn.functional
    activate = getattr(functional, activation)
    (shape, blocks) = IMAGES[x.shape[1]]
    x = x.reshape(-1, shape.channels, shape.height, shape.width)
    for number, block in enumerate(blocks):
        for place, (_, padding) in enumerate(block):
            keys = ("blocks", number, "layers", place)
            layer = part(params, *keys)
            kernel = kernel_of(layer["linear"]).permute(3, 2, 0, 1)
            x = functional.conv2d(x, kernel, layer["linear"]["bias"], padding=padding)
            x = activate(normalised(torch, layer, part(moments, *keys), x, training))
        x = functional.max_pool2d(x, 2)
    x = x.permute(0, 2, 3, 1).flatten(1)
    for number in range(len(params["hidden"])):
        layer = params["hidden"][number]
        x = x @ kernel_of(layer["linear"]) + layer["linear"]["bias"]
        x = activate(normalised(torch, layer, part(moments, "hidden", number), x, training))
    return x @ kernel_of(params["output"]) + params["output"]["bias"]


def kernel_of(linear):
    """Return the weights, as Salimans & Kingma write those that are normalised."""
    if "kernel" in linear:
        return linear["kernel"]
    direction = linear["direction"].flatten(0, -2)
    lengths = (direction**2).sum(0).sqrt()
    return (linear["length"] * direction / lengths).reshape(linear["direction"].shape)


def normalised(torch, layer, moments, x, training):
    """Normalise channels over the batch, or rows over all that they have, or not at all."""
    norm = layer.get("norm", {})
    if "norm" in moments and "mean" in moments["norm"]:
        return batch_norm(torch, layer, moments, x, training)
    if "shift" in norm:
        return torch.nn.functional.group_norm(x, 1, norm["scale"], norm["shift"], 1e-5)
    if "scale" in norm:
        square = (x**2).flatten(1).mean(1).reshape(-1, *[1] * (x.ndim - 1))
        return x / (square + 1e-5).sqrt() * norm["scale"].reshape(1, -1, *[1] * (x.ndim - 2))
    return x


@pytest.mark.parametrize(
    ("features", "norm", "training", "activation"),
    [
        (64, "batch", True, "selu"),
        pytest.param(64, "none", False, "relu", marks=pytest.mark.slow),
        (64, "weight", True, "relu"),
        pytest.param(64, "layer", True, "relu", marks=pytest.mark.slow),
        pytest.param(64, "rms", True, "selu", marks=pytest.mark.slow),
        pytest.param(784, "none", True, "selu", marks=pytest.mark.slow),
        pytest.param(784, "batch", False, "relu", marks=pytest.mark.slow),
        pytest.param(3072, "none", True, "selu", marks=pytest.mark.slow),
        pytest.param(3072, "batch", True, "relu", marks=pytest.mark.slow),
    ],
)
def test_it_is_pytorchs(features, norm, training, activation):
    def twin(*arguments):
        return forward(*arguments, activation)

    choices = {"name": "cnn", "depth": 1, "width": 24, "norm": norm, "activation": activation}
    assert_as_in_pytorch(twin, features, training=training, **choices)


def test_the_images_are_those_of_the_data_sets():
    assert {prod(shape): shape for shape in catalog.images().values()} == {
        features: shape for features, (shape, _) in IMAGES.items()
    }


def test_planes_become_channels():
    """Red, green and blue planes of 32 x 32 pixels, row by row, as CIFAR-10 has them."""
    x = jnp.arange(2 * 3072.0).reshape(2, 3072)
    images = nnx_shape(3072).to_images(x)
    assert images.shape == (2, 32, 32, 3)
    assert float(images[1, 5, 7, 2]) == 3072 + 2 * 1024 + 5 * 32 + 7


@pytest.mark.parametrize(
    ("features", "kernels", "flat"),
    [
        (784, [(3, 3, 1, 32), (3, 3, 32, 64)], 12 * 12 * 64),
        (3072, [(3, 3, 3, 32), (3, 3, 32, 32), (3, 3, 32, 64), (3, 3, 64, 64)], 6 * 6 * 64),
        (64, [(3, 3, 1, 32), (3, 3, 32, 64)], 2 * 2 * 64),
    ],
)
def test_layers_are_those_of_the_tutorials(features, kernels, flat):
    network = nnx_shape(features)
    layers = [layer for block in network.blocks for layer in block.layers]
    assert [layer.linear.kernel.shape for layer in layers] == kernels
    assert network.hidden[0].linear.kernel.shape == (flat, 16)
    assert network.output.kernel.shape == (16, 3)


def nnx_shape(features: int) -> CNN:
    """Build a network without drawing its weights."""
    from flax import nnx

    return nnx.eval_shape(lambda: make(features))


@pytest.mark.parametrize(
    ("init", "variance"),
    [("lecun_normal", 1 / 288), ("he_normal", 2 / 288), ("glorot_normal", 2 / (288 + 576))],
)
def test_kernels_have_the_variance_of_their_fans(init, variance):
    """18,432 normals; a patch has 9 * 32 inputs, and an input goes to 9 * 64 outputs."""
    kernel = make(init=init).blocks[0].layers[1].linear.kernel[...]
    assert float(kernel.var()) == pytest.approx(variance, rel=0.05)


def test_orthogonal_kernels_are_orthonormal_as_matrices():
    kernel = make(init="orthogonal").blocks[0].layers[1].linear.kernel[...].reshape(288, 64)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(64), atol=1e-5)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("rows", [3, 8])
def test_derivatives_of_convolutions_are_xlas(rows, padding):
    draw = np.random.default_rng(0)
    images, kernel = (
        jnp.asarray(draw.normal(size=shape), jnp.float32)
        for shape in ((rows, 6, 7, 2), (3, 3, 2, 4))
    )
    layout = ("NHWC", "HWIO", "NHWC")

    def theirs(images, kernel):
        return jax.lax.conv_general_dilated(
            images, kernel, (1, 1), padding.upper(), dimension_numbers=layout
        )

    ours, pull = jax.vjp(lambda *pair: convolve(*pair, padding), images, kernel)
    expected, their_pull = jax.vjp(theirs, images, kernel)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)
    gradient = jnp.asarray(draw.normal(size=expected.shape), jnp.float32)
    for one, other in zip(pull(gradient), their_pull(gradient), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)


def test_pooling_leaves_out_a_last_odd_row():
    images = jnp.arange(15.0).reshape(1, 3, 5, 1)
    np.testing.assert_array_equal(largest_of_four(images)[0, :, :, 0], [[6, 8]])


def test_convolutions_and_dense_layers_have_their_own_rates():
    """Of a constant network all that is dropped shows: whole channels with feature dropout."""
    network = make(conv_dropout=0.5, dropout_kind="feature_alpha")
    randomness = Randomness(noise.make_key(jnp.uint32(0)), jnp.ones(50, bool))
    images = jax.random.normal(jax.random.key(1), (50, 8, 8, 1))
    network.hidden[0].linear.kernel[...] *= 0
    dropped = np.asarray(network.blocks[0](images, randomness))
    assert (dropped == dropped.min()).all((1, 2)).mean() == pytest.approx(0.5, abs=0.05)
    x = images.reshape(50, 64)
    np.testing.assert_array_equal(network(x, randomness), network(x))


def test_lsuv_gives_every_convolution_variance_1():
    @hasty
    def variances():
        network = make(init="lsuv")
        x = 3 + 2 * jax.random.normal(jax.random.key(1), (60, 64))
        network.adapt(x, jnp.arange(60) < 50)
        images, found = network.to_images(x[:50]), []
        for layer in network.blocks[0].layers:
            found.append(layer.convolved(images).var())
            images = layer(images, None)
        return jnp.stack(found)

    np.testing.assert_allclose(variances(), 1, rtol=1e-3)


@pytest.mark.slow
def test_weight_norm_begins_with_standard_channels():
    network = make(norm="weight", init_bias=0.3)
    x = 3 + 2 * jax.random.normal(jax.random.key(1), (60, 64))
    network.adapt(x, jnp.arange(60) < 50)
    images = network.to_images(x[:50])
    for layer in network.blocks[0].layers:
        made = layer.convolved(images)
        np.testing.assert_allclose(made.mean((0, 1, 2)), 0, atol=1e-4)
        np.testing.assert_allclose(made.var((0, 1, 2)), 1, rtol=1e-3)
        images = layer(images, None)
