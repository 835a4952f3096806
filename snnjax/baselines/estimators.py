"""From the configuration of a method to scikit-learn's estimator of it."""

from collections.abc import Callable, Mapping
from typing import Any

from snnjax.baselines.config import (
    BoostingConfig,
    ForestConfig,
    LogisticConfig,
    MethodConfig,
    NeighboursConfig,
    SvmConfig,
)
from snnjax.metric_names import Task

CLASSIFIERS_ONLY = frozenset({"logistic_regression"})
"""Methods without a form for regression."""
WITHOUT_PROBABILITIES = frozenset({"svm"})
"""Methods that rank classes by another score, so that their `loss` is unknown."""
WITHOUT_WEIGHTS = frozenset({"knn"})
"""Methods that cannot weigh rows."""
OF_ONE_TARGET = frozenset({"svm", "gradient_boosting"})
"""Methods that fit each of several regression targets alone."""


def make_estimator(model: MethodConfig, task: Task, seed: int, rows: int) -> Any:
    """Return an estimator that is not fitted.

    Args:
        model: The method and its numbers.
        task: `classification` and `multilabel` ask for a classifier.
        seed: Of what is random in the method.
        rows: How many rows it will be fitted on.
    """
    make = _MAKERS[type(model)]
    return make(model, task == "regression", seed, rows)


def _forest(model: ForestConfig, is_regression: bool, seed: int, rows: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestRegressor if is_regression else RandomForestClassifier
    return kind(
        n_estimators=model.n_estimators,
        max_features=model.max_features,
        min_samples_leaf=model.min_samples_leaf,
        random_state=seed,
    )


def _svm(model: SvmConfig, is_regression: bool, seed: int, rows: int) -> Any:
    from sklearn.svm import SVC, SVR

    if is_regression:
        return SVR(C=model.C, gamma=model.gamma, epsilon=model.epsilon)
    return SVC(C=model.C, gamma=model.gamma)


def _neighbours(model: NeighboursConfig, is_regression: bool, seed: int, rows: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    kind = KNeighborsRegressor if is_regression else KNeighborsClassifier
    return kind(n_neighbors=min(model.n_neighbors, rows), weights=model.weights)


def _logistic(model: LogisticConfig, is_regression: bool, seed: int, rows: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=model.C, max_iter=model.max_iter)


def _boosting(model: BoostingConfig, is_regression: bool, seed: int, rows: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    return kind(
        learning_rate=model.learning_rate,
        max_iter=model.max_iter,
        max_leaf_nodes=model.max_leaf_nodes,
        min_samples_leaf=model.min_samples_leaf,
        early_stopping=False,
        random_state=seed,
    )


_MAKERS: Mapping[type, Callable[..., Any]] = {
    ForestConfig: _forest,
    SvmConfig: _svm,
    NeighboursConfig: _neighbours,
    LogisticConfig: _logistic,
    BoostingConfig: _boosting,
}
