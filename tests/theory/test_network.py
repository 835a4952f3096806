"""Predicted moments against the library's own pieces and networks, drawn at random."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import slow_but

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.draw import draw_kernels
from snnjax.nn.dropout import alpha_dropout
from snnjax.nn.dropout import ordinary_dropout as ordinary
from snnjax.nn.mlp import MLP
from snnjax.nn.numbers import arguments, constants
from snnjax.nn.randomness import Randomness
from snnjax.nn.units import negative_slope as slope
from snnjax.registry import ACTIVATIONS, DROPOUTS, INITIALIZERS, resolve
from snnjax.theory.depth.network import Ends, layer_weights, predict
from snnjax.theory.moments.activations import (
    TWINS,
    activation_moments,
    negative_slope,
    numpy_activation,
)
from snnjax.theory.moments.dropout import ALPHA_KINDS, dropped, noise_share
from snnjax.theory.moments.moment_map import Moments, moments
from snnjax.theory.moments.weights import depends_on_width, initial_weights

POINTS = np.concatenate([np.linspace(-8, 8, 161), [-60.0, -1e-9, 1e-9, 60.0]])
NUMBERS = {
    "leaky_relu": {"leaky_slope": 0.3},
    "elu": {"elu_alpha": 1.7},
    "selu": {"selu_alpha": 1.2, "selu_lambda": 1.3},
}
SLOPED = ("leaky_relu", "prelu", "rrelu", "relu")


def test_every_activation_has_a_twin():
    assert set(TWINS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", [n for n, at in ACTIVATIONS.items() if "units:" not in at])
def test_twins_equal_the_functions_of_the_networks(name):
    model = ModelConfig(activation=name, **NUMBERS.get(name, {}))
    function = resolve("activation", name)
    with jax.enable_x64(True):
        expected = function(jnp.asarray(POINTS), **arguments(function, constants(model), after=1))
    np.testing.assert_allclose(numpy_activation(model)(POINTS), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["prelu", "rrelu"])
def test_twins_equal_units_with_slopes(name):
    model = ModelConfig(activation=name, prelu_slope=0.4, rrelu_low=0.2, rrelu_high=0.4)
    unit = resolve("activation", name)(constants(model), 1)
    expected = unit(jnp.asarray(POINTS, jnp.float32)[:, None])[:, 0]
    np.testing.assert_allclose(numpy_activation(model)(POINTS), expected, rtol=1e-6)


@pytest.mark.parametrize("name", SLOPED)
def test_he_initialisation_is_told_the_same_slope(name):
    model = ModelConfig(activation=name)
    assert negative_slope(model) == pytest.approx(slope(constants(model)), rel=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_moments_of_every_activation_by_monte_carlo(name):
    model = ModelConfig(activation=name, pieces=3, **NUMBERS.get(name, {}))
    net = Moments(0.3, 2.0)
    pieces = model.pieces if name == "maxout" else 1
    x = np.random.default_rng(1).normal(0.3, 2**0.5, (250_000, pieces)).max(1)
    y = numpy_activation(model)(x)
    found = activation_moments(model, net)
    assert abs(y.mean() - found.mean) < 4.5 * y.std() / 500
    assert abs(y.var() - found.variance) < 4.5 * ((y - y.mean()) ** 2).std() / 500
    assert moments(numpy_activation(model), net, pieces=pieces).error < 1e-9


def test_unknown_pieces_are_not_guessed():
    assert activation_moments(ModelConfig(activation="my:own"), Moments(0, 1)) is None
    assert initial_weights(ModelConfig(init="my:own"), 3, 3) is None
    assert dropped(ModelConfig(dropout_kind="my:own"), Moments(0, 1), 0.5) is None
    assert set(DROPOUTS) == {"ordinary", *ALPHA_KINDS}


@pytest.mark.parametrize("rate", [0.05, 0.7])
@pytest.mark.parametrize("kind", ["alpha", "ordinary"])
def test_dropout_by_monte_carlo(kind, rate):
    x = jax.random.normal(jax.random.key(0), (1000, 1000)) * 1.5 + 0.4
    function = alpha_dropout if kind == "alpha" else ordinary
    y = np.asarray(function(x, rate, noise.make_key(jnp.uint32(3))), np.float64)
    found = dropped(ModelConfig(dropout_kind=kind), Moments(0.4, 2.25), rate)
    assert abs(y.mean() - found.mean) < 4.5 * y.std() / 1000
    assert abs(y.var() - found.variance) < 4.5 * ((y - y.mean()) ** 2).std() / 1000


@pytest.mark.parametrize("point", [(0.0, 1.0), (0.0, 2.0), (0.5, 0.5), (-0.1, 2.0)])
@pytest.mark.parametrize("rate", [0.05, 0.5, 0.95])
def test_alpha_dropout_keeps_the_point_it_is_made_for(point, rate):
    model = ModelConfig(dropout_mean=point[0], dropout_variance=point[1], selu_alpha=2.0)
    np.testing.assert_allclose(dropped(model, Moments(*point), rate), point, atol=1e-14)


def test_noise_of_alpha_dropout_is_what_its_input_does_not_explain():
    x = jax.random.normal(jax.random.key(0), (1000, 1000))
    y = np.asarray(alpha_dropout(x, 0.6, noise.make_key(jnp.uint32(1)))).ravel()
    explained = np.corrcoef(np.asarray(x).ravel(), y)[0, 1] ** 2
    assert 1 - explained == pytest.approx(noise_share(0.6), abs=0.003)


CHOICES = [
    {"init_gain": 1.5},
    {"init_corrected": False, "activation": "leaky_relu", "leaky_slope": 0.5},
    {"init_fan": "fan_out"},
    {"init_fan": "fan_avg"},
]
DRAWN = [(name, {}) for name in INITIALIZERS] + [
    (name, choices)
    for name in ("lecun_truncated", "glorot_uniform", "he_truncated", "he_normal")
    for choices in CHOICES
]


@pytest.mark.parametrize(("name", "choices"), [*DRAWN, ("constant", CHOICES[0])])
def test_omega_and_tau_are_those_of_drawn_weights(name, choices):
    """Within 4.5 standard errors, but for the error of erf_inv in float32."""
    model = ModelConfig(init=name, init_value=0.25, **choices)
    fan_in, fan_out = 120, 200
    (kernel,) = draw_kernels(constants(model), jax.random.key(0), [(fan_in, fan_out)])
    weights = initial_weights(model, fan_in, fan_out)
    drawn = np.asarray(kernel, np.float64)
    error = 4.5 / (fan_in * fan_out) ** 0.5
    assert fan_in * drawn.var() == pytest.approx(weights.tau, rel=2**0.5 * error, abs=1e-9)
    spread = error * fan_in * drawn.std()
    assert fan_in * drawn.mean() == pytest.approx(weights.omega, abs=spread + 1e-5)
    is_same = initial_weights(model, 30, 20) == weights
    assert depends_on_width(model) == (not is_same)


NETWORKS = {
    "snn": {"dropout": 0.1},
    "selu, he": {"init": "he_normal", "dropout": 0.0},
    "selu, he, ordinary": {"init": "he_uniform", "dropout_kind": "ordinary", "dropout": 0.2},
    "selu, glorot": {"init": "glorot_normal", "dropout": 0.0, "input_dropout": 0.3},
    "relu, he": {"activation": "relu", "init": "he_normal", "dropout": 0.0},
    "tanh, glorot": {"activation": "tanh", "init": "glorot_uniform", "dropout": 0.0},
    "sigmoid, normal": {"activation": "sigmoid", "init": "normal", "dropout": 0.0},
    "gelu, layer after": {
        "activation": "gelu", "norm": "layer", "norm_placement": "after", "dropout": 0.0
    },
    "selu, batch": {"init": "he_normal", "norm": "batch", "dropout": 0.1},
    "selu, rms": {"init": "he_normal", "norm": "rms", "dropout": 0.0, "init_bias": 0.3},
    "maxout": {"activation": "maxout", "pieces": 3, "dropout": 0.0},
}  # fmt: skip
WIDTH, ROWS, FEATURES, SEEDS = 300, 100, 150, 4
RAW = ("snn", "relu, he", "selu, glorot", "selu, batch")
STARTS = [(name, Moments(0.0, 1.0)) for name in NETWORKS]


def measured(model: ModelConfig, start: Moments) -> np.ndarray:
    """Return mean and mean square after each layer, (seeds, layers, 2)."""

    def one(seed):
        key = jax.random.key(seed)
        net = MLP(model, FEATURES, 5, key)
        x = jax.random.normal(jax.random.fold_in(key, 1), (ROWS, FEATURES))
        x = x * start.variance**0.5 + start.mean
        randomness = Randomness(noise.make_key(seed), jnp.ones(ROWS, bool))
        found = []
        x = net.input_dropout(x, randomness.stream(0))
        for layer in net.hidden:
            x = layer(x, randomness)
            found.append(jnp.stack([x.mean(), (x**2).mean()]))
        return jnp.stack(found)

    return np.stack([one(jnp.uint32(seed)) for seed in range(SEEDS)])


@pytest.mark.parametrize(
    ("name", "start"), slow_but(STARTS + [(name, Moments(1.5, 0.5)) for name in RAW], 0)
)
def test_prediction_equals_networks_drawn_at_random(name, start):
    """Within five standard errors and 2 % of the deviation: width 300 is not infinite."""
    model = replace(ModelConfig(depth=3, width=WIDTH), **NETWORKS[name])
    predicted = predict(model, layer_weights(model, Ends(FEATURES, 5)), start)
    found = measured(model, start)
    mean, error = found.mean(0), found.std(0, ddof=1) / SEEDS**0.5
    squares = np.array([x.mean_square for x in predicted])
    scale = np.stack([np.sqrt(squares), squares], 1)
    expected = np.stack([[x.mean for x in predicted], squares], 1)
    assert (np.abs(mean - expected) < 5 * error + 0.02 * scale).all(), (mean, expected, error)


def test_prediction_ends_where_numbers_do_not_fit_and_where_units_are_equal():
    deep = ModelConfig(depth=40, init="normal")
    found = predict(deep, layer_weights(deep, Ends(16, 26)))
    assert np.isfinite(found[10].variance)
    assert np.isinf(found[-1].variance)
    equal = ModelConfig(init="constant", init_value=0.1)
    assert predict(equal, layer_weights(equal, Ends(16, 26))) is None
