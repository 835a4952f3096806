"""Constants for wanted moments against the printed ones and the map; alpha dropout's law."""

import math
from itertools import product

import mpmath
import numpy as np
import pytest

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.fixed_points.constants import solve
from snnjax.theory.fixed_points.definitions import DEFINITIONS, jacobian_of, net_of
from snnjax.theory.fixed_points.pieces import FAMILIES, Shifted
from snnjax.theory.moments.activations import TWINS
from snnjax.theory.moments.dropout import alpha_affine, alpha_dropout
from snnjax.theory.moments.jacobian import quadrature_calculus
from snnjax.theory.moments.moment_map import Moments, moments, selu_moments

PRINTED = ("1.6732632423543772848170429916717", "1.0507009873554804934193349852946")
WANTED = [(0, 1), (0, 2), (-0.1, 2.0), (0.5, 0.5), (0.1, 1.3)]


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_the_constants_of_mean_0_and_variance_1_are_the_printed_ones(definition):
    (found,) = solve(Moments(0, 1), DEFINITIONS[definition]).solutions
    assert list(map(float, found.constants.values())) == [ALPHA_01, LAMBDA_01]


def test_fifty_digits_are_right():
    (found,) = solve(Moments(0, 1), DEFINITIONS["zero_mean"], digits=50).solutions
    assert [mpmath.nstr(x, 32) for x in found.constants.values()] == list(PRINTED)
    with mpmath.workdps(60):  # Eq. 14
        e = mpmath.erfc(1 / mpmath.sqrt(2)) * mpmath.sqrt(mpmath.e)
        alpha = -mpmath.sqrt(2 / mpmath.pi) / (e - 1)
        last = 2 * mpmath.erfc(mpmath.sqrt(2)) * mpmath.e**2 + mpmath.pi * e**2
        last += -2 * (2 + mpmath.pi) * e + mpmath.pi + 2
        scale = (1 - e) * mpmath.sqrt(2 * mpmath.pi / last)
        for ours, exact in zip(found.constants.values(), (alpha, scale), strict=True):
            assert abs(ours - exact) < mpmath.mpf(10) ** -50


def test_variance_2_has_the_constants_of_the_appendix():
    (found,) = solve(Moments(0, 2), DEFINITIONS["zero_mean"]).solutions
    np.testing.assert_allclose(
        [float(x) for x in found.constants.values()], (1.97126, 1.06071), atol=5e-6
    )


@pytest.mark.parametrize(("wanted", "name"), list(product(WANTED, DEFINITIONS)))
def test_wanted_moments_are_kept_to_twelve_digits_or_nothing_is_said_to(wanted, name):
    wanted, definition = Moments(*wanted), DEFINITIONS[name]
    answer = solve(wanted, definition)
    assert bool(answer.solutions) != bool(answer.reason)
    for solution in answer.solutions:
        kept = selu_moments(net_of(definition, wanted), *map(float, solution.constants.values()))
        np.testing.assert_allclose(kept, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize("wanted", [(0, 1), (0, 2), (-0.1, 2.0)])
def test_stability_is_what_layers_do(wanted, name):
    """A little aside, a layer's moments come back or go away by the rate."""
    wanted, definition = Moments(*wanted), DEFINITIONS[name]
    (solution,) = solve(wanted, definition).solutions
    constants = list(map(float, solution.constants.values()))
    x, distances = Moments(wanted.mean + 1e-7, wanted.variance + 1e-7), []
    for _ in range(40):
        x = selu_moments(net_of(definition, x), *constants)
        distances.append(math.dist(x, wanted))
    assert (solution.stability == "attracting") == (distances[-1] < distances[0])
    assert distances[20] / distances[19] == pytest.approx(solution.rate, rel=5e-3)


def test_the_notebook_s_fixed_points_repel_and_those_of_zero_mean_weights_attract():
    for wanted in ((0, 1), (0, 2), (-0.1, 2.0)):
        found = {
            name: solve(Moments(*wanted), definition).solutions[0].stability
            for name, definition in DEFINITIONS.items()
        }
        expected = {"notebook": "repelling", "zero_mean": "attracting", "drawn": "attracting"}
        assert found == expected


def test_half_and_half_exists_for_the_notebook_only():
    wanted = Moments(0.5, 0.5)
    (found,) = solve(wanted, DEFINITIONS["notebook"]).solutions
    assert found.stability == "repelling"
    for name in ("zero_mean", "drawn"):
        assert "is not above 0" in solve(wanted, DEFINITIONS[name]).reason


def test_a_mean_too_large_for_its_variance_is_told_with_the_least_variance():
    answer = solve(Moments(2, 0.5), DEFINITIONS["zero_mean"])
    assert "a mean of 2.0 has a variance of at least 1.75796" in answer.reason
    alphas = np.linspace(-20, 20, 4001)
    least = min(
        4 / found.mean**2 * found.variance
        for found in (selu_moments(Moments(0, 0.5), alpha, 1.0) for alpha in alphas)
        if found.mean > 0
    )
    assert least == pytest.approx(1.75796, abs=1e-3)


def test_several_solutions_are_all_listed():
    """Of z ~ N(0, 1): mean and variance are those of alpha 0.5 and of another one."""
    half = selu_moments(Moments(0, 1), 0.5, 1.0)
    tau = 1 / half.variance
    answer = solve(half, DEFINITIONS["zero_mean"], tau=tau)
    assert any(abs(x.constants["alpha"] - 0.5) < 1e-12 for x in answer.solutions)
    for solution in answer.solutions:
        kept = selu_moments(Moments(0, 1), *map(float, solution.constants.values()))
        np.testing.assert_allclose(kept, half, rtol=1e-12)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in ("selu", "elu")])
@pytest.mark.parametrize("wanted", [(0, 1), (0.3, 0.7)])
def test_other_families_keep_what_is_wanted(family, wanted):
    wanted, definition = Moments(*wanted), DEFINITIONS["notebook"]
    answer = solve(wanted, definition, family)
    assert answer.solutions
    for solution in answer.solutions:
        function = FAMILIES[family].numpy(*map(float, solution.constants.values()))
        kept = moments(function, net_of(definition, wanted)).moments
        np.testing.assert_allclose(kept, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("selu", "attracting"),
        ("tanh", "attracting"),
        ("sigmoid", "attracting"),
        ("leaky_relu", "neutral"),
        ("leaky_relu_shifted", "neutral"),
        ("relu", "neutral"),
        ("gelu", "repelling"),
        ("silu", "repelling"),
        ("softplus", "repelling"),
    ],
)
def test_which_families_attract_to_mean_0_and_variance_1(family, expected):
    (found,) = solve(Moments(0, 1), DEFINITIONS["zero_mean"], family).solutions
    assert found.stability == expected


@pytest.mark.parametrize("family", [n for n, rule in FAMILIES.items() if isinstance(rule, Shifted)])
def test_the_exact_functions_are_those_of_numpy(family):
    rule, x = FAMILIES[family], np.linspace(-5, 5, 41)
    exact = [float(rule.exact(mpmath.mpf(z))) for z in x]
    np.testing.assert_allclose(TWINS[rule.twin](x), exact, rtol=1e-14, atol=1e-15)


def test_jacobians_of_definitions_are_those_of_finite_differences():
    x, step = Moments(0.3, 1.2), 1e-5
    for definition in DEFINITIONS.values():
        columns = []
        for a, b in ((step, 0), (0, step)):
            ends = [
                moments(
                    np.tanh, net_of(definition, Moments(x.mean + k * a, x.variance + k * b), 1.4)
                )
                for k in (1, -1)
            ]
            columns.append(np.subtract(ends[0].moments, ends[1].moments) / (2 * step))
        found = quadrature_calculus(np.tanh, net_of(definition, x, 1.4))
        ours = jacobian_of(definition, x, found, 1.4)
        np.testing.assert_allclose(ours, np.array(columns).T, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"wanted": Moments(0, 0)}, "variance=0: must lie between"),
        ({"wanted": Moments(0, -1)}, "variance=-1: must lie between"),
        ({"wanted": Moments(math.inf, 1)}, "mean=inf: must lie between"),
        ({"wanted": Moments(0, 1), "tau": 0}, "tau=0: must lie between"),
        ({"wanted": Moments(0, 1), "digits": 0}, "digits=0: must lie between"),
    ],
)
def test_impossible_wishes_are_refused(arguments, line):
    with pytest.raises(ValueError, match=line):
        solve(definition=DEFINITIONS["zero_mean"], **arguments)


@pytest.mark.parametrize("wanted", [(0, 1), (0, 2), (-0.1, 2.0), (0.5, 0.5)])
@pytest.mark.parametrize("rate", [0.0, 0.05, 0.1, 0.5, 0.95])
def test_alpha_dropout_keeps_any_fixed_point(wanted, rate):
    """By the law itself: of two values and their dropped twin, added up."""
    wanted = Moments(*wanted)
    (solution,) = solve(wanted, DEFINITIONS["notebook"]).solutions
    alpha, scale = map(float, solution.constants.values())
    alpha_prime = -alpha * scale
    a, b = alpha_affine(rate, wanted, alpha_prime)
    deviation = math.sqrt(wanted.variance)
    values = np.array([wanted.mean - deviation, wanted.mean + deviation, alpha_prime]) * a + b
    masses = np.array([(1 - rate) / 2, (1 - rate) / 2, rate])
    mean = masses @ values
    size = max(1.0, np.abs(values).max()) ** 2
    np.testing.assert_allclose(mean, wanted.mean, atol=1e-14 * size)
    np.testing.assert_allclose(masses @ (values - mean) ** 2, wanted.variance, rtol=1e-13 * size)
    kept = alpha_dropout(wanted, rate, wanted, alpha_prime)
    np.testing.assert_allclose(kept, wanted, rtol=1e-12, atol=1e-13)


def test_the_affine_correction_has_the_published_values():
    np.testing.assert_allclose(alpha_affine(0.05), (0.954844, 0.083936), atol=5e-7)
    np.testing.assert_allclose(alpha_affine(0.1), (0.921285, 0.161971), atol=5e-7)


@pytest.mark.parametrize("rate", [-0.1, 1.0, math.nan])
def test_rates_that_leave_nothing_are_refused(rate):
    with pytest.raises(ValueError, match="rate="):
        alpha_affine(rate)
