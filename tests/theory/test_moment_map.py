"""The moment map against the printed formulas, quadrature, closed forms, published figures."""

import math
from itertools import product

import mpmath
import numpy as np
import pytest
from scipy.special import erfc, ndtr

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.moments.moment_map import Moments, iterate, moments, net_input, selu, selu_map
from snnjax.theory.moments.moment_map import selu_moments as closed


def as_printed(m: float, v: float) -> Moments:
    """Klambauer et al. 2017, Eqs. 4 and 5, term by term."""
    s, root = math.sqrt(v), math.sqrt(2 * v)
    bell = math.sqrt(2 / math.pi) * s * math.exp(-(m**2) / (2 * v))
    e1 = math.exp(m + v / 2) * erfc((m + v) / root)
    e2 = math.exp(2 * (m + v)) * erfc((m + 2 * v) / root)
    mean = m * math.erf(m / root) + ALPHA_01 * e1 - ALPHA_01 * erfc(m / root) + bell + m
    square = (m**2 + v) * (2 - erfc(m / root)) + m * bell
    square += ALPHA_01**2 * (-2 * e1 + e2 + erfc(m / root))
    mean, square = LAMBDA_01 / 2 * mean, LAMBDA_01**2 / 2 * square
    return Moments(mean, square - mean**2)


@pytest.mark.parametrize("m", [-0.01, 0.0, 0.01, -1.0, 1.0])
@pytest.mark.parametrize("v", [0.02, 0.76, 1.0, 1.65, 16.0])
def test_closed_form_equals_the_printed_formulas_in_the_paper_s_domain(m, v):
    np.testing.assert_allclose(closed(Moments(m, v)), as_printed(m, v), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("m", [-1e3, -40.0, -3.0, -0.2, 0.0, 1e-3, 0.5, 2.0, 30.0, 1e4])
@pytest.mark.parametrize("v", [1e-12, 1e-7, 1e-4, 1e-2, 0.3, 1.0, 20.0, 700.0, 1e4, 1e8])
def test_closed_form_equals_quadrature_far_outside_of_it(m, v):
    found, (expected, error) = closed(Moments(m, v)), moments(selu, Moments(m, v))
    size = max(1.0, abs(m), math.sqrt(v))
    assert error < 1e-11 * size**2
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12, atol=1e-13 * size)
    # Quadrature squares differences of numbers as large as the mean of SELU, and ends at twelve
    # deviations: (12 s)^2 times their probability is left out.
    rounding = 1e-15 * max(ALPHA_01, abs(m)) / math.sqrt(v)
    np.testing.assert_allclose(
        found.variance, expected.variance, rtol=1e-10 + 4 * rounding, atol=1e-30 * max(1, v)
    )


def test_saturated_units_keep_the_little_variance_they_have():
    """Far left SELU is lambda alpha (e^z - 1), of log-normal distribution."""
    for m, v in ((-50.0, 1.0), (-50.0, 1e-6), (-200.0, 4.0), (-5.0, 1e-8)):
        expected = (LAMBDA_01 * ALPHA_01) ** 2 * math.exp(2 * m + v) * math.expm1(v)
        np.testing.assert_allclose(closed(Moments(m, v)).variance, expected, rtol=1e-7)


def in_many_digits(m: float, v: float) -> Moments:
    """Eqs. 4 and 5 with what cancels in them."""
    with mpmath.workdps(800):
        m, v, alpha = mpmath.mpf(m), mpmath.mpf(v), mpmath.mpf(ALPHA_01)
        s, scale = mpmath.sqrt(v), mpmath.mpf(LAMBDA_01)
        inside = mpmath.erfc(-m / s / mpmath.sqrt(2)) / 2
        density = mpmath.exp(-(m**2) / (2 * v)) / mpmath.sqrt(2 * mpmath.pi)
        below, squares = (
            mpmath.exp(k * m + k**2 * v / 2) * mpmath.erfc((m + k * v) / s / mpmath.sqrt(2)) / 2
            for k in (1, 2)
        )
        mean = alpha * (below - (1 - inside)) + m * inside + s * density
        square = alpha**2 * (squares - 2 * below + 1 - inside)
        square += (m**2 + v) * inside + m * s * density
        return Moments(float(scale * mean), float(scale**2 * (square - mean**2)))


@pytest.mark.parametrize("m", [-1e5, -3000, -371, -100, -10, -1.01, -0.9, 0, 0.3, 1.01, 40, 1e5])
def test_variances_are_right_in_all_digits(m):
    near = [share * m**2 for share in (1e-6, 0.99e-4, 1.01e-4, 2e-4, 0.99e-2, 1.01e-2) if m]
    for v in (1e-8, 1e-4, 0.0101, 0.3, 1, 55, 800, 1e4, 1e6, *near):
        found, expected = closed(Moments(m, v)), in_many_digits(m, v)
        np.testing.assert_allclose(found.variance, expected.variance, rtol=1e-12, atol=1e-290)
        np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("net", [(-1e4, 1e4), (-3000, 800), (-1e5, 1e6)])
def test_narrow_net_inputs_far_left_have_no_variance_that_is_a_float(net):
    assert closed(Moments(*net)) == (-LAMBDA_01 * ALPHA_01, 0)


def test_fixed_point_and_jacobian_are_the_published_ones():
    np.testing.assert_allclose(selu_map(0, 0, 1, 1), (0, 1), atol=2e-15)
    step = 1e-5
    rows = []
    for shift in ((step, 0.0), (0.0, step)):
        ends = [selu_map(sign * shift[0], 0, 1 + sign * shift[1], 1) for sign in (1, -1)]
        rows.append(np.subtract(*ends) / (2 * step))
    jacobian = np.array(rows).T
    np.testing.assert_allclose(jacobian, [[0, 0.08883476], [0, 0.78264788]], atol=5e-9)
    assert np.linalg.svd(jacobian)[1][0] == pytest.approx(0.78767336, abs=1e-8)


@pytest.mark.parametrize(
    ("omega", "tau", "expected"),
    [
        (0, 1.1, (0.04852, 1.39931)),
        (0, 0.95, (-0.01857, 0.82879)),
        (0.1, 1.1, (0.05471, 1.41029)),
        (-0.1, 0.95, (-0.01672, 0.83065)),
        (0, 1, (0, 1)),
    ],
)
@pytest.mark.parametrize("start", [Moments(0, 1), Moments(0.1, 1.5), Moments(-0.1, 0.8)])
def test_layers_converge_to_the_fixed_point_of_omega_and_tau(omega, tau, expected, start):
    layers = iterate(lambda x: selu_map(x.mean, omega, x.variance, tau), start, 300)
    assert len(layers) == 300
    np.testing.assert_allclose(layers[-1], expected, atol=5e-6)


def test_image_of_the_domain_of_theorem_1_is_the_one_that_was_checked():
    ends = ((-0.1, 0.1), (-0.1, 0.1), (0.8, 1.5), (0.95, 1.1))
    grid = product(*(np.linspace(low, high, 5) for low, high in ends))
    images = np.array([selu_map(*point) for point in grid])
    np.testing.assert_allclose(images.min(0), (-0.031061, 0.803712), atol=1e-6)
    np.testing.assert_allclose(images.max(0), (0.067725, 1.481575), atol=1e-6)


@pytest.mark.parametrize("m", [-2.0, 0.0, 0.7])
@pytest.mark.parametrize("v", [1e-3, 1.0, 50.0])
def test_quadrature_equals_closed_forms(m, v):
    s = math.sqrt(v)
    inside, density = ndtr(m / s), math.exp(-(m**2) / (2 * v)) / math.sqrt(2 * math.pi)
    mean, square = m * inside + s * density, (m**2 + v) * inside + m * s * density
    cases = {
        lambda x: x: (m, v),
        lambda x: np.maximum(x, 0): (mean, square - mean**2),
        np.exp: (math.exp(m + v / 2), math.expm1(v) * math.exp(2 * m + v)),
    }
    for function, expected in cases.items():
        if function is np.exp and v > 1:
            continue  # its mass lies beyond the nodes
        found, error = moments(function, Moments(m, v))
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)
        assert error < 1e-10


def test_maximum_of_independent_normals():
    """Of two: mean 1/sqrt(pi), mean square 1; of three: mean 3 / (2 sqrt(pi))."""
    two, _ = moments(lambda x: x, Moments(0, 1), pieces=2)
    np.testing.assert_allclose(two, (1 / math.sqrt(math.pi), 1 - 1 / math.pi), rtol=1e-12)
    three, _ = moments(lambda x: x, Moments(0, 1), pieces=3)
    assert three.mean == pytest.approx(1.5 / math.sqrt(math.pi), abs=1e-12)


def of_step(m, s, at):
    """A step: of N(m, s^2), how much lies right of it."""
    p = ndtr((m - at) / s)
    return p, p * ndtr((at - m) / s)


def of_bend(m, s, at):
    """The mean of |z - at|, of folded normal distribution, and the variance."""
    d = m - at
    mean = d * (2 * ndtr(d / s) - 1) + 2 * s * math.exp(-(d**2) / (2 * s**2)) / math.sqrt(2 * np.pi)
    return mean, d**2 + s**2 - mean**2


@pytest.mark.parametrize(
    ("exact", "function"),
    [(of_step, lambda x: 1.0 * (x > 0)), (of_bend, np.abs)],
    ids=["steps", "bends"],
)
def test_errors_at_places_that_were_not_named_are_below_the_estimate(exact, function):
    """In 99 of 100 cases at least; closed forms have rounding of their own."""
    draw = np.random.default_rng(1)
    ratios = []
    for _ in range(150):
        m, s = draw.normal(), math.exp(draw.normal())
        at = m + 1.5 * s * draw.normal()
        found, error = moments(lambda x, at=at: function(x - at), Moments(m, s**2))
        ratios.append(np.abs(np.subtract(found, exact(m, s, at))).max() / error)
        assert error < 1e-11
    assert np.mean(np.array(ratios) > 1) <= 0.01


def test_what_cannot_be_integrated_has_a_large_error():
    found, error = moments(lambda x: np.sin(1e6 * x), Moments(0, 1e4))
    assert max(abs(found.mean), abs(found.variance - 0.5)) < error
    assert error > 0.1


def test_the_closed_form_equals_monte_carlo():
    x = 0.4 + 1.7 * np.random.default_rng(0).standard_normal(1_000_000)
    y = selu(x)
    found = closed(Moments(0.4, 1.7**2))
    assert abs(y.mean() - found.mean) < 4 * y.std() / 1000
    deviation = ((y - y.mean()) ** 2).std() / 1000
    assert abs(y.var() - found.variance) < 4 * deviation


def test_no_variance_is_one_value():
    np.testing.assert_allclose(moments(np.tanh, Moments(0.5, 0)).moments, (math.tanh(0.5), 0))
    np.testing.assert_allclose(closed(Moments(-1, 0)), (selu(np.array(-1.0)), 0), atol=1e-16)


def test_net_inputs_get_variance_from_the_mean_below():
    assert net_input(Moments(3, 2), omega=0, tau=0.5, bias=1) == Moments(1, 5.5)


@pytest.mark.parametrize(
    "net", [Moments(0, -1), Moments(math.nan, 1), Moments(0, math.inf), Moments(1e300, 1)]
)
def test_impossible_net_inputs_are_refused(net):
    for call in (closed, lambda net: moments(np.tanh, net)):
        with pytest.raises(ValueError, match="net input"):
            call(net)


def test_negative_variances_are_refused():
    with pytest.raises(ValueError, match="tau=-1"):
        selu_map(0, 0, 1, -1)
