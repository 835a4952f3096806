"""Predicted moments and gradients against networks of the library drawn at random."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import slow_but
from measured_networks import measure, measure_images

from snnjax.config.schema import ModelConfig
from snnjax.registry import ACTIVATIONS
from snnjax.theory.depth.forecast import forecast
from snnjax.theory.depth.network import Ends, layer_weights, predict
from snnjax.theory.moments.moment_map import Moments

FEATURES, OUTPUTS, ROWS = 150, 10, 256
RELU = {"activation": "relu", "init": "he_normal"}
ORDINARY = {"dropout": 0.2, "dropout_kind": "ordinary"}
HIGHWAY, RESNET = {"name": "highway", **RELU}, {"name": "resnet", **RELU}

# Choices, layers, width, seeds.
QUICK = {
    "snn": ({"dropout": 0.1, "input_dropout": 0.05}, 2, 160, 6),
    "highway, ordinary": ({**HIGHWAY, **ORDINARY, "gate_bias": -1.0}, 2, 160, 6),
    "resnet, batch": ({**RESNET, **ORDINARY, "norm": "batch"}, 1, 160, 6),
    "resnet, weight": ({**RESNET, "norm": "weight"}, 2, 160, 6),
    "resnet, lsuv": ({**RESNET, "init": "lsuv"}, 2, 160, 6),
    "resnet, diavolo": ({**RESNET, "norm": "batch", "form": "diavolo"}, 2, 160, 6),
}
SLOW = {
    "relu, he, bias": ({**RELU, "init_bias": 0.2}, 4, 256, 12),
    "relu, uniform": ({**RELU, "init": "he_uniform"}, 4, 256, 12),
    "tanh, layer before": ({"activation": "tanh", "norm": "layer"}, 4, 256, 12),
    "gelu, rms after": (
        {"activation": "gelu", "norm": "rms", "norm_placement": "after"}, 4, 256, 12
    ),
    "relu, batch": ({**RELU, "norm": "batch"}, 4, 256, 12),
    "relu, batch after": ({**RELU, "norm": "batch", "norm_placement": "after"}, 4, 256, 12),
    "relu, weight": ({**RELU, **ORDINARY, "norm": "weight"}, 4, 256, 12),
    "tanh, lsuv": ({"activation": "tanh", "init": "lsuv", **ORDINARY}, 4, 256, 12),
    "softsign, orthogonal": ({"activation": "softsign", "init": "orthogonal"}, 4, 256, 12),
    "rrelu, in training": ({"activation": "rrelu", "rrelu_high": 0.9}, 4, 256, 12),
    "maxout": ({"activation": "maxout", "pieces": 3, **ORDINARY}, 4, 256, 12),
    "highway, batch": ({**HIGHWAY, "norm": "batch", "gate_bias": 1.0}, 4, 256, 12),
    "highway, selu": ({"name": "highway", "dropout": 0.1}, 4, 256, 12),
    "highway, maxout": ({"name": "highway", "activation": "maxout"}, 3, 256, 12),
    "resnet, 3 layers, after": (
        {**RESNET, "norm": "batch", "norm_placement": "after", "block_layers": 3}, 2, 256, 12
    ),
    "resnet, layer, diavolo": (
        {**RESNET, "activation": "tanh", "norm": "layer", "form": "diavolo"}, 2, 256, 12
    ),
    "resnet, layer after": ({**RESNET, "norm": "layer", "norm_placement": "after"}, 2, 256, 12),
    "resnet, none, selu": ({"name": "resnet", "dropout": 0.1, "init_gain": 0.6}, 3, 256, 12),
    "resnet, small steps": ({**RESNET, "init_gain": 0.02}, 3, 256, 12),
    "resnet, maxout": ({"name": "resnet", "activation": "maxout", "norm": "batch"}, 2, 256, 12),
    "conic": ({**RELU, "form": "conic"}, 3, 400, 12),
    **{
        f"{name}, {init}": ({"activation": name, "init": init}, 3, 256, 12)
        for name in ACTIVATIONS
        for init in ("lecun_normal", "glorot_uniform")
    },
}  # fmt: skip


def is_off(found: np.ndarray, expected: float, share: float) -> bool:
    """Tell whether a mean over seeds is more than 5 standard errors and a share away."""
    error = found.std(ddof=1) / len(found) ** 0.5
    return abs(found.mean() - expected) > 5 * error + share * abs(expected)


def check(choices: dict, depth: int, width: int, seeds: int) -> None:
    """Compare; to what wide layers give, a layer adds up to 1 / width to moments, and gradients.

    Batches add 3 / rows for each layer they normalise: their moments are not those of all rows.
    """
    model = replace(ModelConfig(name="mlp", depth=depth, width=width, dropout=0.0), **choices)
    layers = forecast(model, Ends(FEATURES, OUTPUTS))
    measured = measure(model, FEATURES, OUTPUTS, ROWS, seeds)
    assert set(measured) == {layer.name for layer in layers}
    batch = 3 / ROWS if model.norm in ("batch", "weight") else 0.0
    for place, layer in enumerate(layers):
        mean, square, gradient, _ = measured[layer.name].T
        share = 3 * (place + 1) * (1 / width + batch)
        if not np.isnan(square).any():
            assert not is_off(square, layer.after.mean_square, share), (layer.name, square.mean())
            scale = layer.after.mean_square**0.5
            assert not is_off(mean + scale, layer.after.mean + scale, share / 2), layer.name
        share = 3 * (len(layers) - place) * (1 / width + batch)
        off = is_off(gradient, layer.backward.gradient, share)
        assert not off, (layer.name, gradient.mean() / layer.backward.gradient)


@pytest.mark.parametrize("name", slow_but([*QUICK], 0, 1, 5))
def test_networks_drawn_at_random(name):
    check(*QUICK[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_more_networks_drawn_at_random(name):
    check(*SLOW[name])


CNNS = {
    "cnn": {"dropout": 0.1, "conv_dropout": 0.1},
    "features": {"dropout_kind": "feature_alpha", "dropout": 0.0, "conv_dropout": 0.2},
    "relu": {**RELU, "dropout_kind": "ordinary", "dropout": 0.5, "conv_dropout": 0.2},
    "gelu": {"activation": "gelu", "init": "glorot_uniform", "dropout": 0.0},
    "layer": {"activation": "tanh", "norm": "layer", "norm_placement": "after", "dropout": 0.0},
}


@pytest.mark.slow
@pytest.mark.parametrize("features", [64, 3072])
@pytest.mark.parametrize("name", CNNS)
@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_convolutional_networks(name, features, correlation):
    """Within 5 standard errors and 8 %: the first kernels see 9 or 27 numbers, which is few."""
    model = replace(ModelConfig(name="cnn", depth=1, width=256), **CNNS[name])
    layers = forecast(model, Ends(features, OUTPUTS), correlation=correlation)
    seeds, rows = (24, 16) if features == 64 else (6, 4)
    measured = measure_images(model, features, OUTPUTS, rows, seeds, correlation)
    for layer in layers:
        mean, square, gradient = measured[layer.name].T
        scale = layer.after.mean_square**0.5
        assert not is_off(square, layer.after.mean_square, 0.08), (layer.name, square.mean())
        assert not is_off(mean + scale, layer.after.mean + scale, 0.04), (layer.name, mean.mean())
        if model.norm == "none":  # the mean of inverse lengths is another for so few inputs
            ratio = gradient.mean() / layer.backward.gradient
            assert not is_off(gradient, layer.backward.gradient, 0.15), (layer.name, ratio)


def test_predictions_agree_where_both_know():
    model = ModelConfig(depth=5, init="he_normal", dropout=0.1)
    ends, start = Ends(20, 3), Moments(0.5, 2.0)
    layers = forecast(model, ends, start)
    assert [x.after for x in layers] == predict(model, layer_weights(model, ends), start)


def test_batch_normalised_relu_explodes_at_the_known_rate():
    """pi / (pi - 1) a layer, Yang et al. 2019."""
    layers = forecast(ModelConfig(depth=5, dropout=0.0, norm="batch", **RELU), Ends(9, 3))
    gradients = np.array([layer.backward.gradient for layer in layers])
    np.testing.assert_allclose(gradients[1:-1] / gradients[2:], np.pi / (np.pi - 1), rtol=1e-9)


def test_numbers_that_do_not_fit_and_pieces_that_are_not_known():
    deep = forecast(ModelConfig(depth=40, init="normal"), Ends(16, 26))
    assert np.isinf(deep[-1].after.variance)
    assert deep[-1].backward is None
    for choices in (
        {"activation": "my:own"}, {"init": "my:own"}, {"init": "constant"}, {"name": "my:Net"},
        {"depth": 0}, {"dropout_kind": "my:own"}, {"name": "cnn", "norm": "weight"},
    ):  # fmt: skip
        assert forecast(ModelConfig(**choices), Ends(64, 10)) is None
    dead = forecast(ModelConfig(init="zeros", dropout=0.0), Ends(64, 10))
    assert dead[-1].after == (0.0, 0.0)
    assert dead[0].backward.gradient == dead[0].backward.singular == 0.0
