"""Values and derivatives of activations against closed forms, float64 differences and PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.nn.selu import expm1_of_negative
from snnjax.registry import ACTIVATIONS, resolve

FUNCTIONS = [name for name, place in ACTIVATIONS.items() if "activations:" in place]

POINTS = np.concatenate([np.linspace(-6, 6, 241), [-1e-7, 1e-7, -90.0, 90.0]])
KINKS = [-1.0, 0.0, 1.0]
FAR = [sign * size for sign in (-1, 1) for size in (20.0, 1e3, 1e30, 3e38)]
TINY = [sign * size for sign in (-1, 1) for size in (1e-30, 1e-38, 1e-40)]  # denormal from 1.2e-38

# A name, further arguments, and what PyTorch makes of x and them.
IN_PYTORCH = [
    ("identity", (), lambda f, x: x),
    ("sigmoid", (), lambda f, x: x.sigmoid()),
    ("tanh", (), lambda f, x: x.tanh()),
    ("softsign", (), lambda f, x: f.softsign(x)),
    ("hard_tanh", (), lambda f, x: f.hardtanh(x)),
    ("relu", (), lambda f, x: f.relu(x)),
    *(("leaky_relu", (slope,), lambda f, x, s: f.leaky_relu(x, s)) for slope in (0.0, 0.01, 0.3)),
    *(("elu", (alpha,), lambda f, x, a: f.elu(x, a)) for alpha in (0.5, 1.0, 2.0)),
    ("selu", (), lambda f, x: f.selu(x)),
    *(
        ("selu", numbers, lambda f, x, alpha, scale: scale * f.elu(x, alpha))
        for numbers in ((0.5, 1.5), (2.0, 0.8))
    ),
    ("softplus", (), lambda f, x: f.softplus(x)),
    ("gelu", (), lambda f, x: f.gelu(x)),
    ("silu", (), lambda f, x: f.silu(x)),
    ("mish", (), lambda f, x: f.mish(x)),
]


def logistic(x):
    return special.expit(x)


def log1p_exp(x):
    return np.logaddexp(x, 0)


# Value and derivative in NumPy, of float64 x.
FORMULAS = {
    "identity": (lambda x: x, np.ones_like),
    "sigmoid": (logistic, lambda x: logistic(x) * logistic(-x)),
    "tanh": (np.tanh, lambda x: 4 * logistic(2 * x) * logistic(-2 * x)),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: (1 + np.abs(x)) ** -2.0),
    "hard_tanh": (lambda x: np.clip(x, -1, 1), lambda x: 1.0 * (np.abs(x) < 1)),
    "relu": (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0)),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.01 * x), lambda x: np.where(x > 0, 1, 0.01)),
    "elu": (
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda x: np.exp(np.minimum(x, 0)),
    ),
    "selu": (
        lambda x: LAMBDA_01 * np.where(x > 0, x, ALPHA_01 * np.expm1(np.minimum(x, 0))),
        lambda x: LAMBDA_01 * np.where(x > 0, 1, ALPHA_01 * np.exp(np.minimum(x, 0))),
    ),
    "softplus": (log1p_exp, logistic),
    "gelu": (
        lambda x: x * special.ndtr(x),
        lambda x: special.ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
    ),
    "silu": (lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x))),
    "mish": (
        lambda x: x * np.tanh(log1p_exp(x)),
        lambda x: (
            np.tanh(log1p_exp(x)) + x * logistic(x) / np.cosh(np.minimum(log1p_exp(x), 300)) ** 2
        ),
    ),
}


def value_and_gradient(function, x, *numbers):
    value, pull = jax.vjp(lambda x: function(x, *numbers), x)
    return np.asarray(value, np.float64), np.asarray(pull(jnp.ones_like(value))[0], np.float64)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradient_equals_differences_in_float64(name):
    activation = resolve("activation", name)
    with jax.enable_x64(True):
        kinks = np.minimum(np.abs(POINTS), np.abs(np.abs(POINTS) - 1))
        x = jnp.asarray(POINTS[kinks > 1e-3])
        gradient = jax.vmap(jax.grad(activation))(x)
        differences = (activation(x + 1e-6) - activation(x - 1e-6)) / 2e-6
        np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_and_gradient_equal_the_formula_also_far_out(name):
    """Float32 to its rounding; denormal numbers may count as 0, left of the kink."""
    x = np.asarray([*POINTS, *KINKS, *FAR, *TINY], np.float32)
    with np.errstate(over="ignore"):
        expected = [formula(x.astype(np.float64)) for formula in FORMULAS[name]]
    value, gradient = value_and_gradient(resolve("activation", name), jnp.asarray(x))
    np.testing.assert_allclose(value, expected[0], rtol=1e-6, atol=1e-7)
    is_normal = (x == 0) | (np.abs(x) >= np.finfo(np.float32).tiny)
    np.testing.assert_allclose(gradient[is_normal], expected[1][is_normal], rtol=1e-6, atol=5e-7)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("size", [1e2, 1e4, 1e6, 1e12])
def test_the_slope_of_softsign_falls_with_the_square_and_not_with_its_rounding(size):
    slope = jax.grad(resolve("activation", "softsign"))(jnp.float32(-size))
    np.testing.assert_allclose(slope, (1 + size) ** -2.0, rtol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_number_stays_none_and_infinities_take_the_limit(name):
    """Where the formula has it: x times a function that goes to 0 is nan at -inf."""
    activation = resolve("activation", name)
    ends = np.asarray(activation(jnp.asarray([np.nan, np.inf, -np.inf], jnp.float32)))
    assert np.isnan(ends[0])
    with np.errstate(invalid="ignore"):
        expected = FORMULAS[name][0](np.asarray([np.inf, -np.inf]))
    np.testing.assert_allclose(ends[1:], expected, rtol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_shape_and_dtype_are_kept_and_everything_is_finite(name, dtype):
    activation = resolve("activation", name)
    x = jnp.asarray([*POINTS, *KINKS, *TINY, *FAR[:-1]], dtype)[:, None]
    y, pull = jax.vjp(activation, x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert jnp.isfinite(y).all()
    assert jnp.isfinite(pull(jnp.ones_like(y))[0]).all()
    # Fused operations round to bfloat16 less often.
    close = {"rtol": 1e-6} if dtype == jnp.float32 else {"rtol": 5e-2, "atol": 1e-6}
    compiled = np.asarray(jax.jit(activation)(x), np.float32)
    np.testing.assert_allclose(np.asarray(y, np.float32), compiled, **close)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bfloat16_is_the_formula_to_its_rounding(name):
    """A relative 2**-8 is half a place; each of a handful of operations may round."""
    x = jnp.asarray(POINTS, jnp.bfloat16)
    expected = [formula(np.asarray(x, np.float64)) for formula in FORMULAS[name]]
    value, gradient = value_and_gradient(resolve("activation", name), x)
    np.testing.assert_allclose(value, expected[0], rtol=2**-6, atol=2**-6)
    np.testing.assert_allclose(gradient, expected[1], rtol=2**-6, atol=2**-6)


def test_selu_in_bfloat16_is_rounded_once():
    """A unit place off at most, and saturated where alpha dropout drops to, with slope 0."""
    x = jnp.asarray([*POINTS, *FAR[:-1]], jnp.bfloat16)
    expected = FORMULAS["selu"][0](np.asarray(x, np.float64))
    value, gradient = value_and_gradient(resolve("activation", "selu"), x)
    np.testing.assert_allclose(value, expected, rtol=2**-8, atol=0)
    saturated = np.asarray(x, np.float64) < -80
    assert (value[saturated] == float(jnp.bfloat16(-LAMBDA_01 * ALPHA_01))).all()
    assert not gradient[saturated].any()


@pytest.mark.parametrize(("name", "numbers", "theirs"), IN_PYTORCH)
def test_value_and_gradient_equal_pytorch(name, numbers, theirs):
    """PyTorch in float64, whose own rounding is therefore none of ours."""
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    x = np.asarray([*POINTS, *KINKS, *FAR[:-1]], np.float32)
    tensor = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    expected = theirs(torch.nn.functional, tensor, *numbers)
    expected.sum().backward()
    value, gradient = value_and_gradient(resolve("activation", name), jnp.asarray(x), *numbers)
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-6, atol=5e-7)


def test_every_function_is_compared_with_pytorch_and_with_a_formula():
    assert {name for name, _, _ in IN_PYTORCH} == set(FUNCTIONS) == set(FORMULAS)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("leaky_relu", (0.2,)),
        ("elu", (0.7,)),
        ("selu", (ALPHA_01, LAMBDA_01)),
        ("selu", (2.3, 0.6)),
    ],
)
def test_gradients_in_the_numbers_equal_differences(name, numbers):
    """Traced numbers, and x with them; the loss weighs all elements differently."""
    activation = resolve("activation", name)
    weights = np.random.default_rng(0).normal(size=POINTS.shape)

    def loss(*numbers, x=POINTS, weights=weights):
        return (weights * activation(x, *numbers)).sum()

    order = range(len(numbers))
    with jax.enable_x64(True):
        x, inner = jnp.asarray(POINTS), jnp.asarray(weights)
        gradients = jax.jit(jax.grad(lambda *n: loss(*n, x=x, weights=inner), tuple(order)))(
            *map(jnp.float64, numbers)
        )
        for place in order:
            up, down = (
                [n + sign * 1e-6 * (i == place) for i, n in enumerate(numbers)] for sign in (1, -1)
            )
            difference = (loss(*up, x=x, weights=inner) - loss(*down, x=x, weights=inner)) / 2e-6
            np.testing.assert_allclose(gradients[place], difference, rtol=1e-6, atol=1e-7)
    small = jax.grad(
        lambda *n: loss(*n, x=jnp.float32(POINTS), weights=jnp.float32(weights)), tuple(order)
    )(*map(jnp.float32, numbers))
    np.testing.assert_allclose(small, gradients, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", ["selu", "elu"])
def test_the_backward_pass_is_one_fused_pass_without_an_exponential(name):
    """What the exponential is made of, 2**n by its bits, appears in the forward pass alone."""
    activation = resolve("activation", name)
    x = jnp.zeros((64, 32))
    _, pull = jax.vjp(activation, x)
    backward = jax.jit(lambda pull, g: pull(g)).lower(pull, x).compile().as_text()
    assert " exponential" not in backward
    assert " bitcast-convert(" not in backward
    assert backward.count(" fusion(") == 1
    whole = jax.jit(jax.grad(lambda x, w: (w * activation(x)).sum())).lower(x, x).compile()
    assert whole.as_text().count(" bitcast-convert(") == 1


def test_selu_has_the_published_constants():
    assert pytest.approx(1.6732632423543772, abs=1e-15) == ALPHA_01
    assert pytest.approx(1.0507009873554805, abs=1e-15) == LAMBDA_01


def test_selu_maps_standard_normals_to_mean_0_and_variance_1():
    """Gauss-Hermite quadrature of the fixed point, split at the kink."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    moments = np.zeros(2)
    with jax.enable_x64(True):
        for low, high in ((-12.0, 0.0), (0.0, 12.0)):
            x = (high - low) / 2 * nodes + (high + low) / 2
            density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) * (high - low) / 2 * weights
            y = np.asarray(resolve("activation", "selu")(jnp.asarray(x)))
            moments += [(density * y).sum(), (density * y**2).sum()]
    np.testing.assert_allclose(moments, [0, 1], atol=1e-12)


def test_expm1_of_negative_equals_numpys_in_float64():
    """To 1e-7 of the value down to the smallest normal number, -1 far below, NaN for NaN."""
    x = -np.concatenate([np.logspace(-37, 2, 100_001), np.linspace(0, 90, 100_001), [1e30, np.inf]])
    x = x.astype(np.float32)
    y = np.asarray(expm1_of_negative(jnp.asarray(x)))
    np.testing.assert_allclose(y, np.expm1(x.astype(np.float64)), rtol=1.2e-7, atol=0)
    assert np.isnan(expm1_of_negative(jnp.float32(np.nan)))
