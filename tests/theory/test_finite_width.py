"""What finite widths add to moments, against networks of the library over many seeds."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.mlp import MLP
from snnjax.nn.randomness import Randomness
from snnjax.theory.depth.finite_width import _TRUNCATED, LARGEST_SPREAD
from snnjax.theory.depth.forecast import forecast
from snnjax.theory.depth.network import Ends

FEATURES, WIDTH, DEPTH = 30, 40, 3
QUICK = {"relu, he": {"activation": "relu", "init": "he_normal"}}
SLOW = {
    "tanh, uniform": {"activation": "tanh", "init": "glorot_uniform"},
    "snn": {"dropout": 0.1},
    "truncated": {"init": "lecun_truncated", "init_gain": 1.2},
    "layer": {"activation": "relu", "norm": "layer"},
    "layer after": {
        # Its mean square is 1 in every network but for epsilon, which the theory leaves out.
        "activation": "relu",
        "norm": "layer",
        "norm_placement": "after",
        "norm_epsilon": 1e-9,
    },
    "rms": {"activation": "gelu", "norm": "rms", "dropout_kind": "ordinary", "dropout": 0.2},
    "silu, bias": {"activation": "silu", "init": "he_uniform", "init_bias": 0.3},
    "maxout": {"activation": "maxout", "init": "lecun_normal"},
    "sigmoid": {"activation": "sigmoid", "init": "normal"},
}


def rows_of(model: ModelConfig, seeds: int) -> np.ndarray:
    """Return mean and mean square of one row over the units of each layer, (seeds, layers, 2)."""

    def one(seed: jax.Array) -> jax.Array:
        draw, rows = jax.random.split(jax.random.key(seed))
        net = MLP(model, FEATURES, 3, draw)
        randomness = Randomness(noise.make_key(seed), jnp.ones(1, bool))
        y, found = jax.random.normal(rows, (1, FEATURES)), []
        for layer in net.hidden:
            y = layer(y, randomness)
            found.append(jnp.stack([y.mean(), (y**2).mean()]))
        return jnp.stack(found)

    run = jax.jit(jax.vmap(one))
    return np.asarray(run(jnp.arange(seeds, dtype=jnp.uint32)), np.float64)


def check(choices: dict, seeds: int) -> None:
    """Within 4.5 standard errors and a quarter of the correction, its higher orders."""
    model = ModelConfig(name="mlp", depth=DEPTH, width=WIDTH, dropout=0.0)
    model = replace(model, **choices)
    found = rows_of(model, seeds)
    for layer, row in zip(forecast(model, Ends(FEATURES, 3)), found.swapaxes(0, 1), strict=True):
        moments = layer.finite.moments
        mean, square = row.mean(0)
        # Means that normalisation makes 0 have the rounding of float32, the same in every network.
        error = 4.5 * row.std(0) / seeds**0.5 + 1e-6
        moved = abs(moments.mean - layer.after.mean)
        assert abs(mean - moments.mean) < error[0] + moved / 4
        moved = abs(moments.mean_square - layer.after.mean_square)
        assert abs(square - moments.mean_square) < error[1] + moved / 4
        spread = row[:, 1].std() / square
        # Of a deviation the relative error is sqrt((kurtosis - 1) / seeds) / 2.
        centred = row[:, 1] - square
        kurtosis = (centred**4).mean() / (centred**2).mean() ** 2 if spread > 1e-6 else 1.0
        error = 4.5 * ((kurtosis - 1) / seeds) ** 0.5 / 2
        assert abs(spread - layer.finite.spread) < spread * (error + 0.03) + 1e-5


@pytest.mark.parametrize("name", QUICK)
def test_moments_over_networks(name):
    check(QUICK[name], 1000)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_moments_over_more_networks(name):
    check(SLOW[name], 3000)


def test_relu_spreads_like_depth_over_width():
    """E Q^2 / (E Q)^2 grows by the factor 1 + 5 / width a layer."""
    model = ModelConfig(depth=6, width=100, activation="relu", init="he_normal", dropout=0.0)
    layers = forecast(model, Ends(100, 3))
    expected = (1 + 2 / 100) * (1 + 5 / 100) ** np.arange(1, 7) - 1
    found = [layer.finite.spread**2 for layer in layers]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    squares = [layer.finite.moments.mean_square for layer in layers]
    np.testing.assert_allclose(squares, 1, rtol=1e-8)


def test_corrections_vanish_with_the_width():
    layers = [
        forecast(ModelConfig(width=width, dropout=0.0), Ends(width, 3))[-1].finite
        for width in (100, 10_000)
    ]
    narrow, wide = (abs(layer.moments.variance - 1) for layer in layers)
    assert narrow / wide == pytest.approx(100, rel=0.05)
    assert layers[0].spread / layers[1].spread == pytest.approx(10, rel=0.05)


def test_kurtosis_of_truncated_normals_by_sampling():
    x = np.random.default_rng(0).normal(size=2_000_000)
    x = x[abs(x) < 2]
    assert (x**4).mean() / (x**2).mean() ** 2 - 3 == pytest.approx(_TRUNCATED, abs=0.01)


@pytest.mark.parametrize(
    "choices", [{"norm": "batch"}, {"init": "lsuv"}, {"norm": "layer", "norm_placement": "after"}]
)
def test_what_other_rows_decide_is_not_guessed(choices):
    layers = forecast(ModelConfig(**choices), Ends(9, 3))
    assert layers[0].finite is None


@pytest.mark.parametrize("width", [16, 32])
def test_where_networks_differ_too_much_nothing_is_said(width):
    model = ModelConfig(depth=32, width=width, activation="relu", init="he_normal", dropout=0.0)
    layers = [layer.finite for layer in forecast(model, Ends(64, 10))]
    spreads = (1 + 2 / 64) * (1 + 5 / width) ** np.arange(1, 33) - 1
    is_known = [layer.moments is not None for layer in layers]
    assert is_known == list(spreads**0.5 <= LARGEST_SPREAD)
    assert all(layer.moments.variance > 0 for layer in layers if layer.moments is not None)
