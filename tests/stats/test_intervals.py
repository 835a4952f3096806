"""Bootstrap intervals: coverage against theory, what is drawn, equal seeds, SciPy."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from snnjax import stats
from stats.scores import random_table, seeded, table

LEVEL = 0.9


def coverage(make, truth, repeats, **options):
    """Return how many of the intervals of the first column cover the truth."""
    covered = 0
    for repeat in range(repeats):
        generator = np.random.default_rng([7, repeat])
        options = {"level": LEVEL, "draws": 400, "seed": repeat} | options
        found = stats.bootstrap_interval(make(generator), **options)
        covered += bool(found.low.iloc[0] <= truth <= found.high.iloc[0])
    return covered


def bounds(repeats, share):
    """Return what a count of coverage stays within with a probability of 0.998."""
    return scipy.stats.binom.ppf([0.001, 0.999], repeats, share)


@pytest.mark.parametrize("sets", [10, 30, 121])
def test_intervals_of_means_over_data_sets_cover_as_often_as_theory_says(sets):
    """Percentile intervals lack the factor n / (n - 1) of the variance, and Student's tails."""
    z = scipy.stats.norm.ppf((1 + LEVEL) / 2) * np.sqrt((sets - 1) / sets)
    expected = 1 - 2 * scipy.stats.t.sf(z, sets - 1)
    found = coverage(lambda generator: table(generator.normal(3, 2, (sets, 1))), 3, 300)
    low, high = bounds(300, expected)
    assert low <= found <= high


@pytest.mark.parametrize(("sets", "seeds"), [(20, 8), (5, 20)])
def test_intervals_over_seeds_cover_the_mean_of_these_data_sets(sets, seeds):
    """Their variance is too small by (n - 1) / n for n seeds, and known well from many sets."""
    means = np.linspace(0, 9, sets)  # far apart: as if it were other sets, intervals were wide

    def make(generator):
        return seeded(means[:, None, None] + generator.normal(size=(sets, seeds, 1)))

    z = scipy.stats.norm.ppf((1 + LEVEL) / 2) * np.sqrt((seeds - 1) / seeds)
    expected = 1 - 2 * scipy.stats.t.sf(z, sets * (seeds - 1))
    found = coverage(make, means.mean(), 200, over="seeds")
    low, high = bounds(200, expected)
    assert low <= found <= high


@pytest.mark.parametrize("noise", [0.3, 2.0])
def test_hierarchical_intervals_cover_the_mean_of_other_data_sets(noise):
    """Drawing seeds again adds a part of their noise: never less than the level."""

    def make(generator):
        return seeded(generator.normal(size=(40, 1, 1)) + noise * generator.normal(size=(40, 4, 1)))

    found = coverage(make, 0, 200)
    assert found >= bounds(200, 0.88)[0]


def test_the_variance_of_hierarchical_draws_is_that_of_both_levels():
    """Var = (between + noise (m - 1) / m / m) / n for n sets of m seeds (empirical variances)."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(30, 1, 1)) + 2 * generator.normal(size=(30, 3, 1))
    between = values.mean(axis=1).var()
    within = values.var(axis=1).mean() / 3
    found = stats.bootstrap_interval(seeded(values), level=0.6826895, draws=20_000)
    half = (found.high - found.low).iloc[0] / 2
    assert half == pytest.approx(np.sqrt((between + within) / 30), rel=0.02)
    seeds = stats.bootstrap_interval(seeded(values), level=0.6826895, draws=20_000, over="seeds")
    assert (seeds.high - seeds.low).iloc[0] / 2 == pytest.approx(np.sqrt(within / 30), rel=0.02)


def test_intervals_of_means_are_those_of_scipy():
    given = random_table(0, rows=50, methods=1, digits=6)
    oracle = scipy.stats.bootstrap(
        (given.a,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    found = stats.bootstrap_interval(given, draws=20_000).loc["a"]
    width = oracle.high - oracle.low
    assert found.value == pytest.approx(given.a.mean())
    assert found.low == pytest.approx(oracle.low, abs=0.02 * width)
    assert found.high == pytest.approx(oracle.high, abs=0.02 * width)


@pytest.mark.parametrize("over", ["datasets", "seeds", "both"])
@pytest.mark.parametrize(
    "statistic", ["mean", "median", "interquartile_mean", "average_rank", "rank_difference"]
)
def test_equal_seeds_are_equal_intervals_around_the_value(statistic, over):
    given = seeded(np.random.default_rng(3).normal(size=(12, 4, 3)))
    options = {"over": over, "draws": 300}
    found = stats.bootstrap_interval(given, statistic, seed=5, **options)
    again = stats.bootstrap_interval(given, statistic, seed=5, **options)
    pd.testing.assert_frame_equal(found, again)
    assert not found.equals(stats.bootstrap_interval(given, statistic, seed=6, **options))
    assert ((found.low < found.value) & (found.value < found.high)).all()


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_values_are_those_of_the_functions_without_intervals(missing):
    given = random_table(1, missing=missing)
    interval = {
        name: stats.bootstrap_interval(given, name, draws=100)
        for name in ("mean", "average_rank", "rank_difference", "interquartile_mean")
    }
    expected = {
        "mean": stats.mean_scores(given),
        "average_rank": stats.average_ranks(given),
        "rank_difference": stats.rank_differences(given),
        "interquartile_mean": stats.interquartile_mean(given),
    }
    for name, found in interval.items():
        np.testing.assert_allclose(found["value"], expected[name], rtol=1e-12)
    errors = stats.bootstrap_interval(-given, "average_rank", higher_is_better=False, draws=100)
    pd.testing.assert_frame_equal(errors, interval["average_rank"])


def test_a_function_of_ones_own_is_a_statistic():
    given = random_table(2)
    named = stats.bootstrap_interval(given, "median", draws=200)
    own = stats.bootstrap_interval(given, lambda scores: np.median(scores, axis=0), draws=200)
    pd.testing.assert_frame_equal(own, named)


@pytest.mark.parametrize("seed", range(4))
def test_the_interquartile_mean_is_that_of_scipy(seed):
    given = random_table(seed, rows=37, digits=5)
    found = stats.interquartile_mean(given)
    expected = scipy.stats.trim_mean(given.to_numpy(), 0.25, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_data_sets_have_seeds_of_different_number():
    """One of a single seed, and of one whose scores of a method are partly missing."""
    given = seeded(np.random.default_rng(0).normal(size=(6, 3, 2))).drop([(2, 1), (2, 2)])
    given.loc[(4, 0), "a"] = np.nan
    found = stats.bootstrap_interval(given, draws=200)
    means = given.groupby(level=0).mean().mean()
    np.testing.assert_allclose(found["value"], means)
    alone = stats.bootstrap_interval(given.loc[[2]], draws=200)
    np.testing.assert_array_equal(alone.low, alone.high)


def test_seeds_may_be_written_in_any_order():
    given = seeded(np.random.default_rng(0).normal(size=(6, 3, 2)))
    shuffled = given.sort_index(level=1)
    expected = stats.bootstrap_interval(given, draws=200)
    pd.testing.assert_frame_equal(stats.bootstrap_interval(shuffled, draws=200), expected)
