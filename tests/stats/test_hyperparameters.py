"""Scores by value of a hyperparameter, and best trials on the edge of their grid."""

import numpy as np
import pandas as pd
import pytest

from snnjax import stats

GRID = pd.DataFrame(
    {
        "depth": [2, 2, 8, 8, 32, 32],
        "rate": [0.01, 0.1] * 3,
        "form": ["conic", "rectangular"] * 3,
        "width": 256,
        "score": [0.5, 0.6, 0.7, 0.9, np.nan, 0.8],
    }
)


def test_every_value_has_its_scores_whatever_the_rest():
    found = stats.isolation(GRID, ["depth", "form"], "score").set_index(["key", "value"])
    assert list(found.index) == [
        ("depth", 2), ("depth", 8), ("depth", 32), ("form", "conic"), ("form", "rectangular")
    ]  # fmt: skip
    assert found.loc[("depth", 8), "best"] == 0.9
    assert found.loc[("depth", 8), "median"] == pytest.approx(0.8)
    assert found.loc[("depth", 32), ["trials", "failed"]].tolist() == [2, 1]
    assert found.loc[("form", "conic"), ["worst", "best"]].tolist() == [0.5, 0.7]


@pytest.mark.parametrize("seed", range(3))
def test_quartiles_are_those_of_numpy(seed):
    generator = np.random.default_rng(seed)
    trials = pd.DataFrame({"a": generator.integers(3, size=50), "score": generator.random(50)})
    found = stats.isolation(trials, ["a"], "score").set_index("value")
    for value in range(3):
        own = trials.score[trials.a == value]
        quartiles = found.loc[value, ["worst", "lower", "median", "upper", "best"]].astype(float)
        np.testing.assert_allclose(quartiles, np.quantile(own, [0, 0.25, 0.5, 0.75, 1]))


def test_of_errors_the_lowest_is_best():
    found = stats.isolation(GRID, ["depth"], "score", higher_is_better=False).set_index("value")
    assert found.loc[2, ["worst", "best"]].tolist() == [0.6, 0.5]


def test_null_is_a_value_and_trials_that_all_failed_have_no_scores():
    trials = GRID.assign(clip=[1.0, None, 1.0, None, None, None])
    found = stats.isolation(trials, ["clip"], "score")
    assert found["trials"].tolist() == [2, 4]
    assert found["value"].isna().tolist() == [False, True]
    failed = stats.isolation(trials.assign(score=np.nan), ["depth"], "score")
    assert failed["failed"].tolist() == [2, 2, 2]
    assert failed["best"].isna().all()


def test_best_values_on_an_edge_are_counted():
    found = stats.edges(GRID, ["depth", "rate", "form", "width"], "score")
    assert found.index.tolist() == ["depth", "rate"]
    assert found.loc["depth"].tolist() == [2, 32, 3, 0, 0, 1]
    assert found.loc["rate"].tolist() == [0.01, 0.1, 2, 0, 1, 1]
    worst = stats.edges(GRID, ["depth"], "score", higher_is_better=False)
    assert worst.loc["depth", ["at_lowest", "at_highest"]].tolist() == [1, 0]


def test_each_group_has_a_best_trial():
    other = GRID.assign(score=[0.9, 0.1, 0.2, 0.3, 0.1, 0.2])
    failed = GRID.assign(score=np.nan)
    trials = pd.concat([GRID.assign(set="x"), other.assign(set="y"), failed.assign(set="z")])
    found = stats.edges(trials, ["depth"], "score", within=["set"])
    assert found.loc["depth", ["at_lowest", "at_highest", "of"]].tolist() == [1, 0, 2]


def test_trials_that_all_failed_have_no_edge():
    found = stats.edges(GRID.assign(score=np.nan), ["depth"], "score")
    assert found.loc["depth", ["at_lowest", "at_highest", "of"]].tolist() == [0, 0, 0]
