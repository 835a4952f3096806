"""The printed ranks, p-values and means of Klambauer et al. 2017 from its printed accuracies."""

import numpy as np
import pytest

from snnjax import printed, stats

ACCURACIES = printed.uci_accuracies()
RANKS = printed.read("uci_ranks").set_index(["table", "method"])
TABLE_1 = RANKS.loc["T1left"]
NETWORKS = ("msra", "layernorm", "highway", "resnet", "weightnorm", "batchnorm")
PARTS = dict(zip(("A12", "A13"), stats.split_by_size(
    printed.uci_with_classical(), printed.uci_points()), strict=True))  # fmt: skip


def p_values(which):
    """Return one-sided p-values of the best method against all others, and the printed ones."""
    scores, shown = PARTS[which], RANKS.loc[which]
    found = stats.wilcoxon(scores, shown["value"].idxmin(), alternative="greater")
    return found, shown["p"].dropna()


@pytest.mark.parametrize("columns", [list(ACCURACIES), sorted(ACCURACIES), [*TABLE_1.index[::-1]]])
def test_rank_differences_of_table_1(columns):
    """That of SNN as printed, whatever the order of columns; the others within 0.02."""
    found = stats.rank_differences(ACCURACIES[columns])
    assert round(found["snn"], 3) == -0.756
    assert np.abs(found - TABLE_1["value"]).max() < 0.02
    assert found.idxmin() == "snn"


def test_missing_scores_that_share_their_places_do_not_give_the_printed_rank():
    assert round(stats.rank_differences(ACCURACIES, missing="shared")["snn"], 3) == -0.744


@pytest.mark.parametrize("method", NETWORKS)
def test_one_sided_p_values_of_table_1(method):
    """Within 5 %: the printed accuracies are rounded to four digits, and not all are those used."""
    found = stats.wilcoxon(ACCURACIES, "snn", alternative="greater")[method]
    assert found == pytest.approx(TABLE_1["p"][method], rel=0.05)


def test_two_sided_p_values_are_not_those_printed():
    found = stats.wilcoxon(ACCURACIES, "snn")["msra"]
    assert round(found, 3) == 0.056
    assert found > 1.9 * TABLE_1["p"]["msra"]


@pytest.mark.parametrize("zero_method", ["pratt", "zsplit"])
def test_zeros_that_are_ranked_do_not_give_the_printed_p_values(zero_method):
    options = {"zero_method": zero_method, "alternative": "greater"}
    found = stats.wilcoxon(ACCURACIES, "snn", **options)
    assert found["msra"] < 0.85 * TABLE_1["p"]["msra"]
    assert found["resnet"] > 1.1 * TABLE_1["p"]["resnet"]


def test_ranks_of_24_methods_on_the_75_small_sets():
    scores, shown = PARTS["A12"], RANKS.loc["A12", "value"]
    assert scores.shape == (75, 24)
    assert np.abs(stats.average_ranks(scores) - shown).max() < 0.15


def test_ranks_of_24_methods_on_the_46_large_sets():
    scores, shown = PARTS["A13"], RANKS.loc["A13", "value"]
    assert scores.shape == (46, 24)
    found = stats.average_ranks(scores)
    assert np.abs(found - shown).max() < 0.15
    assert (np.abs(found - shown) < 0.1).sum() >= 22
    right = RANKS.loc["T1right", "value"].rename(
        {"SVM": "LibSVM_weka", "RandomForest": "RRFglobal_caret"}
    )
    assert np.abs(stats.rank_differences(scores)[right.index] - right).max() < 0.15


def test_p_values_of_24_methods_on_the_small_sets():
    """75 differences with ties: the normal approximation with its correction for continuity."""
    found, shown = p_values("A12")
    assert len(shown) == 23
    assert np.abs(np.log(found[shown.index] / shown)).max() < 0.07


# 46 differences: exact where there is neither a tie nor a zero, here as in the paper.
EXACT = ("Dagging_weka", "lvq_caret", "NaiveBayes_weka", "pam_caret", "simpls_R", "batchnorm")


@pytest.mark.parametrize("method", EXACT)
def test_exact_p_values_on_the_large_sets(method):
    found, shown = p_values("A13")
    assert found[method] == pytest.approx(shown[method], rel=0.03)


def test_p_values_of_the_best_methods_on_the_large_sets():
    found, shown = p_values("A13")
    for method in ("LibSVM_weka", "RRFglobal_caret", "msra", "layernorm", "highway", "weightnorm"):
        assert found[method] == pytest.approx(shown[method], rel=0.11)


MEANS = {
    "all": (0.8139, 0.8011, 0.7968, 0.7924, 0.7868, 0.7766, 0.7724),
    "large": (0.8647, 0.8565, 0.8564, 0.8503, 0.8433, 0.8488, 0.8350),
}


@pytest.mark.parametrize("which", MEANS)
def test_mean_accuracies(which):
    """Not printed; computed independently from the printed accuracies."""
    large = stats.split_by_size(ACCURACIES, printed.uci_points()).large
    found = stats.mean_scores({"all": ACCURACIES, "large": large}[which])
    order = ["snn", "msra", "layernorm", "resnet", "highway", "weightnorm", "batchnorm"]
    assert found[order].round(4).tolist() == list(MEANS[which])


def test_printed_accuracies_are_shares_of_the_test_rows():
    rows = printed.uci_test_rows()[ACCURACIES.index]
    right = ACCURACIES.mul(rows, axis=0)
    assert (np.abs(right - right.round()).div(rows, axis=0).max() < 6e-5).all()
