"""Alpha dropout keeps mean and variance of any fixed point; ordinary dropout keeps the mean."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import hasty
from scipy import stats

from snnjax.config.schema import ModelConfig
from snnjax.constants import ALPHA_PRIME
from snnjax.nn import noise
from snnjax.nn.dropout import Dropout, alpha_dropout, feature_alpha_dropout, ordinary_dropout
from snnjax.nn.units import make_unit
from snnjax.registry import DROPOUTS, resolve

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


FIXED_POINTS = [(0.0, 1.0), (0.3, 2.0), (-0.5, 0.4)]


@pytest.mark.parametrize(("mean", "variance"), FIXED_POINTS)
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("numbers", [{}, {"selu_alpha": 2.0, "selu_lambda": 0.7}])
def test_mean_and_variance_after_alpha_dropout_are_exactly_the_fixed_point(
    mean, variance, rate, numbers
):
    """The law of total variance, with scale, shift and dropped value read off in float64."""
    with jax.enable_x64(True):
        x = jnp.asarray(np.repeat([[0.0], [1.0]], 4096, 1))
        y = np.asarray(alpha_dropout(x, rate, key_of(0), mean, variance, **numbers))
        kept = np.asarray(noise.is_kept(key_of(0), rate, x.shape))
    (b,), (a_plus_b,), (dropped,) = (
        np.unique(part) for part in (y[0][kept[0]], y[1][kept[1]], y[~kept])
    )
    a = a_plus_b - b
    alpha_prime = -numbers["selu_alpha"] * numbers["selu_lambda"] if numbers else ALPHA_PRIME
    assert dropped == pytest.approx(a * alpha_prime + b, abs=1e-13)
    mean_after = (1 - rate) * (a * mean + b) + rate * dropped
    square = (1 - rate) * (a**2 * variance + (a * mean + b) ** 2) + rate * dropped**2
    assert mean_after == pytest.approx(mean, abs=1e-13)
    assert square - mean_after**2 == pytest.approx(variance, rel=1e-12)


@pytest.mark.parametrize(("mean", "variance"), FIXED_POINTS)
@pytest.mark.parametrize("rate", [0.05, 0.3])
@pytest.mark.parametrize("dropout", [alpha_dropout, feature_alpha_dropout])
def test_alpha_dropout_keeps_the_moments_of_any_fixed_point(dropout, mean, variance, rate):
    """z-tests with the mixture's own second and fourth moment; 24 tests at |z| < 4.5 (7e-6)."""
    x = mean + variance**0.5 * np.random.default_rng(8).normal(size=(ROWS, COLUMNS))
    y = np.asarray(dropout(np.float32(x), np.float32(rate), key_of(1), mean, variance), np.float64)
    spread = (1 - rate) * (rate * (ALPHA_PRIME - mean) ** 2 + variance)
    a = (variance / spread) ** 0.5
    b = mean - a * ((1 - rate) * mean + rate * ALPHA_PRIME)
    shift, dropped = a * mean + b - mean, a * ALPHA_PRIME + b - mean  # of kept and dropped units
    inside = a**2 * variance
    fourth = (1 - rate) * (3 * inside**2 + 6 * inside * shift**2 + shift**4) + rate * dropped**4
    centred = y - mean
    assert abs(centred.mean()) < 4.5 * np.sqrt(variance / y.size)
    assert abs((centred**2).mean() - variance) < 4.5 * np.sqrt((fourth - variance**2) / y.size)


@pytest.mark.parametrize("name", DROPOUTS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_rate_0_is_the_identity_and_the_type_is_kept(name, dtype):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(64, 64)), dtype)
    dropout = resolve("dropout", name)
    further = [{}, {"dropout_mean": jnp.float32(0.3), "dropout_variance": jnp.float32(2.0)}]
    for numbers in further if "alpha" in name else further[:1]:
        same = dropout(x, jnp.float32(0), key_of(0), **numbers)
        assert same.dtype == dtype
        np.testing.assert_array_equal(same, x)
        for rate in (0.1, jnp.float32(0.1)):
            assert dropout(x, rate, key_of(0), **numbers).dtype == dtype


@pytest.mark.parametrize("name", DROPOUTS)
def test_a_constant_rate_of_0_is_absent_from_the_program(name):
    """Counted by the exclusive ors of the hash: without dropout there are no random bits."""
    config = vars(ModelConfig(dropout_kind=name))

    def drop(x, seed, rate):
        layer = Dropout({**config, "dropout": rate}.get, "dropout")
        return layer.after(
            make_unit(config.get, 8), x, *(noise.make_key(seed + n) for n in (0, 99))
        )

    def program(function, *arguments):
        lowered = jax.jit(function).lower(jnp.ones((4, 8)), jnp.uint32(0), *arguments)
        return lowered.compile().as_text()

    assert " xor(" not in program(partial(drop, rate=0.0))
    assert " xor(" in program(partial(drop, rate=1e-6))
    assert " xor(" in program(drop, jnp.float32(0))


def test_input_dropout_has_a_rate_of_its_own():
    x = np.ones((ROWS, 100), np.float32)
    value = vars(ModelConfig(dropout=0.4, input_dropout=0.1, dropout_kind="ordinary")).get
    for name, rate in (("dropout", 0.4), ("input_dropout", 0.1)):
        dropped = int((np.asarray(Dropout(value, name)(x, key_of(0))) == 0).sum())
        assert stats.binomtest(dropped, x.size, rate).pvalue > 1e-6


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.8])
def test_ordinary_dropout_keeps_the_mean(rate):
    """Of a constant input: the mean of n scaled Bernoulli variables, |z| < 4.5."""
    y = np.asarray(ordinary_dropout(np.ones((ROWS, COLUMNS), np.float32), rate, key_of(5)))
    z = (y.mean(dtype=np.float64) - 1) / np.sqrt(rate / (1 - rate) / y.size)
    assert abs(z) < 4.5


@pytest.mark.parametrize("name", DROPOUTS)
@pytest.mark.parametrize("axis", [-1, 0])
def test_mapping_over_rates_equals_a_loop(name, axis):
    """Of a layer's dropout with traced rates, and for alpha dropout traced fixed points."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(32, 16)), jnp.float32)
    config = vars(ModelConfig(dropout_kind=name))

    def drop(rate, mean):
        numbers = {"dropout": rate} | ({"dropout_mean": mean} if "alpha" in name else {})
        return Dropout({**config, **numbers}.get, "dropout")(x, key_of(2), axis)

    rates, means = np.array([[0.0, 0.05, 0.3, 0.7], [0.0, 0.1, -0.5, 1.0]], np.float32)
    mapped = jax.vmap(drop)(jnp.asarray(rates), jnp.asarray(means))
    for member, numbers in enumerate(zip(rates, means, strict=True)):
        alone = drop(*map(float, numbers))
        np.testing.assert_allclose(mapped[member], alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(40, 6), (40, 5, 6), (40, 4, 5, 6)])
def test_feature_alpha_dropout_drops_whole_channels(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    y = np.asarray(feature_alpha_dropout(x, 0.3, key_of(1)))
    a, b = affine(0.3)
    kept = np.asarray(noise.is_kept(key_of(1), 0.3, (40, 6)))
    kept = kept.reshape(40, *(1,) * (len(shape) - 2), 6)
    np.testing.assert_allclose(y, np.where(kept, a * x + b, a * ALPHA_PRIME + b), atol=1e-6)
    if len(shape) == 2:
        np.testing.assert_array_equal(y, alpha_dropout(x, 0.3, key_of(1)))


@pytest.mark.parametrize("name", DROPOUTS)
@pytest.mark.parametrize("rate", [0.05, 0.3, 0.8])
def test_value_and_gradient_equal_pytorch_given_its_mask(name, rate, monkeypatch):
    """PyTorch's channels come second, ours last; its mask is where its gradient is not 0."""
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    functional = torch.nn.functional
    theirs = {
        "alpha": functional.alpha_dropout,
        "feature_alpha": functional.feature_alpha_dropout,
        "ordinary": functional.dropout,
    }[name]
    x, upstream = np.random.default_rng(3).normal(size=(2, 20, 6, 5, 4))
    tensor = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    torch.manual_seed(0)
    expected = theirs(tensor, rate, training=True)
    expected.backward(torch.tensor(np.moveaxis(upstream, -1, 1)))
    of_x = np.moveaxis(tensor.grad.numpy(), 1, -1)
    kept = of_x != 0
    assert 0 < kept.mean() < 1
    mask = kept[:, 0, 0] if name == "feature_alpha" else kept
    monkeypatch.setattr(noise, "is_kept", lambda key, rate, shape: mask.reshape(shape))
    y, pull = jax.vjp(lambda x: resolve("dropout", name)(x, rate, key_of(0)), jnp.float32(x))
    expected = np.moveaxis(expected.detach().numpy(), 1, -1)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(pull(jnp.float32(upstream))[0], of_x, rtol=1e-6)


@pytest.mark.parametrize("name", DROPOUTS)
@pytest.mark.parametrize("rate", [0.01, 0.5, 0.9])
def test_the_dropped_share_is_binomial(name, rate):
    """Of one draw per unit, or of one per row and channel: 9 tests at 1e-6."""
    x = np.random.default_rng(0).normal(size=(200, 5, 40)).astype(np.float32)
    _, pull = jax.vjp(lambda x: resolve("dropout", name)(x, rate, key_of(6)), x)
    dropped = np.asarray(pull(jnp.ones(x.shape))[0]) == 0
    if name == "feature_alpha":
        assert (dropped == dropped[:, :1]).all()
        dropped = dropped[:, 0]
    assert stats.binomtest(int(dropped.sum()), dropped.size, rate).pvalue > 1e-6


@pytest.mark.parametrize("kind", ["alpha", "ordinary"])
@pytest.mark.parametrize("activation", ["selu", "relu", "tanh"])
@pytest.mark.parametrize("axis", [0, 1])
def test_dropout_after_a_unit_is_the_composition_and_so_is_its_gradient(activation, kind, axis):
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
        result = Dropout(value, "dropout").after(
            unit, x if axis else x.T, key_of(3), key_of(4), axis
        )
        return result if axis else result.T

    @hasty
    def value_and_gradients(x, rate, upstream):
        value, pull = jax.vjp(ours, x, rate)
        return value, *pull(upstream)

    for rate in (0.0, 0.05, 0.5):
        value, got_of_x, got_of_rate = value_and_gradients(x, jnp.float32(rate), upstream)
        with jax.enable_x64(True):
            expected, expected_pull = jax.vjp(composition, jnp.float64(x), jnp.float64(rate))
            of_x, of_rate = expected_pull(jnp.float64(upstream))
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(got_of_x, of_x, rtol=1e-5, atol=3e-6)
        np.testing.assert_allclose(got_of_rate, of_rate, rtol=1e-3, atol=1e-2)
