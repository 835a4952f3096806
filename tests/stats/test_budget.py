"""The best of k trials against all choices, in any order, and over several data sets."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from snnjax import stats

SCORES = np.array([0.3, 0.9, 0.1, 0.7, 0.7, 0.2, 0.5])


def choices(scores, by, k):
    """Return the score of the best of every choice of k trials; of ties, the mean."""
    found = []
    for chosen in combinations(range(len(scores)), k):
        best = max(by[i] for i in chosen)
        found.append(np.mean([scores[i] for i in chosen if by[i] == best]))
    return np.array(found)


@pytest.mark.parametrize("k", range(1, 8))
def test_it_is_the_mean_over_all_choices(k):
    found = stats.best_of_trials(SCORES, level=0.5)
    every = choices(SCORES, SCORES, k)
    assert found.expected[k - 1] == pytest.approx(every.mean(), rel=1e-12)
    assert found.variance[k - 1] == pytest.approx(every.var(), abs=1e-12)
    quartiles = np.quantile(every, [0.25, 0.75], method="inverted_cdf")
    assert [found.low[k - 1], found.high[k - 1]] == quartiles.tolist()


@pytest.mark.parametrize("k", range(1, 8))
def test_trials_may_be_chosen_by_other_scores(k):
    by = np.array([3, 1, 2, 2, 5, 4, 0.0])
    found = stats.best_of_trials(SCORES, by)
    assert found.expected[k - 1] == pytest.approx(choices(SCORES, by, k).mean(), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_curves_do_not_depend_on_the_order_of_trials(seed):
    generator = np.random.default_rng(seed)
    scores, by = generator.random(40).round(1), generator.random(40).round(1)
    order = generator.permutation(40)
    found, again = stats.best_of_trials(scores, by), stats.best_of_trials(scores[order], by[order])
    for one, other in zip(found, again, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
    alone = stats.best_of_trials(scores).expected
    assert alone[0] == pytest.approx(scores.mean())
    assert alone[-1] == pytest.approx(scores.max())
    assert (np.diff(alone) >= -1e-12).all()


def test_many_trials_are_those_of_the_uniform_distribution():
    """The best of k of n evenly spaced ones is k (n + 1) / (k + 1) on average."""
    found = stats.best_of_trials(np.arange(1.0, 2001))
    k = np.arange(1, 2001)
    np.testing.assert_allclose(found.expected, k * 2001 / (k + 1), rtol=1e-9)


def test_failed_trials_count_as_the_worst():
    found = stats.best_of_trials(np.array([0.4, np.nan, 0.8]))
    np.testing.assert_allclose(found.expected, [1.6 / 3, 2 / 3, 0.8])
    assert np.isnan(stats.best_of_trials(np.array([np.nan])).expected).all()


TRIALS = pd.DataFrame(
    {
        "model.name": ["snn"] * 4 + ["mlp"] * 2,
        "data.name": ["x", "x", "y", "y", "x", "y"],
        "validation": [1, 2, 3, 4, 5, 6.0],
        "test": [0.5, 0.3, 0.9, 0.8, 0.6, 0.7],
    }
)


def test_a_table_of_trials_has_a_curve_for_every_method():
    found = stats.best_of_k(TRIALS, "test", by="validation")
    assert found["method"].tolist() == ["snn"] * 4 + ["mlp"] * 2
    assert found["k"].tolist() == [1, 2, 3, 4, 1, 2]
    own = stats.best_of_trials(TRIALS["test"][:4].to_numpy(), np.arange(4.0))
    np.testing.assert_allclose(found["expected"][:4], own.expected)


def test_errors_are_scores_of_the_other_sign():
    expected = stats.best_of_k(TRIALS, "test")
    errors = TRIALS.assign(test=-TRIALS["test"])
    found = stats.best_of_k(errors, "test", higher_is_better=False)
    np.testing.assert_allclose(found["expected"], -expected["expected"])
    np.testing.assert_allclose(found["low"], -expected["high"])


def test_curves_over_data_sets_are_their_mean():
    found = stats.best_of_k(TRIALS, "test", by="validation", dataset="data.name", level=0.6826895)
    np.testing.assert_allclose(found["expected"], [(0.4 + 0.85) / 2, (0.3 + 0.8) / 2, 0.65])
    half = np.sqrt(0.1**2 + 0.05**2) / 2
    np.testing.assert_allclose((found.high - found.low)[:1] / 2, half, rtol=1e-6)
    assert found.low.iloc[1] == found.high.iloc[1]


def test_intervals_over_data_sets_hold_the_share_of_choices_they_say():
    generator = np.random.default_rng(0)
    scores = generator.random((12, 20))
    trials = pd.DataFrame(
        {"model.name": "snn", "set": np.repeat(range(12), 20), "score": scores.ravel()}
    )
    found = stats.best_of_k(trials, "score", dataset="set").set_index("k")
    for k in (1, 3, 8):
        chosen = generator.permuted(np.broadcast_to(scores, (4000, 12, 20)), axis=2)
        drawn = chosen[..., :k].max(axis=2).mean(axis=1)
        inside = int(((found.low[k] <= drawn) & (drawn <= found.high[k])).sum())
        low, high = scipy.stats.binom.ppf([0.001, 0.999], 4000, [0.885, 0.915])
        assert low <= inside <= high
