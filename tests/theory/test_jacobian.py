"""The Jacobian in closed form, by quadrature, on the device; against mpmath, SciPy and draws."""

import math
from itertools import product

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.moments import device
from snnjax.theory.moments.jacobian import (
    jacobian,
    net_calculus,
    selu_jacobian,
    spectral_norm,
    spectral_radius,
)
from snnjax.theory.moments.moment_map import Moments, moments, selu, selu_map

MEANS = (-30.0, -3.0, -0.5, -1e-3, 0.0, 1e-3, 0.5, 3.0, 30.0)
VARIANCES = (1e-8, 1e-4, 0.3, 0.99, 1.01, 5.0, 100.0, 1e4)
GRID = np.array(list(product(MEANS, VARIANCES)))
DOMAIN = list(product((-0.1, 0.0, 0.1), (-0.1, 0.1), (0.8, 1.5), (0.95, 1.1)))


def exact_moments(m, v):
    """Klambauer et al. 2017, Eqs. 4 and 5, as printed."""
    mp = mpmath
    alpha, scale, s = mp.mpf(ALPHA_01), mp.mpf(LAMBDA_01), mp.sqrt(v)
    bell = mp.sqrt(2 / mp.pi) * s * mp.exp(-(m**2) / (2 * v))
    e1 = mp.exp(m + v / 2) * mp.erfc((m + v) / (mp.sqrt(2) * s))
    e2 = mp.exp(2 * (m + v)) * mp.erfc((m + 2 * v) / (mp.sqrt(2) * s))
    below = mp.erfc(m / (mp.sqrt(2) * s))
    mean = m * mp.erf(m / (mp.sqrt(2) * s)) + alpha * (e1 - below) + bell + m
    square = (m**2 + v) * (2 - below) + m * bell + alpha**2 * (e2 - 2 * e1 + below)
    mean, square = scale / 2 * mean, scale**2 / 2 * square
    return mean, square - mean**2


@pytest.mark.parametrize("m", MEANS)
def test_map_and_derivatives_equal_the_printed_formulas_to_fifty_digits(m):
    with mpmath.workdps(110):  # at (-30, 1e-8) a variance is 1e-34 of a difference
        for v in VARIANCES:
            found = net_calculus(m, v)
            exact = [float(x) for x in exact_moments(mpmath.mpf(m), mpmath.mpf(v))]
            np.testing.assert_allclose(found[:2], exact, rtol=1e-12, atol=1e-15)
            step = mpmath.mpf(v) * mpmath.mpf(10) ** -30
            for place, shift in (((2, 4), (step, 0)), ((3, 5), (0, step))):
                up, down = (exact_moments(m + k * shift[0], v + k * shift[1]) for k in (1, -1))
                slopes = [float((a - b) / (2 * step)) for a, b in zip(up, down, strict=True)]
                size = max(1.0, *map(abs, slopes))
                ours = [float(found[n]) for n in place]
                np.testing.assert_allclose(ours, slopes, rtol=1e-11, atol=1e-12 * size)


@pytest.mark.parametrize("point", DOMAIN)
def test_the_jacobian_is_that_of_finite_differences_in_the_paper_s_domain(point):
    mu, omega, nu, tau = point
    step, columns = 1e-5, []
    for a, b in ((step, 0), (0, step)):
        ends = [selu_map(mu + k * a, omega, nu + k * b, tau) for k in (1, -1)]
        columns.append(np.subtract(*ends) / (2 * step))
    np.testing.assert_allclose(selu_jacobian(*point), np.array(columns).T, atol=1e-9)


def test_the_jacobian_and_its_norm_at_the_fixed_point_are_the_published_ones():
    found = selu_jacobian(0, 0, 1, 1)
    np.testing.assert_allclose(found, [[0, 0.08883476], [0, 0.78264788]], atol=5e-9)
    assert spectral_norm(found) == pytest.approx(0.78767336, abs=5e-9)
    assert spectral_radius(found) == pytest.approx(0.78264788, abs=5e-9)
    worst = spectral_norm(selu_jacobian(-0.1, -0.1, 0.8, 1.1))
    assert worst == pytest.approx(0.8976, abs=5e-5)


def test_norm_and_radius_equal_lapack_s():
    matrices = np.random.default_rng(3).normal(size=(200, 2, 2))
    norms = np.linalg.svd(matrices, compute_uv=False)[:, 0]
    np.testing.assert_allclose(spectral_norm(matrices), norms, rtol=1e-13)
    radii = np.abs(np.linalg.eigvals(matrices)).max(-1)
    np.testing.assert_allclose(spectral_radius(matrices), radii, rtol=1e-10)


@pytest.mark.parametrize("m", [-3.0, -0.2, 0.0, 1.5])
@pytest.mark.parametrize("v", [0.01, 1.0, 30.0])
def test_quadrature_equals_the_closed_form_within_its_error(m, v):
    found = jacobian(selu, Moments(m, v), 1.0, 1.0)
    exact = selu_jacobian(m, 1.0, v, 1.0)
    assert found.error < 1e-11
    np.testing.assert_allclose(found.matrix, exact, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("function", [np.tanh, lambda x: np.maximum(x, 0)])
def test_moments_by_quadrature_equal_scipy_s(function):
    def integrate(power):
        def integrand(x):
            z = 0.3 + 1.3 * x
            return function(z) ** power * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

        return sum(
            quad(integrand, *ends, epsabs=1e-14)[0]
            for ends in ((-12, -0.3 / 1.3), (-0.3 / 1.3, 12))
        )

    mean, square = integrate(1), integrate(2)
    found = moments(function, Moments(0.3, 1.69)).moments
    np.testing.assert_allclose(found, (mean, square - mean**2), atol=1e-12)


def test_derivatives_equal_monte_carlo():
    """Slopes as expectations of f' and of covariances with it; 4 standard errors, p = 6e-5."""
    z = 0.4 + 1.7 * np.random.default_rng(1).standard_normal(1_000_000)
    y, slope = selu(z), np.where(z > 0, LAMBDA_01, LAMBDA_01 * ALPHA_01 * np.exp(z))
    found = net_calculus(0.4, 1.7**2)
    assert abs(slope.mean() - found.mean_by_m) < 4 * slope.std() / 1000
    products = 2 * (y - y.mean()) * slope
    assert abs(products.mean() - found.variance_by_m) < 4 * products.std() / 1000


@pytest.fixture
def doubles():
    with jax.enable_x64(True):
        yield


def test_the_device_computes_in_float64_what_numpy_does(doubles):
    m, v = jnp.asarray(GRID.T)
    found = net_calculus(*GRID.T)
    on_device = jax.jit(device.selu_map)(m, 1.0, v, 1.0)
    assert on_device.mean.dtype == jnp.float64
    np.testing.assert_allclose(on_device.mean, found.mean, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(on_device.variance, found.variance, rtol=1e-12)
    expected = selu_jacobian(m, 1.0, v, 1.0)
    slopes = jax.jit(device.selu_jacobian)(m, 1.0, v, 1.0)
    np.testing.assert_allclose(slopes, expected, rtol=1e-12, atol=1e-13)


def test_the_device_s_map_can_be_differentiated(doubles):
    def layer(x):
        return jnp.stack(device.selu_map(x[0], 0.7, x[1], 1.1))

    points = jnp.asarray(GRID)
    found = jax.jit(jax.vmap(jax.jacfwd(layer)))(points)
    expected = selu_jacobian(GRID[:, 0], 0.7, GRID[:, 1], 1.1)
    # Where SELU is flat its derivative is the difference of numbers of size 1.
    size = np.maximum(1, np.abs(expected).max((1, 2), keepdims=True))
    assert np.abs((found - expected) / size).max() < 1e-10


def test_the_device_computes_in_float32():
    m, v = (jnp.asarray(column, jnp.float32) for column in GRID.T)
    found = net_calculus(np.float64(m), np.float64(v))
    on_device = jax.jit(device.selu_map)(m, 1.0, v, 1.0)
    assert on_device.mean.dtype == jnp.float32
    np.testing.assert_allclose(on_device.mean, found.mean, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(on_device.variance, found.variance, rtol=2e-4)
    slopes = jax.jit(device.selu_jacobian)(m, 1.0, v, 1.0)
    expected = selu_jacobian(np.float64(m), 1.0, np.float64(v), 1.0)
    np.testing.assert_allclose(slopes, expected, rtol=1e-5, atol=2e-6)


def test_no_variance_is_refused_or_not_a_number():
    with pytest.raises(ValueError, match="variance 0: a variance must be above 0"):
        selu_jacobian(0, 0, 0, 1)
    with pytest.raises(ValueError, match="must be above 0"):
        jacobian(np.tanh, Moments(0, -1), 1, 1)
    assert math.isnan(device.selu_map(0.0, 0.0, -1.0, 1.0).mean)
