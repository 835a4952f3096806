"""Binomial intervals and expected differences against SciPy and sums over all outcomes."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from snnjax import printed, stats


@pytest.mark.parametrize("method", ["wilson", "clopper-pearson"])
@pytest.mark.parametrize("rows", [1, 7, 37, 1044])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_are_those_of_scipy(method, rows, level):
    right = np.unique(np.linspace(0, rows, 9).astype(int))
    low, high = stats.binomial_interval(right / rows, rows, level=level, method=method)
    name = method if method == "wilson" else "exact"
    for place, count in enumerate(right):
        oracle = scipy.stats.binomtest(int(count), rows).proportion_ci(level, name)
        assert low[place] == pytest.approx(oracle.low, abs=1e-12)
        assert high[place] == pytest.approx(oracle.high, abs=1e-12)


@pytest.mark.parametrize("p", [0.02, 0.5, 0.83])
@pytest.mark.parametrize("rows", [20, 100])
def test_coverage_summed_over_all_outcomes(p, rows):
    """Clopper and Pearson never cover less than the level, Wilson less than 5 % below it here."""
    right = np.arange(rows + 1)
    chance = scipy.stats.binom.pmf(right, rows, p)
    covered = {}
    for method in ("wilson", "clopper-pearson"):
        low, high = stats.binomial_interval(right / rows, rows, method=method)
        covered[method] = chance[(low <= p) & (p <= high)].sum()
    assert covered["clopper-pearson"] >= 0.95
    assert 0.90 < covered["wilson"] <= covered["clopper-pearson"] + 1e-12


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.9, 0.9), (0.3, 0.8), (0.0, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize("rows", [1, 4, 37])
def test_expected_differences_are_sums_over_all_outcomes(p, q, rows):
    right = np.arange(rows + 1)
    joint = np.outer(scipy.stats.binom.pmf(right, rows, p), scipy.stats.binom.pmf(right, rows, q))
    expected = (joint * np.abs(np.subtract.outer(right, right))).sum() / rows
    assert stats.expected_difference(p, rows, q) == pytest.approx(expected, abs=1e-13)


def test_expected_differences_of_many_rows_are_those_of_the_normal_distribution():
    found = stats.expected_difference([0.5, 0.8], [16_281, 32_516])
    normal = [2 * np.sqrt(p * (1 - p) / n / np.pi) for p, n in ((0.5, 16_281), (0.8, 32_516))]
    np.testing.assert_allclose(found, normal, rtol=1e-3)


def test_newcombes_interval_by_his_own_example():
    """Newcombe 1998, Table II, column (b), method 10: 9/10 and 3/10."""
    low, high = stats.difference_interval(0.9, 0.3, 10)
    assert (round(float(low), 4), round(float(high), 4)) == (0.1705, 0.8090)


@pytest.mark.parametrize(("p", "q"), [(0.8, 0.8), (0.95, 0.9), (0.5, 0.6)])
def test_intervals_of_differences_cover_them(p, q):
    generator = np.random.default_rng(0)
    ours, other = (generator.binomial(60, chance, 4000) / 60 for chance in (p, q))
    low, high = stats.difference_interval(ours, other, 60)
    covered = ((low <= p - q) & (p - q <= high)).mean()
    assert 0.935 < covered < 0.975


class TestComparison:
    ours = pd.Series({"a": 0.80, "b": 0.5, "c": np.nan, "e": 0.9})
    shown = pd.Series({"b": 0.90, "a": 0.75, "c": 0.5, "d": 0.5})
    rows = pd.Series({"a": 40, "b": 100, "c": 10, "d": 10, "e": 10})

    def test_it_has_the_data_sets_of_all_three(self):
        found = stats.compare_with_printed(self.ours, self.shown, self.rows)
        assert found.index.tolist() == ["a", "b"]
        assert found.difference.tolist() == pytest.approx([0.05, -0.4])
        assert found.inside.tolist() == [True, False]
        low, high = stats.binomial_interval([0.75, 0.9], [40, 100])
        np.testing.assert_array_equal(found[["low", "high"]].T, [low, high])
        np.testing.assert_allclose(
            found.expected, stats.expected_difference([0.775, 0.7], [40, 100])
        )

    def test_nothing_in_common_is_refused(self):
        with pytest.raises(ValueError, match="no data set has ours, printed and rows"):
            stats.compare_with_printed(self.ours[["e"]], self.shown, self.rows)

    def test_what_is_printed_is_inside_its_own_interval(self):
        shown = printed.uci_accuracies()["snn"]
        found = stats.compare_with_printed(shown, shown, printed.uci_test_rows())
        assert len(found) == 120
        assert found.inside.all()
        assert (found.difference == 0).all()

    def test_noise_of_test_rows_is_inside_its_interval_as_often_as_expected(self):
        """Both accuracies drawn: the interval of one covers the other less often than 95 %."""
        generator, rows = np.random.default_rng(1), pd.Series(np.full(3000, 200))
        ours, shown = (pd.Series(generator.binomial(200, 0.8, 3000) / 200) for _ in range(2))
        found = stats.compare_with_printed(ours, shown, rows)
        assert np.abs(found.difference).mean() == pytest.approx(found.expected.mean(), rel=0.05)
        expected = 2 * scipy.stats.norm.cdf(scipy.stats.norm.ppf(0.975) / np.sqrt(2)) - 1
        assert found.inside.mean() == pytest.approx(expected, abs=0.03)
