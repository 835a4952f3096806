"""The chain rule through sigmoids, against numerical optimisation."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit

from snnjax.theory.depth.chain_rule import LEAST_WEIGHT, STEEPEST, exceeding, factor, widest


def slope(x: float) -> float:
    return float(expit(x) * expit(-x))


def test_the_steepest_slope_of_the_sigmoid():
    found = minimize_scalar(lambda x: -slope(x), bounds=(-3, 3), method="bounded")
    assert -found.fun == pytest.approx(STEEPEST, rel=1e-12)


@pytest.mark.parametrize("x", [-800.0, -3.0, 0.2, 900.0])
def test_factor_is_the_derivative_of_a_unit(x):
    assert factor(x, -2.5, 0.7) == pytest.approx(-2.5 * slope(-2.5 * x + 0.7), rel=1e-12)


@pytest.mark.parametrize("weight", [4.001, -5.0, 6.9, 50.0, -1e6])
@pytest.mark.parametrize("bias", [0.0, -3.0])
def test_ends_of_the_interval_are_roots(weight, bias):
    centre = -bias / weight
    reach = 60 / abs(weight)

    def excess(x: float) -> float:
        return abs(weight) * slope(weight * x + bias) - 1

    found = exceeding(weight, bias)
    low = brentq(excess, centre - reach, centre, xtol=1e-15)
    high = brentq(excess, centre, centre + reach, xtol=1e-15)
    assert found == pytest.approx((low, high), rel=1e-9, abs=1e-12)
    assert abs(factor(centre, weight, bias)) > 1


@pytest.mark.parametrize("weight", [0.0, 1.0, 4.0, -4.0])
def test_small_weights_never_exceed_1(weight):
    assert exceeding(weight) is None
    assert abs(weight) <= LEAST_WEIGHT


def test_the_widest_interval():
    found = minimize_scalar(
        lambda w: -exceeding(w).width, bounds=(4.01, 50), method="bounded", options={"xatol": 1e-9}
    )
    weight, width = widest()
    assert width == pytest.approx(-found.fun, rel=1e-12)
    assert weight == pytest.approx(found.x, rel=1e-5)
    assert (round(weight, 1), round(width, 2)) == (6.9, 0.45)
    assert exceeding(weight, 2.0).width == pytest.approx(width, rel=1e-12)


def test_numbers_that_are_none():
    with pytest.raises(ValueError, match="must be finite"):
        exceeding(np.nan)
