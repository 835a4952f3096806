"""Drawn weights have the mean, variance and distribution of their definition."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from snnjax.config.schema import ModelConfig
from snnjax.nn.draw import draw_kernels
from snnjax.registry import INITIALIZERS, resolve

SCALES = {"lecun": (1.0, "fan_in"), "glorot": (1.0, "fan_avg"), "he": (2.0, "fan_in")}
SHAPED = [f"{scale}_{shape}" for scale in SCALES for shape in ("normal", "truncated", "uniform")]
# Keras, `VarianceScaling`: the deviation of N(0, 1) cut at two deviations, to all its digits.
KERAS_DEVIATION = 0.87962566103423978
LEVEL = 1e-6  # of each of the tests below, 376 in all


class Law(NamedTuple):
    """A distribution of variance 1, or less where a cut is not corrected for."""

    standard: stats.rv_continuous
    variance: float = 1.0


CUT = stats.truncnorm(-2, 2)
LAWS = {
    "normal": Law(stats.norm()),
    "truncated": Law(stats.truncnorm(-2, 2, scale=1 / CUT.std())),
    "uncorrected": Law(CUT, CUT.var()),
    "uniform": Law(stats.uniform(-(3**0.5), 2 * 3**0.5)),
}


def draw(name, fan_in, fan_out, seed=0, **choices):
    value = vars(ModelConfig(init=name, **choices)).get
    (kernel,) = draw_kernels(value, jax.random.key(seed), [(fan_in, fan_out)])
    return np.asarray(kernel, np.float64)


def variance_of(name, fan_in, fan_out, fan="default", slope=0.0):
    scale, default = SCALES[name.split("_")[0]]
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    return scale / (1 + slope**2) / fans[default if fan == "default" else fan]


def check_law(weights, law):
    """Test the mean by z, the variance by its exact fourth moment, all by Kolmogorov-Smirnov."""
    z, size = weights.ravel(), weights.size
    edge = stats.norm.isf(LEVEL / 2)
    variance, excess = (float(number) for number in law.standard.stats(moments="vk"))
    assert abs(z.mean()) < edge * np.sqrt(variance / size)
    assert abs((z**2).mean() / variance - 1) < edge * np.sqrt((excess + 2) / size)
    assert stats.kstest(z, law.standard.cdf).pvalue > LEVEL


@pytest.mark.parametrize("name", SHAPED)
@pytest.mark.parametrize(
    "shape",
    [(16, 256), *(pytest.param(s, marks=pytest.mark.slow) for s in [(784, 100), (256, 10)])],
)
@pytest.mark.parametrize("fan", ["default", "fan_in", "fan_out", "fan_avg"])
def test_drawn_weights_follow_their_law(name, shape, fan):
    seed = {"default": 0, "fan_in": 1, "fan_out": 2, "fan_avg": 3}[fan]
    weights = draw(name, *shape, seed, init_fan=fan)
    check_law(weights / variance_of(name, *shape, fan) ** 0.5, LAWS[name.split("_")[1]])


@pytest.mark.parametrize("name", [name for name in SHAPED if name.endswith("_truncated")])
@pytest.mark.parametrize("shape", [(16, 256), (784, 100)])
def test_a_cut_that_is_not_corrected_for_has_a_smaller_variance(name, shape):
    weights = draw(name, *shape, init_corrected=False)
    check_law(weights / variance_of(name, *shape) ** 0.5, LAWS["uncorrected"])
    corrected = draw(name, *shape)
    np.testing.assert_allclose(corrected * KERAS_DEVIATION, weights, rtol=1e-5)
    assert abs(weights).max() <= 2 * variance_of(name, *shape) ** 0.5 * (1 + 1e-6)


@pytest.mark.parametrize("shape", [(16, 256), (784, 100)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_historical_choices_follow_their_law(shape, seed):
    check_law(draw("normal", *shape, seed), LAWS["normal"])
    uniform = draw("uniform", *shape, seed)
    check_law(uniform * (3 * shape[0]) ** 0.5, LAWS["uniform"])
    assert abs(uniform).max() <= shape[0] ** -0.5


@pytest.mark.parametrize("name", SHAPED)
@pytest.mark.parametrize("fan", ["default", "fan_in", "fan_out", "fan_avg"])
def test_scales_are_those_that_keras_documents(name, fan):
    """`VarianceScaling`: the deviation sqrt(scale / n), over 0.8796 if cut; limit sqrt(3 scale/n).

    What a noise of 1 and of infinity becomes is the deviation and the limit.
    """
    fan_in, fan_out = 30, 70
    scale, mode = SCALES[name.split("_")[0]]
    mode = mode if fan == "default" else fan
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    initializer = resolve("initializer", name)
    one, end = (
        float(initializer(jnp.float32(noise), fan_in, fan_out, fan)) for noise in (1, np.inf)
    )
    if name.endswith("_normal"):
        assert one == pytest.approx(np.sqrt(scale / n), rel=1e-6)
    elif name.endswith("_truncated"):
        assert end == pytest.approx(2 * np.sqrt(scale / n) / KERAS_DEVIATION, rel=1e-6)
    else:
        assert end == pytest.approx(np.sqrt(3 * scale / n), rel=1e-6)


@pytest.mark.parametrize("slope", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("fan", ["fan_in", "fan_out"])
def test_he_and_glorot_have_the_scales_of_pytorch(slope, fan):
    """From one state of PyTorch's generator, its draws over standard ones are the scale."""
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    fan_in, fan_out = 30, 70

    def scale(fill, standard):
        weights, noise = torch.empty(fan_out, fan_in), torch.empty(fan_out, fan_in)
        fill(weights, torch.Generator().manual_seed(0))
        standard(noise, torch.Generator().manual_seed(0))
        return (weights / noise).median().item()

    def of_noise(name, noise, *further):
        return float(resolve("initializer", name)(jnp.float32(noise), fan_in, fan_out, *further))

    def normal(noise, generator):
        noise.normal_(generator=generator)

    def uniform(noise, generator):
        noise.uniform_(-1, 1, generator=generator)

    init, further = torch.nn.init, {"a": slope, "mode": fan}
    he_normal = scale(lambda w, g: init.kaiming_normal_(w, generator=g, **further), normal)
    he_uniform = scale(lambda w, g: init.kaiming_uniform_(w, generator=g, **further), uniform)
    assert of_noise("he_normal", 1, fan, slope) == pytest.approx(he_normal, rel=1e-5)
    assert of_noise("he_uniform", np.inf, fan, slope) == pytest.approx(he_uniform, rel=1e-5)
    glorot_normal = scale(lambda w, g: init.xavier_normal_(w, generator=g), normal)
    glorot_uniform = scale(lambda w, g: init.xavier_uniform_(w, generator=g), uniform)
    assert of_noise("glorot_normal", 1) == pytest.approx(glorot_normal, rel=1e-5)
    assert of_noise("glorot_uniform", np.inf) == pytest.approx(glorot_uniform, rel=1e-5)


@pytest.mark.parametrize("name", ["he_normal", "he_truncated", "he_uniform"])
@pytest.mark.parametrize(
    ("choices", "square"),
    [
        ({"activation": "relu"}, 0.0),
        ({"activation": "selu"}, 0.0),
        ({"activation": "leaky_relu", "leaky_slope": 0.5}, 0.25),
        ({"activation": "prelu"}, 0.0625),
        ({"activation": "rrelu", "rrelu_low": 0.2, "rrelu_high": 0.8}, 0.28),
    ],
)
def test_he_allows_for_the_slope_of_leaky_forms(name, choices, square):
    """Eq. 15 of He et al. 2015; of random slopes the mean square, here (0.04 + 0.16 + 0.64) / 3."""
    plain = draw(name, 20, 30, activation="tanh")
    leaky = draw(name, 20, 30, **choices)
    np.testing.assert_allclose(leaky, plain / (1 + square) ** 0.5, rtol=1e-6)


@pytest.mark.parametrize("name", ["orthogonal", "lsuv"])
@pytest.mark.parametrize("shape", [(40, 40), (100, 30), (30, 100), (7, 1)])
def test_rows_or_columns_are_orthonormal(name, shape):
    q = draw(name, *shape)
    product = q.T @ q if shape[0] >= shape[1] else q @ q.T
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-5)
    gained = draw(name, *shape, init_gain=1.5)
    np.testing.assert_allclose(gained, 1.5 * q, rtol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4), (6, 4), (4, 6)])
def test_orthogonal_matrices_are_drawn_uniformly(shape):
    """An element t of a random direction in n dimensions: (1 + t) / 2 is Beta((n-1)/2, (n-1)/2).

    Without the signs of R's diagonal, that of the first element would always be the same. Both
    corners at level 1e-6, and of square matrices as many rotations as reflections.
    """
    draws = 4000
    noise = jax.random.normal(jax.random.key(0), (draws, *shape))
    q = np.asarray(jax.vmap(lambda n: resolve("initializer", "orthogonal")(n, *shape))(noise))
    half = (max(shape) - 1) / 2
    for corner in (q[:, 0, 0], q[:, -1, -1], q[:, 0, -1]):
        assert stats.kstest((1 + corner) / 2, stats.beta(half, half).cdf).pvalue > LEVEL
    if shape[0] == shape[1]:
        turns = int((np.linalg.det(q) > 0).sum())
        assert stats.binomtest(turns, draws).pvalue > LEVEL


def test_zeros_and_constants():
    assert not draw("zeros", 5, 7).any()
    np.testing.assert_array_equal(draw("constant", 5, 7, init_value=0.25), np.full((5, 7), 0.25))
    assert not draw("constant", 5, 7).any()


def test_every_initialiser_is_among_those_above():
    others = {"normal", "uniform", "orthogonal", "lsuv", "zeros", "constant"}
    assert {*SHAPED, *others} == set(INITIALIZERS)
