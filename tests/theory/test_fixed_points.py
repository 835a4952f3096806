"""Fixed points against the published ones, iteration, and the proof that there are no others."""

import itertools
import math

import numpy as np
import pytest

from snnjax.theory.fixed_points import paving
from snnjax.theory.fixed_points.paving import UndecidedError, enclose
from snnjax.theory.fixed_points.points import (
    basin,
    fixed_points,
    growth_of_nothing,
    stable_fixed_point,
)
from snnjax.theory.moments.moment_map import Moments, iterate, selu_map

REGION = ((-1.76, 5.0), (1e-3, 100.0))


def point(omega, tau):
    return (omega, omega), (tau, tau)


@pytest.mark.parametrize(
    ("omega", "tau", "expected"),
    [
        (0, 1, (0, 1)),
        (0, 1.1, (0.04852, 1.39931)),
        (0, 0.95, (-0.01857, 0.82879)),
        (0.1, 1.1, (0.05471, 1.41029)),
        (-0.1, 0.95, (-0.01672, 0.83065)),
    ],
)
def test_the_stable_fixed_point_is_the_published_one(omega, tau, expected):
    (found,) = fixed_points(omega, tau)
    assert found.stability == "attracting"
    assert stable_fixed_point(omega, tau) == found
    np.testing.assert_allclose(found[:2], expected, atol=5e-6)
    kept = selu_map(found.mean, omega, found.variance, tau)
    np.testing.assert_allclose(kept, found[:2], rtol=1e-12, atol=1e-13)
    ((low, high), (least, most)) = enclose(point(omega, tau), REGION).hull
    assert low - 1e-13 <= found.mean <= high + 1e-13
    assert least - 1e-13 <= found.variance <= most + 1e-13
    assert high - low < 1e-14
    assert most - least < 1e-14


def test_layers_come_closer_by_the_rate():
    found = stable_fixed_point(0.1, 1.1)
    layers = iterate(lambda x: selu_map(x.mean, 0.1, x.variance, 1.1), Moments(0, 1), 60)
    distances = [math.dist(x, found[:2]) for x in layers[40:]]
    ratios = [b / a for a, b in itertools.pairwise(distances)]
    np.testing.assert_allclose(ratios, found.rate, rtol=1e-5)


def test_a_second_fixed_point_appears_at_large_omega():
    repelling, attracting = fixed_points(0.9, 1)
    assert repelling.stability == "repelling"
    assert attracting.stability == "attracting"
    np.testing.assert_allclose(attracting[:2], (0, 1), atol=1e-10)
    kept = selu_map(repelling.mean, 0.9, repelling.variance, 1)
    np.testing.assert_allclose(kept, repelling[:2], atol=1e-12)
    assert enclose(point(0.9, 1.0), REGION).counts == (2, 2)


def test_at_weights_that_add_up_to_one_the_fixed_point_repels():
    (found,) = fixed_points(1, 1)
    assert found.stability == "repelling"
    with pytest.raises(ValueError, match="omega=1, tau=1: no attracting fixed point"):
        stable_fixed_point(1, 1)
    after = iterate(lambda x: selu_map(x.mean, 1, x.variance, 1), Moments(0.01, 1), 60)[-1]
    assert math.dist(after, (0, 1)) > 0.1


@pytest.mark.parametrize("tau", [0.4, 2.8])
def test_too_small_and_too_large_weights_have_none(tau):
    assert fixed_points(0, tau) == []
    found = enclose(point(0.0, tau), REGION)
    assert (found.counts, found.hull) == ((0, 0), None)


def test_what_a_layer_makes_of_a_variance_near_nothing():
    for tau in (0.4, 1.0):
        after = selu_map(0, 0, 1e-12, tau).variance / 1e-12
        assert growth_of_nothing(tau) == pytest.approx(after, rel=1e-5)


def test_the_set_over_the_domain_of_theorem_1_lies_in_the_paper_s_and_is_sharp():
    found = enclose(((-0.1, 0.1), (0.95, 1.1)), ((-1, 1), (0.2, 5)), tolerance=1e-6)
    assert found.counts == (1, 1)
    (low, high), (least, most) = found.hull
    assert -0.03106 < low < high < 0.06773
    assert 0.80009 < least < most < 1.48617
    assert found.error < 3e-6
    grid = [
        stable_fixed_point(omega, tau)
        for omega in np.linspace(-0.1, 0.1, 3)
        for tau in np.linspace(0.95, 1.1, 3)
    ]
    means, variances = np.array([x[:2] for x in grid]).T
    assert low <= means.min() <= low + 1e-4
    assert high - 1e-5 <= means.max() <= high
    assert least <= variances.min() <= least + 1e-3
    assert most - 1e-5 <= variances.max() <= most


def test_cells_cover_the_box_and_hold_what_newton_finds():
    found = enclose(((-0.05, 0.05), (0.98, 1.02)), REGION, tolerance=1e-3)
    area = sum((b - a) * (d - c) for (a, b), (c, d) in (x.cell for x in found.proved))
    assert area == pytest.approx(0.1 * 0.04)
    for proved in found.proved[::3]:
        omega, tau = (math.fsum(ends) / 2 for ends in proved.cell)
        here = stable_fixed_point(omega, tau)
        for x, (low, high) in zip(here[:2], proved.within, strict=True):
            assert low < x < high


def test_a_fixed_point_that_is_not_alone_is_not_called_so(monkeypatch):
    """At omega = 0.8996 or so two fixed points become one: rates 1."""
    monkeypatch.setattr(paving, "_MOST_AT_LAST", 500)
    with pytest.raises(UndecidedError, match="cannot be told apart"):
        enclose(((0.89, 0.91), (1.0, 1.0)), ((-0.1, 0.1), (0.9, 1.1)))


def test_the_basin_without_mean_weights_is_everything():
    found = basin(stable_fixed_point(0, 1), 0, 1)
    assert found == ((0.0, math.inf), (-math.inf, math.inf), True)
    for start in (Moments(5, 1e-9), Moments(-5, 1e6)):
        last = iterate(lambda x: selu_map(x.mean, 0, x.variance, 1), start, 200)[-1]
        np.testing.assert_allclose(last, (0, 1), atol=1e-9)


def test_the_basin_on_a_grid_is_where_layers_come_from():
    found = basin(stable_fixed_point(0.1, 1.1), 0.1, 1.1)
    assert not found.is_exact
    assert found.variances[0] == pytest.approx(1e-3)
    assert found.variances[1] == pytest.approx(1e3)


@pytest.mark.parametrize(("omega", "tau"), [(0, 0), (0, -1), (math.nan, 1), (0, math.inf)])
def test_impossible_weights_are_refused(omega, tau):
    with pytest.raises(ValueError, match="must lie between"):
        fixed_points(omega, tau)
