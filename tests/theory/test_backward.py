"""Slopes, Glorot's equations and singular values, against differences, figures and sampling."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq

from snnjax.config.schema import ModelConfig
from snnjax.theory.depth.backward import glorot, glorot_variance
from snnjax.theory.depth.forecast import forecast
from snnjax.theory.depth.network import Ends, layer_weights, predict
from snnjax.theory.depth.singular_values import mean_singular_value
from snnjax.theory.depth.slopes import SLOPES, numpy_slope, slope_law
from snnjax.theory.moments.activations import TWINS, numpy_activation
from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.nodes import Law, normal_law

POINTS = np.concatenate([np.linspace(-6, 6, 122), [-30.0, 30.0]])  # none of them a kink
NUMBERS = {
    "leaky_relu": {"leaky_slope": 0.3},
    "elu": {"elu_alpha": 1.7},
    "selu": {"selu_alpha": 1.2, "selu_lambda": 1.3},
    "prelu": {"prelu_slope": -0.4},
    "rrelu": {"rrelu_low": 0.2, "rrelu_high": 0.6},
}


@pytest.mark.parametrize("name", TWINS)
def test_slopes_are_derivatives(name):
    assert set(SLOPES) == set(TWINS)
    model, step = ModelConfig(activation=name, **NUMBERS.get(name, {})), 1e-5
    f = numpy_activation(model)
    expected = (f(POINTS + step) - f(POINTS - step)) / (2 * step)
    np.testing.assert_allclose(numpy_slope(model)(POINTS), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("choices", "rate"),
    [({"dropout_kind": "ordinary"}, 0.3), ({}, 0.1), ({"dropout_mean": 0.4}, 0.2)],
)
def test_slopes_through_dropout_by_sampling(choices, rate):
    from snnjax.theory.moments.dropout import alpha_affine

    model = ModelConfig(activation="tanh", dropout=rate, **choices)
    random = np.random.default_rng(0)
    z, kept = random.normal(0.5, 1.2, 400_000), random.random(400_000) >= rate
    scale = 1 / (1 - rate)
    if model.dropout_kind == "alpha":
        scale, _ = alpha_affine(rate, Moments(model.dropout_mean, 1.0))
    squares = (scale * kept * (1 - np.tanh(z) ** 2)) ** 2
    law = slope_law(model, Moments(0.5, 1.44), training=True)
    assert abs(law.masses @ law.values - squares.mean()) < 4.5 * squares.std() / 400_000**0.5
    alone = slope_law(model, Moments(0.5, 1.44), training=False)
    np.testing.assert_allclose(alone.masses @ alone.values * scale**2 * (1 - rate),
                               law.masses @ law.values, rtol=1e-12)  # fmt: skip


def test_nodes_have_the_moments_of_normal_laws():
    law = normal_law(Moments(-0.7, 3.0))
    assert law.moments == pytest.approx((-0.7, 3.0), rel=1e-12)
    x, masses = law
    assert masses @ (x + 0.7) ** 4 == pytest.approx(27.0, rel=1e-10)
    largest = normal_law(Moments(0.0, 1.0), pieces=3)
    assert largest.moments.mean == pytest.approx(1.5 / np.pi**0.5, rel=1e-10)


def test_glorots_equations():
    """Forward n_in Var[W] = 1, backward n_out Var[W] = 1; standard: 1/3 a layer."""
    widths = [100, 50, 80]
    forward, back = glorot(widths, [1 / 100, 1 / 50])
    np.testing.assert_allclose(forward, [1, 1, 1])
    np.testing.assert_allclose(back, [0.5 * 1.6, 1.6, 1])
    standard, _ = glorot([1000] * 6, [1 / 3000] * 5)
    np.testing.assert_allclose(standard, (1 / 3) ** np.arange(6))
    assert glorot_variance(30, 50) == pytest.approx(6 / 80 / 3)  # of U(-sqrt(6/80), sqrt(6/80))
    assert 1 / 50 < glorot_variance(30, 50) < 1 / 30


def test_linear_networks_obey_glorots_equations():
    model = ModelConfig(
        name="mlp", activation="identity", init="glorot_normal", form="conic", depth=4, width=90,
        dropout=0.0,
    )  # fmt: skip
    layers = forecast(model, Ends(60, 7))
    from snnjax.widths import hidden_widths

    widths = [60, *hidden_widths(model, 7), 7]
    variances = [glorot_variance(a, b) for a, b in pairwise(widths)]
    forward, back = glorot(widths, variances)
    np.testing.assert_allclose([x.after.variance for x in layers], forward[1:-1], rtol=1e-10)
    np.testing.assert_allclose([x.backward.gradient for x in layers], back[1:-1], rtol=1e-10)


# Five layers of 1000 tanh units: an own measurement in the reference, and the paper's 0.5, 0.8.
MEASURED = {
    "uniform": ([0.164, 0.094, 0.054, 0.031, 0.018], 0.49),
    "glorot_uniform": ([0.268, 0.248, 0.232, 0.222, 0.213], 0.80),
}


def test_standard_and_normalised_initialisation_of_tanh():
    """The printed figures, of one network each on images that are not all of one mean square."""
    for init, (deviations, singular) in MEASURED.items():
        model = ModelConfig(
            name="mlp", activation="tanh", init=init, depth=5, width=1000, dropout=0.0
        )
        # Its images have another mean square than N(0, 1): that which gives the first deviation.
        weights = layer_weights(model, Ends(1024, 9))[:1]

        def first(square: float, weights: list = weights, model: ModelConfig = model) -> float:
            return predict(model, weights, Moments(0.0, square))[0].variance ** 0.5

        square = brentq(lambda v, aim=deviations[0]: first(v) - aim, 0.01, 4.0)
        layers = forecast(model, Ends(1024, 9), Moments(0.0, square))
        found = [layer.after.variance**0.5 for layer in layers]
        np.testing.assert_allclose(found, deviations, rtol=0.03)
        average = np.mean([layer.backward.singular for layer in layers[1:]])
        assert average == pytest.approx(singular, abs=0.03)


LAWS = {
    "one": Law(np.ones(1), np.ones(1)),
    "half": Law(np.array([0.0, 1.7]), np.array([0.5, 0.5])),
    "three": Law(np.array([0.2, 1.0, 4.0]), np.array([0.3, 0.3, 0.4])),
}


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("orthonormal", [False, True])
@pytest.mark.parametrize("shape", [(300, 300), (150, 300), (300, 150)])
def test_mean_singular_values_of_drawn_matrices(name, orthonormal, shape):
    """Within 1 %: averages over spectra hardly fluctuate, and differ by order 1 / 300."""
    random, (rows, columns) = np.random.default_rng(3), shape
    law = LAWS[name]
    d = np.sqrt(random.permutation(np.repeat(law.values, (law.masses * rows).round().astype(int))))
    if orthonormal:
        w = np.linalg.qr(random.normal(size=(max(shape), min(shape))))[0]
        w = w if rows >= columns else w.T
    else:
        w = random.normal(size=shape) / columns**0.5
    expected = np.linalg.svd(d[:, None] * w, compute_uv=False).mean()
    tau = min(1.0, columns / rows) if orthonormal else 1.0
    scaled = Law(tau * law.values, law.masses)
    found = mean_singular_value(scaled, rows, columns, orthonormal)
    assert found == pytest.approx(expected, rel=0.01)


def test_square_gaussian_matrices_by_the_quarter_circle():
    assert mean_singular_value(LAWS["one"], 9, 9) == pytest.approx(8 / (3 * np.pi), rel=1e-6)
