"""What tables are refused, and in which words."""

import numpy as np
import pandas as pd
import pytest

from snnjax import stats
from snnjax.config.errors import ConfigError
from snnjax.stats.tables import without_dust
from stats.scores import random_table, table

GOOD = table([[1.0, 2.0], [3.0, 4.0]], ["snn", "msra"])
FUNCTIONS = {
    "ranks": stats.ranks,
    "average_ranks": stats.average_ranks,
    "rank_differences": stats.rank_differences,
    "wilcoxon": stats.wilcoxon,
    "friedman": stats.friedman,
    "nemenyi": stats.nemenyi,
    "win_tie_loss": lambda given: stats.win_tie_loss(given, "snn"),
    "probability": lambda given: stats.probability_of_improvement(given, "snn"),
}
BAD = {
    "no table": (GOOD.to_numpy(), "table=ndarray: no pandas DataFrame"),
    "no rows": (GOOD.iloc[:0], "table: 0 rows, 2 columns"),
    "one method": (GOOD[["snn"]], r"table: 1 method \(snn\); allowed: 2 or more"),
    "a word": (GOOD.assign(msra=["0.5", "good"]), "table=msra: '0.5' is no number"),
    "infinite": (GOOD.assign(msra=[0.5, -np.inf]), "table=msra of 1: -inf is no finite score"),
    "a method twice": (GOOD.rename(columns={"msra": "snn"}), "table=snn: column is there twice"),
    "a data set twice": (pd.concat([GOOD, GOOD]), "table=0: row is there twice"),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("kind", BAD)
def test_bad_tables_are_refused_with_their_fault(function, kind):
    given, message = BAD[kind]
    with pytest.raises(ConfigError, match=message):
        FUNCTIONS[function](given)


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.wilcoxon(GOOD, "sn"),
        lambda: stats.win_tie_loss(GOOD, "SNN-"),
        lambda: stats.probability_of_improvement(GOOD, "snm"),
    ],
)
def test_the_nearest_method_is_named(call):
    with pytest.raises(ConfigError, match=r"allowed: snn, msra; did you mean snn\?"):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.average_ranks(GOOD, missing="share"), "did you mean shared"),
        (lambda: stats.wilcoxon(GOOD, alternative="grater"), "did you mean greater"),
        (lambda: stats.wilcoxon(GOOD, zero_method="pratts"), "did you mean pratt"),
        (lambda: stats.bootstrap_interval(GOOD, "means"), "did you mean mean"),
        (lambda: stats.bootstrap_interval(GOOD, over="seed"), "did you mean seeds"),
        (lambda: stats.bootstrap_interval(GOOD, level=95), "level=95: out of range"),
        (lambda: stats.bootstrap_interval(GOOD, draws=3), "draws=3: out of range; allowed: >= 100"),
        (lambda: stats.critical_difference(1, 10), "k=1: out of range; allowed: >= 2"),
        (lambda: stats.critical_difference(5, 0), "n=0: out of range"),
        (lambda: stats.critical_difference(5, 10, 1.5), "alpha=1.5: out of range"),
        (lambda: stats.friedman(GOOD.iloc[:1]), "table: 1 row; allowed: 2 or more"),
        (lambda: stats.holm([0.1, 1.1]), "p=1.1: out of range"),
        (lambda: stats.holm([]), "p: no p-values"),
        (lambda: stats.mean_scores(GOOD.assign(msra=np.nan)), "msra lacks most"),
        (lambda: stats.binomial_interval(1.2, 10), "accuracy=1.2: out of range"),
        (lambda: stats.binomial_interval(0.5, 0), "rows=0.0: out of range"),
        (lambda: stats.expected_difference(0.5, 2.5), "rows=2.5: out of range"),
        (lambda: stats.expected_difference(0.5, 10, [np.nan]), "accuracy=nan: out of range"),
        (lambda: stats.binomial_interval(0.5, 9, method="wilsn"), "did you mean wilson"),
        (lambda: stats.best_of_k(GOOD, "snm", method="msra"), "did you mean snn"),
        (lambda: stats.best_of_k(GOOD.iloc[:0], "snn", method="msra"), "trials: 0 rows"),
        (lambda: stats.isolation(GOOD, ["snn"], "score"), "no such column"),
        (lambda: stats.edges(GOOD, ["snn"], "msra", within=["set"]), "no such column"),
    ],
)
def test_bad_choices_are_refused_with_what_is_allowed(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_a_missing_size_names_the_data_set():
    sizes = pd.Series({0: 10.0})
    with pytest.raises(ConfigError, match="data set=1: no such data set"):
        stats.split_by_size(GOOD, sizes)
    with pytest.raises(ConfigError, match="sizes=1: no size"):
        stats.split_by_size(GOOD, pd.Series({0: 10.0, 1: np.nan}))


def test_columns_without_any_score_and_of_whole_numbers_are_scores():
    given = pd.DataFrame({"a": [1, 2], "b": [None, None]})
    assert stats.average_ranks(given).tolist() == [1, 2]


def test_nothing_that_is_given_is_changed():
    given = random_table(0, missing=0.2)
    before = given.copy()
    for function in (stats.ranks, stats.wilcoxon, stats.friedman, stats.bootstrap_interval):
        function(given, higher_is_better=False)
    pd.testing.assert_frame_equal(given, before)


def test_dust_of_rounding_is_taken_away_and_nothing_else():
    values = np.array([[0.1 + 0.2, 0.3, np.nan], [1e-9, 1.001e-9, 0.0], [0.0, 0.0, np.nan]])
    found = without_dust(values)
    assert found[0, 0] == found[0, 1]
    assert found[1, 1] > found[1, 0] > found[1, 2] == 0
    np.testing.assert_allclose(found, values, rtol=1e-11)
