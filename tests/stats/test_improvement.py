"""Probability of improvement: by hand, against Mann and Whitney, its interval's coverage."""

import numpy as np
import pytest
import scipy.stats

from snnjax import stats
from stats.scores import random_table, seeded, table


def test_of_single_runs_it_is_the_share_of_wins_and_half_the_ties():
    given = random_table(0, missing=0.2)
    found = stats.probability_of_improvement(given, "b", draws=100)
    counts = stats.win_tie_loss(given, "b")
    expected = (counts["win"] + counts["tie"] / 2) / len(given)
    np.testing.assert_allclose(found["value"], expected)
    assert list(found.index) == list("acde")


def test_of_several_seeds_it_is_the_mean_of_mann_and_whitneys_share():
    values = np.random.default_rng(1).normal(size=(4, 5, 2)).round(1)
    found = stats.probability_of_improvement(seeded(values), "a", draws=100).loc["b", "value"]
    shares = [scipy.stats.mannwhitneyu(*each.T).statistic / 25 for each in values]
    assert found == pytest.approx(np.mean(shares), rel=1e-12)


def test_both_sides_add_up_to_one_and_errors_are_the_other_side():
    given = random_table(2)
    one = stats.probability_of_improvement(given, "a", draws=100).loc["b", "value"]
    other = stats.probability_of_improvement(given, "b", draws=100).loc["a", "value"]
    errors = stats.probability_of_improvement(given, "a", draws=100, higher_is_better=False)
    assert one + other == pytest.approx(1)
    assert errors.loc["b", "value"] == pytest.approx(other)


def test_what_is_always_better_has_no_spread():
    found = stats.probability_of_improvement(table([[2, 1]] * 5), "a", draws=100)
    assert found.loc["b"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(("over", "shift"), [("datasets", 0.0), ("seeds", 0.8), ("both", 0.8)])
def test_intervals_cover_the_probability(over, shift):
    """At a level of 0.9, of a normal and a shifted one: Phi(shift / sqrt 2)."""
    truth, repeats, covered = scipy.stats.norm.cdf(shift / np.sqrt(2)), 120, 0
    for repeat in range(repeats):
        values = np.random.default_rng([3, repeat]).normal(size=(15, 10, 2))
        given = seeded(values + np.array([shift, 0]))
        options = {"over": over, "level": 0.9, "draws": 300, "seed": repeat}
        found = stats.probability_of_improvement(given, "a", **options).loc["b"]
        covered += found.low <= truth <= found.high
    # The bootstrap of 10 seeds or 15 data sets is a little narrow, of both a little wide.
    low, high = scipy.stats.binom.ppf([0.001, 0.999], repeats, [0.86, 0.97])
    assert low <= covered <= high


def test_data_sets_have_seeds_of_different_number():
    given = seeded(np.random.default_rng(0).normal(size=(3, 4, 2))).drop([(1, 2), (1, 3)])
    found = stats.probability_of_improvement(given, "a", draws=100).loc["b"]
    shares = [
        (own.a.to_numpy()[:, None] > own.b.to_numpy()).mean() for _, own in given.groupby(level=0)
    ]
    assert found["value"] == pytest.approx(np.mean(shares))
    assert 0 <= found.low <= found["value"] <= found.high <= 1
