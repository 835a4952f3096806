"""Methods on rows of a data set: scikit-learn's own answers, whatever rows and labels there are."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import make_dataset
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC, SVR
from threadpoolctl import threadpool_limits

from snnjax.baselines.config import (
    BoostingConfig,
    ForestConfig,
    LogisticConfig,
    NeighboursConfig,
    SvmConfig,
)
from snnjax.baselines.fitting import fit, inputs_of

FOREST = ForestConfig(n_estimators=20, max_features=0.5, min_samples_leaf=2)
SVM = SvmConfig(C=3.0, gamma=0.07, epsilon=0.2)
NEIGHBOURS = NeighboursConfig(n_neighbors=7, weights="distance")
LOGISTIC = LogisticConfig(C=0.3)
BOOSTING = BoostingConfig(learning_rate=0.2, max_iter=9, max_leaf_nodes=5, min_samples_leaf=3)
CLASSIFIERS = {
    FOREST: RandomForestClassifier(20, max_features=0.5, min_samples_leaf=2, random_state=4),
    SVM: SVC(C=3.0, gamma=0.07),
    NEIGHBOURS: KNeighborsClassifier(7, weights="distance"),
    LOGISTIC: LogisticRegression(C=0.3, max_iter=1000),
    BOOSTING: HistGradientBoostingClassifier(
        learning_rate=0.2, max_iter=9, max_leaf_nodes=5, min_samples_leaf=3,
        early_stopping=False, random_state=4,
    ),
}  # fmt: skip
REGRESSORS = {
    FOREST: RandomForestRegressor(20, max_features=0.5, min_samples_leaf=2, random_state=4),
    SVM: SVR(C=3.0, gamma=0.07, epsilon=0.2),
    NEIGHBOURS: KNeighborsRegressor(7, weights="distance"),
    BOOSTING: HistGradientBoostingRegressor(
        learning_rate=0.2, max_iter=9, max_leaf_nodes=5, min_samples_leaf=3,
        early_stopping=False, random_state=4,
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def on_one_core():
    with threadpool_limits(1):
        yield


def parts(data, split):
    rows = data.rows[split]
    return data.features[rows], data.targets[rows]


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: model.name)
@pytest.mark.parametrize("classes", [2, 3])
def test_classifiers_say_what_those_of_scikit_learn_say(model, classes):
    data = make_dataset(classes=classes)
    outputs = fit(model, 4, data, data.rows["train"])(inputs_of(data, data.rows["test"]))
    own = CLASSIFIERS[model].fit(*parts(data, "train"))
    test, _ = parts(data, "test")
    np.testing.assert_array_equal(outputs.predicted, own.predict(test))
    if model is SVM:
        decision = own.decision_function(test)
        if classes == 2:
            decision = np.stack([-decision, decision], 1)
        np.testing.assert_array_equal(outputs.scores, decision)
        assert outputs.probabilities is None
    else:
        np.testing.assert_array_equal(outputs.probabilities, own.predict_proba(test))


@pytest.mark.parametrize("model", REGRESSORS, ids=lambda model: model.name)
def test_regressors_say_what_those_of_scikit_learn_say(model):
    data = make_dataset(task="regression", classes=1)
    outputs = fit(model, 4, data, data.rows["train"])(inputs_of(data, data.rows["test"]))
    x, y = parts(data, "train")
    expected = REGRESSORS[model].fit(x, y[:, 0]).predict(parts(data, "test")[0])
    np.testing.assert_allclose(outputs.predicted[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("model", REGRESSORS, ids=lambda model: model.name)
def test_several_targets_are_fitted(model):
    data = make_dataset(task="regression", classes=3)
    outputs = fit(model, 4, data, data.rows["train"])(inputs_of(data, data.rows["test"]))
    targets = parts(data, "test")[1]
    assert outputs.predicted.shape == targets.shape
    error = ((outputs.predicted - targets) ** 2).mean(0)
    assert (error < targets.var(0)).all()


def test_inputs_are_scaled_as_a_network_sees_them():
    data = make_dataset()
    image = np.arange(300 * 12, dtype=np.uint8).reshape(300, 12)
    scaled = replace(data, features=image, shift=data.shift + 3, scale=data.scale * 0.5)
    rows = data.rows["test"]
    inputs = inputs_of(scaled, rows)
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs, (image[rows].astype(float) - 3) * 0.5)


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: model.name)
def test_classes_without_training_rows_are_never_predicted_and_rank_last(model):
    data = make_dataset(classes=4)
    train = data.rows["train"]
    known = train[data.targets[train] != 1]
    outputs = fit(model, 0, data, known)(inputs_of(data, data.rows["test"]))
    assert set(outputs.predicted) <= {0, 2, 3}
    others = np.delete(outputs.scores, 1, axis=1)
    assert (outputs.scores[:, 1] <= others.min(1)).all()
    assert outputs.scores.shape == (len(data.rows["test"]), 4)


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: model.name)
def test_a_single_class_is_predicted(model):
    data = make_dataset()
    train = data.rows["train"]
    only = train[data.targets[train] == 2]
    outputs = fit(model, 0, data, only)(inputs_of(data, data.rows["test"]))
    assert set(outputs.predicted) == {2}
    assert (outputs.probabilities == [0, 0, 1]).all()


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: model.name)
def test_every_label_is_learnt_from_the_rows_that_have_it(model):
    data = make_dataset(task="multilabel", classes=3)
    train = data.rows["train"]
    data.targets[train, 2] = np.nan  # of one label there is nothing to learn
    outputs = fit(model, 4, data, train)(inputs_of(data, data.rows["test"]))
    test = data.features[data.rows["test"]]
    for label in (0, 1):
        known = train[~np.isnan(data.targets[train, label])]
        own = CLASSIFIERS[model].fit(data.features[known], data.targets[known, label])
        np.testing.assert_array_equal(outputs.predicted[:, label], own.predict(test))
        score = own.decision_function(test) if model is SVM else own.predict_proba(test)[:, 1]
        np.testing.assert_array_equal(outputs.scores[:, label], score)
    assert (outputs.predicted[:, 2] == 0).all()


def test_neighbours_are_at_most_all_rows():
    data = make_dataset()
    few = data.rows["train"][:4]
    outputs = fit(replace(NEIGHBOURS, n_neighbors=9), 0, data, few)(inputs_of(data, few))
    assert np.isfinite(outputs.probabilities).all()


@pytest.mark.parametrize("model", [FOREST, SVM, LOGISTIC, BOOSTING], ids=lambda model: model.name)
def test_rows_that_weigh_nothing_are_not_learnt_from(model):
    """Moved to other classes, they change nothing."""
    data = make_dataset()
    train = data.rows["train"]
    weights = np.ones(len(data.targets), np.float32)
    weights[train[::3]] = 0
    moved = data.targets.copy()
    moved[train[::3]] = (moved[train[::3]] + 1) % 3
    x = inputs_of(data, data.rows["test"])
    one = fit(model, 0, replace(data, weights=weights), train)(x)
    other = fit(model, 0, replace(data, weights=weights, targets=moved), train)(x)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
