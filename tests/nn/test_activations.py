"""Values and derivatives of activations against closed forms, float64 differences and PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.nn.selu import expm1_of_negative
from snnjax.registry import ACTIVATIONS, resolve

FUNCTIONS = [name for name, place in ACTIVATIONS.items() if "activations:" in place]

POINTS = np.concatenate([np.linspace(-6, 6, 241), [-1e-7, 1e-7, -90.0, 90.0]])


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
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_shape_and_dtype_are_kept_and_everything_is_finite(name, dtype):
    activation = resolve("activation", name)
    x = jnp.asarray(POINTS, dtype)[:, None]
    y, pull = jax.vjp(activation, x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert jnp.isfinite(y).all()
    assert jnp.isfinite(pull(jnp.ones_like(y))[0]).all()
    # Fused operations round to bfloat16 less often.
    close = {"rtol": 1e-6} if dtype == jnp.float32 else {"rtol": 5e-2, "atol": 1e-6}
    compiled = np.asarray(jax.jit(activation)(x), np.float32)
    np.testing.assert_allclose(np.asarray(y, np.float32), compiled, **close)


@pytest.mark.parametrize(("name", "theirs"), [("selu", "selu"), ("relu", "relu")])
def test_value_and_gradient_equal_pytorch(name, theirs):
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    x = POINTS.astype(np.float32)
    tensor = torch.tensor(x, requires_grad=True)
    expected = getattr(torch.nn.functional, theirs)(tensor)
    expected.sum().backward()
    value, pull = jax.vjp(resolve("activation", name), jnp.asarray(x))
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-6, atol=3e-7)
    np.testing.assert_allclose(
        pull(jnp.ones_like(value))[0], tensor.grad.numpy(), rtol=1e-6, atol=3e-7
    )


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


def test_selu_derivative_at_0_is_that_of_the_exponential_branch():
    gradient = jax.grad(resolve("activation", "selu"))(0.0)
    np.testing.assert_allclose(gradient, LAMBDA_01 * ALPHA_01, rtol=1e-6)


def test_expm1_of_negative_equals_numpys_in_float64():
    """To 1e-7 of the value down to the smallest normal number, -1 far below, NaN for NaN."""
    x = -np.concatenate([np.logspace(-37, 2, 100_001), np.linspace(0, 90, 100_001), [1e30, np.inf]])
    x = x.astype(np.float32)
    y = np.asarray(expm1_of_negative(jnp.asarray(x)))
    np.testing.assert_allclose(y, np.expm1(x.astype(np.float64)), rtol=1.2e-7, atol=0)
    assert np.isnan(expm1_of_negative(jnp.float32(np.nan)))
