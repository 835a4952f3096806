"""The names of tasks and of their metrics, known before any of them is computed."""

from collections.abc import Mapping
from typing import Literal

Task = Literal["classification", "regression", "multilabel"]
"""One class of several, numbers, or several yes-or-no questions some of which have no answer."""

BY_TASK: Mapping[str, tuple[str, ...]] = {
    "classification": ("loss", "accuracy", "macro_f1", "roc_auc"),
    "regression": ("loss", "mse", "rmse", "r2"),
    "multilabel": ("loss", "accuracy", "roc_auc"),
}

MAXIMIZED = frozenset({"accuracy", "macro_f1", "roc_auc", "r2"})
"""Metrics of which more is better; of the others less is."""
