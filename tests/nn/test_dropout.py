"""Alpha dropout keeps mean 0 and variance 1; ordinary dropout keeps the mean."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.config.schema import ModelConfig
from snnjax.constants import ALPHA_PRIME
from snnjax.nn import noise
from snnjax.nn.dropout import Dropout, alpha_dropout, ordinary_dropout
from snnjax.nn.units import make_unit
from snnjax.registry import resolve

ROWS, COLUMNS = 1000, 1000


def key_of(number: int) -> jax.Array:
    return noise.fold(noise.make_key(np.uint32(number)), 1)


def affine(rate: float) -> tuple[float, float]:
    """Klambauer et al. 2017, section 3, written out."""
    q = 1 - rate
    a = (q + ALPHA_PRIME**2 * q * (1 - q)) ** -0.5
    return a, -a * (1 - q) * ALPHA_PRIME


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_alpha_dropout_keeps_mean_0_and_variance_1(rate, seed):
    """z-tests with the exact fourth moment of the mixture; 30 tests at |z| < 4.5 (7e-6 each)."""
    x = np.random.default_rng(seed).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    y = np.asarray(alpha_dropout(x, np.float32(rate), key_of(seed)), np.float64)
    a, b = affine(rate)
    kept = 3 * a**4 + 6 * a**2 * b**2 + b**4
    fourth = (1 - rate) * kept + rate * (a * ALPHA_PRIME + b) ** 4
    assert abs(y.mean()) * np.sqrt(y.size) < 4.5
    assert abs((y**2).mean() - 1) / np.sqrt((fourth - 1) / y.size) < 4.5


@pytest.mark.parametrize(
    ("rate", "a", "b"), [(0.05, 0.954844, 0.083936), (0.10, 0.921285, 0.161971)]
)
def test_alpha_dropout_applies_the_published_affine_map(rate, a, b):
    x = np.linspace(-2, 2, 4096, dtype=np.float32)[None]
    y = np.asarray(alpha_dropout(x, rate, key_of(0)))
    kept = np.asarray(noise.is_kept(key_of(0), rate, x.shape))
    np.testing.assert_allclose(y[kept], (a * x + b)[kept], atol=2e-6)
    np.testing.assert_allclose(y[~kept], a * -1.7580993408473766 + b, atol=3e-6)


def test_alpha_prime_is_the_published_constant():
    assert pytest.approx(-1.7580993408473766, abs=1e-15) == ALPHA_PRIME


@pytest.mark.parametrize("dropout", [alpha_dropout, ordinary_dropout])
def test_rate_0_is_the_identity(dropout):
    x = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    np.testing.assert_array_equal(dropout(x, np.float32(0), key_of(0)), x)


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.8])
def test_ordinary_dropout_keeps_the_mean(rate):
    """Of a constant input: the mean of n scaled Bernoulli variables, |z| < 4.5."""
    y = np.asarray(ordinary_dropout(np.ones((ROWS, COLUMNS), np.float32), rate, key_of(5)))
    z = (y.mean(dtype=np.float64) - 1) / np.sqrt(rate / (1 - rate) / y.size)
    assert abs(z) < 4.5


@pytest.mark.parametrize("dropout", [alpha_dropout, ordinary_dropout])
def test_mapping_over_rates_equals_a_loop(dropout):
    x = np.random.default_rng(0).normal(size=(32, 16)).astype(np.float32)
    rates = np.array([0.0, 0.05, 0.3, 0.7], np.float32)
    mapped = jax.vmap(lambda rate: dropout(x, rate, key_of(2)))(rates)
    looped = np.stack([dropout(x, rate, key_of(2)) for rate in rates])
    np.testing.assert_allclose(mapped, looped, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_alpha_dropout_and_its_gradient_equal_pytorch_given_its_mask(rate):
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    x = np.random.default_rng(3).normal(size=(200, 50)).astype(np.float32)
    upstream = np.random.default_rng(4).normal(size=x.shape).astype(np.float32)
    theirs = torch.tensor(x, requires_grad=True)
    torch.manual_seed(0)
    y = torch.nn.functional.alpha_dropout(theirs, rate, training=True)
    y.backward(torch.tensor(upstream))
    kept = theirs.grad.numpy() != 0
    a, b = affine(rate)
    np.testing.assert_allclose(
        y.detach().numpy(), np.where(kept, a * x + b, a * ALPHA_PRIME + b), atol=1e-6
    )
    ours, pull = jax.vjp(lambda x: alpha_dropout(x, rate, key_of(0)), x)
    own_kept = np.asarray(noise.is_kept(key_of(0), rate, x.shape))
    np.testing.assert_allclose(ours, np.where(own_kept, a * x + b, a * ALPHA_PRIME + b), atol=1e-6)
    np.testing.assert_allclose(pull(upstream)[0], np.where(own_kept, a * upstream, 0), atol=1e-6)


@pytest.mark.parametrize("kind", ["alpha", "ordinary"])
@pytest.mark.parametrize("activation", ["selu", "relu", "tanh"])
@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("axis", [0, 1])
def test_dropout_after_a_unit_is_the_composition_and_so_is_its_gradient(
    activation, kind, rate, axis
):
    """In all three arguments that have one, against float64; saturated units are among them."""
    rng = np.random.default_rng(1)
    x = np.concatenate([2 * rng.normal(size=(64, 32)), np.full((2, 32), -30.0)]).astype(np.float32)
    upstream = rng.normal(size=x.shape).astype(np.float32)
    config = ModelConfig(activation=activation, dropout_kind=kind)
    function, dropout = resolve("activation", activation), resolve("dropout", kind)

    def composition(x, rate):
        return dropout(function(x), rate, key_of(3))

    def ours(x, rate):
        value = {**vars(config), "dropout": rate}.get
        unit = make_unit(value, 32)
        result = Dropout(value, "dropout").after(unit, x if axis else x.T, key_of(3), axis)
        return result if axis else result.T

    value, pull = jax.vjp(jax.jit(ours), jnp.asarray(x), jnp.float32(rate))
    with jax.enable_x64(True):
        expected, expected_pull = jax.vjp(composition, jnp.float64(x), jnp.float64(rate))
        of_x, of_rate = expected_pull(jnp.float64(upstream))
    got_of_x, got_of_rate = pull(upstream)
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got_of_x, of_x, rtol=1e-5, atol=3e-6)
    np.testing.assert_allclose(got_of_rate, of_rate, rtol=1e-3, atol=1e-2)
