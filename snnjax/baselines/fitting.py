"""A method fitted on rows of a data set, and what it says of other rows."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnjax.baselines.config import MethodConfig
from snnjax.baselines.estimators import OF_ONE_TARGET, make_estimator
from snnjax.data.dataset import Dataset

Array = NDArray[Any]


class Outputs(NamedTuple):
    """What a method says of rows, each (rows, outputs) but for the classes.

    Attributes:
        predicted: (rows,) classes; labels 0 or 1; numbers in the unit that they are fitted in.
        scores: What ranks rows for a class or label, -inf of classes without training rows.
        probabilities: Of classes, or of label 1; None of methods that know none.
    """

    predicted: Array
    scores: Array
    probabilities: Array | None


Predict = Callable[[Array], Outputs]


def inputs_of(data: Dataset, rows: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the inputs of some rows as a network sees them, (rows, columns)."""
    scaled: NDArray[np.float32] = (data.features[rows] - data.shift) * data.scale
    return scaled.astype(np.float32, copy=False)


def fit(model: MethodConfig, seed: int, data: Dataset, rows: NDArray[np.int32]) -> Predict:
    """Fit a method on some rows; the same seed gives the same predictions.

    Args:
        model: The method.
        seed: Of what is random in it.
        data: The data set.
        rows: Those to fit on, at least one.
    """
    x, targets = inputs_of(data, rows), data.targets[rows]
    weights = None if data.weights is None else data.weights[rows]
    if data.task == "regression":
        return _regressor(model, seed, x, targets, weights)
    if data.task == "multilabel":
        return _labeller(model, seed, x, targets, weights)
    return _classifier(model, seed, x, targets, weights, data.outputs)


def _regressor(
    model: MethodConfig, seed: int, x: Array, targets: Array, weights: Array | None
) -> Predict:
    estimator = make_estimator(model, "regression", seed, len(x))
    if targets.shape[1] == 1:
        _fit(estimator, x, targets[:, 0], weights)
    else:
        if model.name in OF_ONE_TARGET:
            from sklearn.multioutput import MultiOutputRegressor

            estimator = MultiOutputRegressor(estimator)
        _fit(estimator, x, targets, weights)

    def predict(x: Array) -> Outputs:
        numbers = estimator.predict(x).reshape(len(x), targets.shape[1])
        return Outputs(numbers, numbers, None)

    return predict


def _classifier(
    model: MethodConfig, seed: int, x: Array, labels: Array, weights: Array | None, classes: int
) -> Predict:
    """Fit a classifier; where there is a single class to learn, it is predicted."""
    if len(np.unique(labels)) == 1:
        from sklearn.dummy import DummyClassifier

        estimator = DummyClassifier(strategy="prior")
    else:
        estimator = make_estimator(model, "classification", seed, len(x))
    _fit(estimator, x, labels, weights)

    def predict(x: Array) -> Outputs:
        present = estimator.classes_
        if hasattr(estimator, "predict_proba"):
            probabilities = np.zeros((len(x), classes))
            probabilities[:, present] = estimator.predict_proba(x)
            return Outputs(estimator.predict(x), probabilities, probabilities)
        scores = np.full((len(x), classes), -np.inf)
        decision = estimator.decision_function(x)
        scores[:, present] = decision if decision.ndim == 2 else np.stack([-decision, decision], 1)
        return Outputs(estimator.predict(x), scores, None)

    return predict


def _labeller(
    model: MethodConfig, seed: int, x: Array, targets: Array, weights: Array | None
) -> Predict:
    """Fit a classifier for every label, on the rows that have it; 0 for a label that none has."""
    fitted: list[Predict | None] = []
    for column in targets.T:
        known = ~np.isnan(column)
        own = None if weights is None else weights[known]
        labels = column[known].astype(np.int32)
        fitted.append(_classifier(model, seed, x[known], labels, own, 2) if known.any() else None)

    def predict(x: Array) -> Outputs:
        unknown = Outputs(np.zeros(len(x)), np.zeros((len(x), 2)), np.zeros((len(x), 2)))
        several = [unknown if own is None else own(x) for own in fitted]
        predicted = np.stack([one.predicted for one in several], 1)
        scores = np.stack([one.scores[:, 1] for one in several], 1)
        if any(one.probabilities is None for one in several):
            return Outputs(predicted, scores, None)
        return Outputs(predicted, scores, scores)

    return predict


def _fit(estimator: Any, x: Array, targets: Array, weights: Array | None) -> None:
    chosen = {} if weights is None else {"sample_weight": weights}
    estimator.fit(x, targets, **chosen)
