"""The configurations that are tried of every method: all combinations of these values.

Each is a trial with a run folder of its own; which of them stands for the method is chosen by the
validation rows, as among networks.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

GRIDS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "random_forest": {
        "n_estimators": (500,),
        "max_features": ("sqrt", 0.5),
        "min_samples_leaf": (1, 4),
    },
    "svm": {
        "C": (0.25, 1.0, 4.0, 16.0, 64.0, 256.0),
        "gamma": tuple(2.0**power for power in (-9, -7, -5, -3, -1, 1)),
    },
    "knn": {
        "n_neighbors": (1, 3, 5, 9, 15, 25),
        "weights": ("uniform", "distance"),
    },
    "logistic_regression": {
        "C": tuple(10.0**power for power in (-3, -2, -1, 0, 1, 2, 3)),
    },
    "gradient_boosting": {
        "learning_rate": (0.03, 0.1),
        "max_iter": (100, 300),
        "max_leaf_nodes": (7, 31),
        "min_samples_leaf": (5, 20),
    },
}


def grid_points(
    method: str, instead: Mapping[str, Sequence[Any]] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the configurations of a method, the last key varying fastest.

    Args:
        method: One of `GRIDS`.
        instead: For some keys, in the grid or not, the values to try instead.
    """
    axes = {**GRIDS[method], **(instead or {})}
    for values in itertools.product(*axes.values()):
        yield {"name": method, **dict(zip(axes, values, strict=True))}
