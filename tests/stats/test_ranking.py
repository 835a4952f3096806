"""Ranks, wins and means against SciPy and by hand; their properties on many tables."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from snnjax import stats
from stats.scores import random_table, table

SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_ranks_are_those_of_scipy(seed):
    given = random_table(seed)
    expected = rankdata(-given.to_numpy(), axis=1)
    assert (stats.ranks(given).to_numpy() == expected).all()
    assert (stats.average_ranks(given).to_numpy() == expected.mean(axis=0)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_missing_scores_that_share_their_places_are_those_of_pandas(seed):
    given = random_table(seed, missing=0.4)
    expected = given.rank(axis=1, ascending=False, na_option="bottom")
    pd.testing.assert_frame_equal(stats.ranks(given, missing="shared"), expected)


def test_ranks_by_hand():
    given = table([[0.9, 0.8, 0.8, 0.1], [0.5, np.nan, 0.7, np.nan]])
    expected = [[1, 2.5, 2.5, 4], [2, 3, 1, 4]]  # b is better than d on the other set
    assert stats.ranks(given).to_numpy().tolist() == expected
    shared = [[1, 2.5, 2.5, 4], [2, 3.5, 1, 3.5]]
    assert stats.ranks(given, missing="shared").to_numpy().tolist() == shared
    assert stats.rank_differences(given).tolist() == [-1, 0.25, -0.75, 1.5]


def test_equally_good_methods_share_the_places_of_missing_scores():
    assert stats.ranks(table([[np.nan, 1, np.nan]])).to_numpy().tolist() == [[2.5, 1, 2.5]]
    assert stats.ranks(table([[np.nan] * 3])).to_numpy().tolist() == [[2, 2, 2]]


@pytest.mark.parametrize("missing", ["better_first", "shared"])
@pytest.mark.parametrize("seed", SEEDS)
class TestProperties:
    def test_ranks_do_not_depend_on_the_order_of_columns_or_rows(self, seed, missing):
        given = random_table(seed, missing=0.4)
        generator = np.random.default_rng(seed)
        columns, rows = generator.permutation(given.columns), generator.permutation(given.index)
        found = stats.ranks(given.loc[rows, columns], missing=missing)
        expected = stats.ranks(given, missing=missing)
        pd.testing.assert_frame_equal(found.loc[given.index, given.columns], expected)

    def test_ranks_of_a_row_have_the_same_sum_whatever_is_missing(self, seed, missing):
        given = random_table(seed, missing=0.4)
        assert (stats.ranks(given, missing=missing).sum(axis=1) == 5 * 6 / 2).all()
        assert stats.rank_differences(given, missing=missing).sum() == pytest.approx(0, abs=1e-12)

    def test_errors_rank_like_scores_of_the_other_sign(self, seed, missing):
        given = random_table(seed, missing=0.2)
        found = stats.ranks(-given, higher_is_better=False, missing=missing)
        pd.testing.assert_frame_equal(found, stats.ranks(given, missing=missing))

    def test_what_keeps_the_order_keeps_the_ranks(self, seed, missing):
        given = random_table(seed, missing=0.2)
        found = stats.ranks(np.exp(given) * 1e-7, missing=missing)
        pd.testing.assert_frame_equal(found, stats.ranks(given, missing=missing))

    def test_missing_scores_come_after_all_others(self, seed, missing):
        given = random_table(seed, missing=0.4)
        found = stats.ranks(given, missing=missing)
        last_known = found.where(given.notna()).max(axis=1).fillna(0)
        first_missing = found.where(given.isna()).min(axis=1).fillna(9)
        assert (first_missing > last_known).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_wins_ties_and_losses_are_those_counted_one_by_one(seed):
    given = random_table(seed, missing=0.2).fillna(-9)
    found = stats.win_tie_loss(given.replace(-9, np.nan), "b")
    for other in "acde":
        pairs = list(zip(given.b, given[other], strict=True))
        counts = [sum(x > y for x, y in pairs), sum(x == y for x, y in pairs)]
        assert found.loc[other].tolist() == [*counts, len(pairs) - sum(counts)]
    swapped = stats.win_tie_loss(-given, "b")
    assert (swapped["win"] == found["loss"]).all()


def test_means_are_those_of_the_data_sets_that_all_have():
    given = table([[0.5, 0.6], [np.nan, 1.0], [0.7, 0.2]])
    assert stats.mean_scores(given).tolist() == pytest.approx([0.6, 0.4])


def test_large_sets_have_as_many_points_as_where_they_are_split():
    given = table([[1, 2], [3, 4], [5, 6]])
    sizes = pd.Series({2: 1000, 7: 5, 0: 999, 1: 1001})
    parts = stats.split_by_size(given, sizes)
    assert parts.small.index.tolist() == [0]
    assert parts.large.index.tolist() == [1, 2]
    assert stats.split_by_size(given, sizes, at=1).small.empty
