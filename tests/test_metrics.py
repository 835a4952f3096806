"""Metrics from sums equal scikit-learn's, ties and absent classes included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as sklearn

from snnjax.metrics import (
    areas,
    class_counts,
    concordant_pairs,
    count_pairs,
    label_counts,
    summarize,
)


def sums_of(scores, labels, mask=None):
    mask = np.ones(len(labels), bool) if mask is None else mask
    classes = scores.shape[1]
    labels = jnp.asarray(labels, jnp.int32)
    first = 1 if classes == 2 else 0
    counts = class_counts(labels, jnp.asarray(scores).argmax(1), mask, classes)
    pairs = jax.jit(concordant_pairs, static_argnums=3)
    return {
        "loss": np.float64(0),
        "count": np.float64(mask.sum()),
        **{name: np.asarray(count, np.int64) for name, count in counts.items()},
        "pairs": np.asarray(pairs(scores[:, first:], labels, mask, first), np.int64),
    }


def random_scores(rows, classes, seed, decimals=None):
    random = np.random.default_rng(seed)
    scores = random.dirichlet(np.ones(classes), rows).astype(np.float32)
    if decimals is not None:
        scores = np.round(scores, decimals)
    return scores, random.integers(0, classes, rows)


@pytest.mark.parametrize("decimals", [None, 1], ids=["distinct", "ties"])
@pytest.mark.parametrize(("rows", "classes"), [(7, 2), (500, 2), (501, 3), (4097, 10)])
def test_classification_equals_scikit_learn(rows, classes, decimals):
    scores, labels = random_scores(rows, classes, rows + classes, decimals)
    ours = summarize(sums_of(scores, labels))
    predictions = scores.argmax(1)
    assert ours["accuracy"] == pytest.approx(sklearn.accuracy_score(labels, predictions))
    assert ours["macro_f1"] == pytest.approx(sklearn.f1_score(labels, predictions, average="macro"))
    areas = [
        sklearn.roc_auc_score(labels == c, scores[:, c])
        for c in range(1 if classes == 2 else 0, classes)
    ]
    assert ours["roc_auc"] == pytest.approx(np.mean(areas), rel=1e-12)


@pytest.mark.parametrize("decimals", [None, 1], ids=["distinct", "ties"])
@pytest.mark.parametrize(("rows", "classes"), [(1, 2), (500, 2), (5000, 4)])
def test_pairs_are_counted_alike_on_host_and_device(rows, classes, decimals):
    scores, labels = random_scores(rows, classes, rows, decimals)
    on_device = sums_of(scores, labels)["pairs"].sum(1, keepdims=True)
    np.testing.assert_array_equal(count_pairs(scores, labels), on_device)


def test_padding_does_not_count():
    scores, labels = random_scores(300, 4, 1)
    mask = np.arange(300) < 211
    ours, plain = (
        summarize(sums_of(scores, labels, mask)),
        summarize(sums_of(scores[:211], labels[:211])),
    )
    assert ours == plain


def test_a_class_that_is_absent_does_not_count():
    scores, labels = random_scores(400, 5, 2)
    labels[labels == 3] = 1
    ours = summarize(sums_of(scores, labels))
    f1 = sklearn.f1_score(labels, scores.argmax(1), average="macro")
    areas = [sklearn.roc_auc_score(labels == c, scores[:, c]) for c in (0, 1, 2, 4)]
    assert ours["macro_f1"] == pytest.approx(f1)
    assert ours["roc_auc"] == pytest.approx(np.mean(areas))


def test_a_single_class_has_no_roc_curve():
    scores, _ = random_scores(20, 2, 3)
    assert np.isnan(summarize(sums_of(scores, np.zeros(20, int)))["roc_auc"])


def test_pairs_of_a_large_split_do_not_overflow():
    """130,000 rows: 2 * positives * negatives is 8.4e9, four times what int32 holds."""
    rows = 130_000
    labels = np.arange(rows) % 2
    scores = np.stack([1.0 - labels, labels], 1).astype(np.float32)
    assert summarize(sums_of(scores, labels))["roc_auc"] == 1.0


@pytest.mark.parametrize("outputs", [1, 3])
def test_regression_equals_scikit_learn(outputs):
    random = np.random.default_rng(outputs)
    scale, y = random.uniform(1, 5, outputs), random.normal(size=(101, outputs))
    predicted = y + 0.3 * random.normal(size=y.shape)
    sums = {"loss": 0.0, "count": 101.0, "squared_error": ((predicted - y) ** 2).sum(0)}
    ours = summarize(sums, scale, ((y - y.mean(0)) ** 2).sum(0))
    expected = sklearn.mean_squared_error(y * scale, predicted * scale)
    assert ours["mse"] == pytest.approx(expected)
    assert ours["rmse"] == pytest.approx(np.sqrt(expected))
    assert ours["r2"] == pytest.approx(sklearn.r2_score(y, predicted))


@pytest.mark.parametrize("error", [0.0, 0.5])
def test_r2_of_a_constant_target_is_scikit_learns(error):
    y = np.ones((10, 1))
    sums = {"loss": 0.0, "count": 10.0, "squared_error": np.array([10 * error**2])}
    ours = summarize(sums, np.ones(1), np.zeros(1))
    assert ours["r2"] == sklearn.r2_score(y, y + error)


def sums_of_labels(scores, labels, mask=None):
    mask = np.ones(len(labels), bool) if mask is None else mask
    labels, scores = jnp.asarray(labels, jnp.float32), jnp.asarray(scores)
    counts = label_counts(labels, scores, mask)
    pairs = jax.jit(concordant_pairs)(scores, labels, mask)
    numbers = {name: np.asarray(count, np.int64) for name, count in counts.items()}
    count = np.float64((numbers["positives"] + numbers["negatives"]).sum())
    return {"loss": np.float64(0), "count": count, **numbers, "pairs": np.asarray(pairs, np.int64)}


def random_labels(rows, tasks, seed, decimals=None):
    random = np.random.default_rng(seed)
    scores = random.normal(size=(rows, tasks)).astype(np.float32)
    labels = np.where(
        random.random((rows, tasks)) < 0.4, np.nan, random.random((rows, tasks)) > 0.7
    )
    return scores if decimals is None else np.round(scores, decimals), labels


@pytest.mark.parametrize("decimals", [None, 0], ids=["distinct", "ties"])
@pytest.mark.parametrize(("rows", "tasks"), [(60, 1), (500, 2), (4099, 3)])
def test_labels_equal_scikit_learn_where_they_are_there(rows, tasks, decimals):
    scores, labels = random_labels(rows, tasks, rows, decimals)
    ours, known = sums_of_labels(scores, labels), ~np.isnan(labels)
    np.testing.assert_array_equal(count_pairs(scores, labels), ours["pairs"].sum(1, keepdims=True))
    expected = [
        sklearn.roc_auc_score(labels[known[:, n], n], scores[known[:, n], n]) for n in range(tasks)
    ]
    np.testing.assert_allclose(areas(ours), expected, rtol=1e-12)
    metrics = summarize(ours)
    assert metrics["roc_auc"] == pytest.approx(np.mean(expected), rel=1e-12)
    hits = sklearn.accuracy_score(labels[known], scores[known] > 0)
    assert metrics["accuracy"] == pytest.approx(hits)
    on_device = summarize({name: jnp.asarray(value) for name, value in ours.items()}, xp=jnp)
    assert float(on_device["roc_auc"]) == pytest.approx(metrics["roc_auc"], rel=1e-6)


def test_a_label_without_rows_of_a_kind_has_no_area_and_does_not_count():
    scores, labels = random_labels(300, 4, 7)
    labels[:, 1] = np.where(np.isnan(labels[:, 1]), np.nan, 1)
    labels[:, 2] = np.nan
    mask = np.arange(300) < 211
    ours = sums_of_labels(scores, labels, mask)
    by_label = areas(ours)
    assert np.isnan(by_label).tolist() == [False, True, True, False]
    assert summarize(ours)["roc_auc"] == pytest.approx(by_label[[0, 3]].mean())
    cut = sums_of_labels(scores[:211], labels[:211])
    assert summarize(ours) == summarize(cut)
    labels[:] = np.nan
    labels[0] = 1
    assert np.isnan(summarize(sums_of_labels(scores, labels))["roc_auc"])


def test_device_and_host_agree():
    scores, labels = random_scores(300, 3, 5)
    sums = sums_of(scores, labels)
    on_host = summarize(sums)
    on_device = summarize({name: jnp.asarray(value) for name, value in sums.items()}, xp=jnp)
    for name in on_host:
        assert float(on_device[name]) == pytest.approx(float(on_host[name]), rel=1e-6), name
