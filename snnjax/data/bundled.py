"""The small sets that come with scikit-learn, so that something runs without a single file."""

from collections.abc import Mapping

import numpy as np

from snnjax.data import catalog, folds
from snnjax.data.content import Content

# load_diabetes comes scaled over all rows unless told otherwise: test rows would take part.
_LOADERS: Mapping[str, tuple[str, Mapping[str, bool]]] = {
    "sklearn_breast_cancer": ("load_breast_cancer", {}),
    "sklearn_diabetes": ("load_diabetes", {"scaled": False}),
    "sklearn_digits": ("load_digits", {}),
    "sklearn_iris": ("load_iris", {}),
    "sklearn_linnerud": ("load_linnerud", {}),
    "sklearn_wine": ("load_wine", {}),
}


def read(name: str, root: str | None) -> Content:
    """Read a set out of the installed scikit-learn; `root` is not looked at."""
    from sklearn import datasets  # a second of import time, wasted on every other data set

    function, options = _LOADERS[name]
    features, targets = getattr(datasets, function)(return_X_y=True, **options)
    features = np.asarray(features, dtype=np.float64)
    count = catalog.folds(name)
    if catalog.entry(name).task == "regression":
        values = np.asarray(targets, dtype=np.float64).reshape(len(features), -1)
        fold = folds.partition(np.zeros(len(values), dtype=np.int32), count)
        test = folds.as_masks(fold, count)
        return Content("regression", features, values, values.shape[1], test)
    classes, indices = np.unique(targets, return_inverse=True)
    labels = indices.astype(np.int32)
    test = folds.as_masks(folds.partition(labels, count), count)
    return Content("classification", features, labels, len(classes), test)
