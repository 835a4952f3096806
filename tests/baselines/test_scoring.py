"""Metrics of baselines against scikit-learn's, where there is one that means the same."""

import numpy as np
import pytest
from conftest import make_dataset
from sklearn import metrics as oracle

from snnjax.baselines.fitting import Outputs
from snnjax.baselines.scoring import score


@pytest.fixture
def random():
    return np.random.default_rng(5)


def probabilities_of(random, rows, classes):
    p = random.random((rows, classes)).round(2) + 0.01  # with ties
    return p / p.sum(1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3])
def test_classes(random, classes):
    data = make_dataset(classes=classes)
    labels = data.targets[data.rows["test"]]
    p = probabilities_of(random, len(labels), classes)
    found, by_label = score(Outputs(p.argmax(1), p, p), data, "test")
    ranked = p[:, 1] if classes == 2 else p
    expected = {
        "loss": oracle.log_loss(labels, p),
        "accuracy": oracle.accuracy_score(labels, p.argmax(1)),
        "macro_f1": oracle.f1_score(labels, p.argmax(1), average="macro"),
        "roc_auc": oracle.roc_auc_score(labels, ranked, multi_class="ovr"),
    }
    assert found == pytest.approx(expected, rel=1e-9)
    assert not by_label


def test_a_probability_of_zero_has_a_finite_loss():
    data = make_dataset(classes=2)
    labels = data.targets[data.rows["test"]]
    p = np.eye(2)[1 - labels]  # certain, and wrong
    found, _ = score(Outputs(p.argmax(1), p, p), data, "test")
    assert found["loss"] == pytest.approx(-np.log(np.finfo(np.float32).eps))
    assert found["accuracy"] == found["roc_auc"] == 0


def test_scores_that_are_no_probabilities_have_no_loss(random):
    data = make_dataset()
    labels = data.targets[data.rows["test"]]
    decision = random.normal(size=(len(labels), 3))
    found, _ = score(Outputs(decision.argmax(1), decision, None), data, "test")
    assert np.isnan(found["loss"])
    assert found["accuracy"] == oracle.accuracy_score(labels, decision.argmax(1))
    areas = [oracle.roc_auc_score(labels == kind, decision[:, kind]) for kind in range(3)]
    assert found["roc_auc"] == pytest.approx(np.mean(areas))


def test_a_class_without_training_rows_counts_in_the_area_as_a_tie(random):
    """All rows have the score -inf for it: an area of 1/2, as of chance."""
    data = make_dataset()
    labels = data.targets[data.rows["test"]]
    decision = random.normal(size=(len(labels), 3))
    decision[:, 0] = -np.inf
    found, _ = score(Outputs(decision.argmax(1), decision, None), data, "test")
    areas = [0.5, *(oracle.roc_auc_score(labels == k, decision[:, k]) for k in (1, 2))]
    assert found["roc_auc"] == pytest.approx(np.mean(areas))


def test_labels_of_which_some_are_missing(random):
    data = make_dataset(task="multilabel", classes=3)
    labels = data.targets[data.rows["test"]]
    p = random.random(labels.shape).round(1).clip(0.05, 0.95)
    predicted = (p > 0.5).astype(int)
    found, by_label = score(Outputs(predicted, p, p), data, "test")
    known = ~np.isnan(labels)
    areas = [oracle.roc_auc_score(labels[own, n], p[own, n]) for n, own in enumerate(known.T)]
    expected = {
        "loss": oracle.log_loss(labels[known], p[known]),
        "accuracy": oracle.accuracy_score(labels[known], predicted[known]),
        "roc_auc": np.mean(areas),
    }
    assert found == pytest.approx(expected, rel=1e-6)
    assert by_label == pytest.approx(dict(zip(data.tasks, areas, strict=True)))


def test_a_label_of_one_kind_has_no_area(random):
    data = make_dataset(task="multilabel", classes=2)
    data.targets[data.rows["test"], 0] = 1
    p = random.random((len(data.rows["test"]), 2))
    found, by_label = score(Outputs(p > 0.5, p, p), data, "test")
    assert np.isnan(by_label["task 0"])
    assert found["roc_auc"] == by_label["task 1"]


def test_numbers_in_the_unit_of_the_targets(random):
    data = make_dataset(task="regression", classes=2)  # a unit is 2.5
    targets = data.targets[data.rows["test"]]
    predicted = targets + random.normal(size=targets.shape)
    found, _ = score(Outputs(predicted, predicted, None), data, "test")
    unit = 2.5
    mse = oracle.mean_squared_error(targets * unit, predicted * unit)
    expected = {
        "loss": mse / unit**2,
        "mse": mse,
        "rmse": mse**0.5,
        "r2": oracle.r2_score(targets, predicted),
    }
    assert found == pytest.approx(expected, rel=1e-6)
