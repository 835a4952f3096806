"""Losses and their gradients against PyTorch's, with and without padded classes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn import functional

from snnjax.optim.losses import losses_of

ROWS, CLASSES = 40, 5
RANDOM = np.random.default_rng(0)
LOGITS = (3 * RANDOM.normal(size=(ROWS, CLASSES))).astype(np.float32)
LABELS = RANDOM.integers(0, CLASSES, ROWS).astype(np.int32)
TARGETS = (2 * RANDOM.normal(size=(ROWS, CLASSES))).astype(np.float32)


def quadratic(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return ((logits.softmax(1) - functional.one_hot(labels, CLASSES)) ** 2).sum(1)


CASES: dict[str, tuple[str, dict[str, float], Any]] = {
    "cross-entropy": ("default", {}, lambda x, y: functional.cross_entropy(x, y, reduction="none")),
    "smoothed": (
        "cross_entropy",
        {"label_smoothing": 0.1},
        lambda x, y: functional.cross_entropy(x, y, reduction="none", label_smoothing=0.1),
    ),
    "quadratic": ("quadratic", {}, quadratic),
    "squared error": (
        "squared_error",
        {},
        lambda x, y: functional.mse_loss(x, y, reduction="none").mean(1),
    ),
    "huber": (
        "huber",
        {"huber_delta": 0.7},
        lambda x, y: functional.huber_loss(x, y, reduction="none", delta=0.7).mean(1),
    ),
}


@pytest.mark.parametrize("traced", [False, True], ids=["constants", "arrays"])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("case", CASES)
def test_losses(case: str, padding: int, traced: bool) -> None:
    name, numbers, theirs = CASES[case]
    is_regression = name in ("squared_error", "huber")
    if padding and is_regression:
        pytest.skip("outputs of regression are never padded")
    task = "regression" if is_regression else "classification"
    targets = TARGETS if is_regression else LABELS
    given = {n: jnp.float32(v) if traced else v for n, v in numbers.items()}
    logits = np.pad(LOGITS, ((0, 0), (0, padding)), constant_values=-np.inf)

    def ours(outputs: jax.Array) -> jax.Array:
        return losses_of(
            name,
            task,
            outputs,
            jnp.asarray(targets),
            jnp.int32(CLASSES) if padding else CLASSES,
            given.__getitem__,
            given.get("label_smoothing", 0.0),
        )

    outputs = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    expected = theirs(
        outputs, torch.tensor(targets, dtype=torch.float64 if is_regression else torch.int64)
    )
    expected.sum().backward()
    gradients = jax.grad(lambda x: ours(x).sum())(jnp.asarray(logits))
    np.testing.assert_allclose(ours(jnp.asarray(logits)), expected.detach(), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(gradients[:, :CLASSES], outputs.grad, rtol=1e-5, atol=1e-6)
    assert not np.asarray(gradients[:, CLASSES:]).any()
