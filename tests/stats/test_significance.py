"""Tests of significance against SciPy, published tables, enumeration and random numbers."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from snnjax import stats
from stats.scores import random_table, table

SEEDS = range(5)
ALTERNATIVES = ("two-sided", "greater", "less")


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("zero_method", ["wilcox", "pratt", "zsplit"])
@pytest.mark.parametrize("correction", [False, True])
def test_signed_ranks_with_ties_are_those_of_scipy(alternative, zero_method, correction):
    given = random_table(0, rows=40, methods=3)
    options = {"alternative": alternative, "zero_method": zero_method, "correction": correction}
    found = stats.wilcoxon(given, "b", **options)
    for other in "ac":
        difference = (given.b - given[other]).round(6)
        oracle = scipy.stats.wilcoxon(difference, method="asymptotic", **options)
        assert found[other] == pytest.approx(oracle.pvalue, rel=1e-12)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_few_differences_without_ties_have_exact_p_values(alternative):
    given = table(np.random.default_rng(1).normal(0.3, 1, (9, 2)))
    difference = (given.a - given.b).to_numpy()
    ranks = scipy.stats.rankdata(np.abs(difference))
    signs = np.array(list(product([0, 1], repeat=9)))
    sums, own = signs @ ranks, ranks[difference > 0].sum()
    upper, lower = (sums >= own).mean(), (sums <= own).mean()
    expected = {"greater": upper, "less": lower, "two-sided": min(1, 2 * min(upper, lower))}
    found = stats.wilcoxon(given, "a", alternative=alternative)["b"]
    assert found == pytest.approx(expected[alternative], rel=1e-12)


def test_pairs_are_symmetric_and_one_sided_ones_swap():
    given = random_table(3, missing=0.1)
    both = stats.wilcoxon(given)
    pd.testing.assert_frame_equal(both, both.T)
    assert np.isnan(np.diag(both)).all()
    greater = stats.wilcoxon(given, alternative="greater")
    pd.testing.assert_frame_equal(greater, stats.wilcoxon(given, alternative="less").T)
    row = stats.wilcoxon(given, "c", alternative="greater")
    pd.testing.assert_series_equal(row, greater.loc["c"].drop("c"), check_names=False)
    errors = stats.wilcoxon(-given, higher_is_better=False, alternative="greater")
    pd.testing.assert_frame_equal(errors, greater)


def test_pairs_with_a_missing_score_are_left_out():
    given = random_table(4, rows=30, methods=2, missing=0.3)
    found = stats.wilcoxon(given, "a")["b"]
    assert found == stats.wilcoxon(given.dropna(), "a")["b"]


def test_equal_methods_do_not_differ():
    given = table([[0.3, 0.1 + 0.2], [0.5, 0.5]])
    assert stats.wilcoxon(given, "a")["b"] == 1
    assert stats.friedman(given)[:4] == (0, 1, 0, 1)


@pytest.mark.parametrize("rows", [12, 60])
def test_signed_ranks_keep_their_level(rows):
    """At most 5 % of tables without a difference are called different, at 3 standard errors."""
    generator = np.random.default_rng(rows)
    values = generator.normal(size=(rows, 1)) + generator.normal(size=(rows, 400))
    pairs = [table(values[:, place : place + 2]) for place in range(0, 400, 2)]
    false = sum(stats.wilcoxon(each, "a")["b"] < 0.05 for each in pairs)
    low, high = scipy.stats.binom.ppf([0.0013, 0.9987], len(pairs), 0.05)
    assert low <= false <= high


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_friedman_is_that_of_scipy(seed, missing):
    given = random_table(seed, missing=missing)
    oracle = scipy.stats.friedmanchisquare(*given.fillna(-99).to_numpy().T)
    found = stats.friedman(given)
    assert found[:2] == pytest.approx(tuple(oracle), rel=1e-10)
    assert (found.methods, found.rows) == (5, 30)


def test_friedman_and_its_f_by_demsar():
    """Demsar 2006, section 3.2.4: 14 data sets, ranks 3.143, 2.000, 2.893, 1.964."""
    chi = 12 * 14 / (4 * 5) * (3.143**2 + 2.000**2 + 2.893**2 + 1.964**2 - 4 * 25 / 4)
    f = 13 * chi / (14 * 3 - chi)
    rows = [[1, 2, 3, 4]] * 14
    generator = np.random.default_rng(0)
    given = table([generator.permutation(row) for row in rows])
    average = stats.average_ranks(given)
    found = stats.friedman(given)
    assert (round(chi, 2), round(f, 2)) == (9.28, 3.69)
    assert found.chi_square == pytest.approx(12 * 14 / 20 * ((average**2).sum() - 25))
    assert found.f == pytest.approx(13 * found.chi_square / (14 * 3 - found.chi_square))
    assert found.f_p == pytest.approx(scipy.stats.f.sf(found.f, 3, 39))


def test_a_method_that_is_always_better_differs_for_certain():
    found = stats.friedman(table([[1, 2, 3]] * 5))
    assert found.chi_square == pytest.approx(10)
    assert (found.f, found.f_p) == (np.inf, 0)


# Demsar 2006, Table 5: critical values of the two-tailed Nemenyi test by number of methods.
NEMENYI = {
    0.05: [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164],
    0.10: [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920],
}


@pytest.mark.parametrize("alpha", NEMENYI)
def test_critical_differences_are_those_of_demsar(alpha):
    for k, q in enumerate(NEMENYI[alpha], 2):
        found = stats.critical_difference(k, 20, alpha) / np.sqrt(k * (k + 1) / 120)
        assert found == pytest.approx(q, abs=1.1e-3)


def test_nemenyi_crosses_its_level_at_the_critical_difference():
    given = random_table(2, rows=60, digits=4)
    given["e"] += 1.5
    average = stats.average_ranks(given)
    p = stats.nemenyi(given)
    for alpha in (0.01, 0.05, 0.2, 0.5):
        apart = np.abs(np.subtract.outer(average.to_numpy(), average.to_numpy()))
        differs = apart > stats.critical_difference(5, 60, alpha)
        assert ((p.to_numpy() < alpha) == differs).all()
    assert (np.diag(p) == 1).all()
    assert 0 < p.loc["e", "a"] < 0.05 < p.loc["a", "b"]


def test_groups_are_the_longest_without_a_difference():
    average = pd.Series({"d": 4.0, "a": 1.0, "b": 1.8, "c": 2.6, "e": 6.0})
    assert stats.cliques(average, 1.0) == [["a", "b"], ["b", "c"]]
    assert stats.cliques(average, 1.7) == [["a", "b", "c"], ["c", "d"]]
    assert stats.cliques(average, 0.5) == []
    assert stats.cliques(average, 9.0) == [["a", "b", "c", "d", "e"]]


def test_holm_by_hand_and_in_any_order():
    """Holm 1979: 0.01 * 4, 0.02 * 3, then 0.03 * 2, and 0.04, which is not below it."""
    p = pd.Series({"x": 0.03, "y": 0.01, "z": 0.02, "w": 0.04})
    assert stats.holm(p).to_dict() == pytest.approx({"x": 0.06, "y": 0.04, "z": 0.06, "w": 0.06})
    assert stats.holm([0.9, 0.8]).tolist() == [1, 1]
    assert stats.holm([0.02]).tolist() == [0.02]
    found = stats.holm([0.04, np.nan, 0.01])
    assert found.isna().tolist() == [False, True, False]
    assert found.dropna().tolist() == pytest.approx([0.04, 0.02])


@pytest.mark.parametrize("seed", SEEDS)
def test_holm_rejects_what_stepping_down_rejects(seed):
    p = np.random.default_rng(seed).random(12) ** 4
    found = stats.holm(p)
    for alpha in (0.01, 0.05, 0.3):
        rejected = 0
        while rejected < 12 and np.sort(p)[rejected] * (12 - rejected) <= alpha:
            rejected += 1
        assert (found <= alpha).sum() == rejected
    assert ((found >= p) & (found <= np.minimum(1, 12 * p))).all()
