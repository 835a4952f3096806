"""The names of the metrics, known before any of them is computed."""

from collections.abc import Mapping

BY_TASK: Mapping[str, tuple[str, ...]] = {
    "classification": ("loss", "accuracy", "macro_f1", "roc_auc"),
    "regression": ("loss", "mse", "rmse", "r2"),
}

MAXIMIZED = frozenset({"accuracy", "macro_f1", "roc_auc", "r2"})
"""Metrics of which more is better; of the others less is."""
