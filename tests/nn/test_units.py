"""Activations with parameters, random slopes and several inputs against PyTorch and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.units import Elementwise, inputs_per_unit, make_unit, negative_slope
from snnjax.registry import ACTIVATIONS

KEY = noise.fold(noise.make_key(np.uint32(4)), 2)
WIDTH = 6


def make(width=WIDTH, traced=None, **choices):
    """Build a unit; the numbers in `traced` are arrays, as in a population."""
    return make_unit({**vars(ModelConfig(**choices)), **(traced or {})}.get, width)


def rows_of(count=50, width=WIDTH, seed=0):
    x = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    x[0] = 0
    return x


def turned(x, axis):
    return x if axis else x.T


def gradients_of(unit, x, upstream, axis=1, key=None):
    """Return the output, and the gradients in the parameters and in x, rows first."""
    graph, params, rest = nnx.split(unit, nnx.Param, ...)

    def apply(params, x):
        return turned(nnx.merge(graph, params, rest)(turned(x, axis), axis, key), axis)

    y, pull = jax.vjp(apply, params, jnp.asarray(x))
    of_params, of_x = pull(jnp.asarray(upstream))
    return np.asarray(y), jax.tree.leaves(of_params), np.asarray(of_x)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_prelu_equals_pytorch(shared, axis):
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    x, upstream = rows_of(), rows_of(seed=1)
    unit = make(activation="prelu", prelu_shared=shared, prelu_slope=0.1)
    assert (np.asarray(unit.slope[...]) == np.float32(0.1)).all()
    slopes = np.linspace(-0.5, 0.9, 1 if shared else WIDTH, dtype=np.float32)
    unit.slope[...] = jnp.asarray(slopes)
    theirs = torch.nn.PReLU(len(slopes)).double()
    theirs.weight.data = torch.tensor(slopes, dtype=torch.float64)
    tensor = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    expected = theirs(tensor)
    expected.backward(torch.tensor(upstream, dtype=torch.float64))
    y, (of_slope,), of_x = gradients_of(unit, x, upstream, axis)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(of_x, tensor.grad.numpy(), rtol=1e-6)
    np.testing.assert_allclose(of_slope, theirs.weight.grad.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(1 / 8, 1 / 3), (0.0, 1.0), (0.2, 0.2)])
def test_rrelu_in_evaluation_equals_pytorch(low, high):
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    x, upstream = rows_of(), rows_of(seed=1)
    tensor = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    expected = torch.nn.functional.rrelu(tensor, low, high, training=False)
    expected.backward(torch.tensor(upstream, dtype=torch.float64))
    y, _, of_x = gradients_of(make(activation="rrelu", rrelu_low=low, rrelu_high=high), x, upstream)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(of_x, tensor.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(1 / 8, 1 / 3), (0.0, 1.0), (0.3, 0.31)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rrelu_draws_slopes_uniformly(low, high, seed):
    """Kolmogorov-Smirnov, z of the mean and of neighbours' products: 33 tests at 1e-5 each."""
    unit = make(activation="rrelu", rrelu_low=low, rrelu_high=high)
    key = noise.fold(KEY, seed)
    slopes = -np.asarray(unit(-jnp.ones((300, 200)), 1, key), np.float64)
    assert slopes.min() >= np.float32(low)
    assert slopes.max() <= np.float32(high)
    uniform = (slopes - low) / (high - low)
    if high - low > 0.1:  # else float32 has too few numbers between for a continuous test
        assert stats.kstest(uniform.ravel(), "uniform").pvalue > 1e-5
    z = (uniform.mean() - 0.5) * np.sqrt(12 * uniform.size)
    assert abs(z) < stats.norm.isf(0.5e-5)
    centred = uniform - 0.5
    for pairs in (centred[:, 1:] * centred[:, :-1], centred[1:] * centred[:-1]):
        assert abs(pairs.sum()) * 12 / np.sqrt(pairs.size) < stats.norm.isf(0.5e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_rrelu_in_training_is_linear_on_both_sides(axis):
    """Its slopes belong to places: those of (rows, width), whatever lies first in memory."""
    unit = make(activation="rrelu")
    x, upstream = rows_of(), rows_of(seed=1)
    slopes = -np.asarray(unit(-jnp.ones(x.shape), 1, KEY))
    y, _, of_x = gradients_of(unit, x, upstream, axis, KEY)
    np.testing.assert_array_equal(y, np.where(x > 0, x, slopes * x))
    np.testing.assert_array_equal(of_x, np.where(x > 0, upstream, slopes * upstream))


@pytest.mark.parametrize("pieces", [2, 3, 5])
@pytest.mark.parametrize("axis", [0, 1])
def test_maxout_is_the_largest_piece_and_its_gradient_goes_there(pieces, axis):
    x, upstream = rows_of(width=pieces * WIDTH, seed=2)[1:], rows_of(seed=1)[1:]
    unit = make(activation="maxout", pieces=pieces)
    y, _, of_x = gradients_of(unit, x, upstream, axis)
    apart = x.reshape(len(x), pieces, WIDTH)
    np.testing.assert_array_equal(y, np.maximum.reduce([apart[:, k] for k in range(pieces)]))
    won = np.arange(pieces)[None, :, None] == apart.argmax(1)[:, None, :]
    np.testing.assert_array_equal(of_x, (won * upstream[:, None, :]).reshape(x.shape))


def test_maxout_gives_one_piece_the_gradient_of_a_tie_and_loses_no_nan():
    unit = make(width=1, activation="maxout", pieces=3)
    _, _, of_x = gradients_of(unit, np.ones((1, 3), np.float32), np.ones((1, 1), np.float32))
    np.testing.assert_array_equal(of_x, [[1, 0, 0]])
    for place in range(3):
        x = np.where(np.arange(3) == place, np.nan, np.arange(3)).astype(np.float32)
        assert np.isnan(unit(jnp.asarray(x)[None])).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("key", [None, KEY])
def test_units_are_the_same_with_the_features_first(name, key):
    inputs = 2 if name == "maxout" else 1
    unit = make(activation=name)
    assert inputs_per_unit(vars(ModelConfig(activation=name)).get) == inputs
    x = jnp.asarray(rows_of(width=inputs * WIDTH))
    y = unit(x, 1, key)
    assert y.shape == (50, WIDTH)
    np.testing.assert_allclose(unit(x.T, 0, key).T, y, rtol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("key", [None, KEY])
def test_units_keep_the_type_and_finite_gradients(name, key):
    unit = make(width=6, activation=name)
    far = [1e30, -1e30, 3e38, -1e3, 1e-40, -1e-40, 0.0, 1.0, -1.0, 20.0, -20.0, 5.0]
    for dtype in (jnp.float32, jnp.bfloat16):
        x = jnp.asarray(far, dtype).reshape(-1, 6)
        x = x.reshape(1, 12) if name == "maxout" else x
        y, pull = jax.vjp(lambda x: unit(x, 1, key), x)
        assert y.dtype == dtype
        (gradient,) = pull(jnp.ones_like(y))
        # lambda times the largest numbers is beyond all numbers.
        assert jnp.isfinite(gradient).all()
        assert not jnp.isnan(y).any()


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("selu", {"selu_alpha": 2.0, "selu_lambda": 0.9}),
        ("elu", {"elu_alpha": 0.5}),
        ("leaky_relu", {"leaky_slope": 0.3}),
        ("rrelu", {"rrelu_low": 0.1, "rrelu_high": 0.9}),
    ],
)
@pytest.mark.parametrize("key", [None, KEY])
def test_mapping_over_the_numbers_of_an_activation_equals_a_loop(name, numbers, key):
    x = jnp.asarray(rows_of())
    several = {name: number * jnp.array([0.5, 1.0, 1.1]) for name, number in numbers.items()}
    mapped = jax.vmap(lambda numbers: make(activation=name, traced=numbers)(x, 1, key))(several)
    for member in range(3):
        own = {name: float(number[member]) for name, number in several.items()}
        alone = make(activation=name, **own)(x, 1, key)
        np.testing.assert_allclose(mapped[member], alone, rtol=1e-6, atol=1e-7)


def test_the_slope_left_of_0_is_that_of_the_leaky_forms():
    """Of random slopes the root mean square, by quadrature."""
    choices = {
        "leaky_relu": ({"leaky_slope": 0.3}, 0.3),
        "prelu": ({"prelu_slope": 0.2}, 0.2),
        "rrelu": (
            {"rrelu_low": 0.1, "rrelu_high": 0.7},
            np.sqrt((np.linspace(0.1, 0.7, 100_001) ** 2).mean()),
        ),
    }
    for name in ACTIVATIONS:
        numbers, expected = choices.get(name, ({}, 0.0))
        value = vars(ModelConfig(activation=name, **numbers)).get
        np.testing.assert_allclose(negative_slope(value), expected, rtol=1e-4)


def test_a_function_of_ones_own_is_a_unit_that_takes_numbers_by_name():
    assert isinstance(make(activation="jax.nn:softmax"), Elementwise)
    unit = make(activation="snnjax.nn.activations:elu", elu_alpha=3.0)
    np.testing.assert_allclose(unit(jnp.full((1, 1), -1.0)), [[3 * np.expm1(-1)]], rtol=1e-6)
