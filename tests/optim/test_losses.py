"""Losses and their gradients against PyTorch's, with and without padded classes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from conftest import hasty
from torch.nn import functional

from snnjax.optim.losses import losses_of, sigmoid_cross_entropy

ROWS, CLASSES = 40, 5
RANDOM = np.random.default_rng(0)
LOGITS = (3 * RANDOM.normal(size=(ROWS, CLASSES))).astype(np.float32)
LABELS = RANDOM.integers(0, CLASSES, ROWS).astype(np.int32)
SEVERAL = np.where(RANDOM.random((ROWS, CLASSES)) < 0.3, np.nan, LOGITS > 1).astype(np.float32)
SEVERAL[0] = np.nan
TARGETS = (2 * RANDOM.normal(size=(ROWS, CLASSES))).astype(np.float32)


def quadratic(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return ((logits.softmax(1) - functional.one_hot(labels, CLASSES)) ** 2).sum(1)


def sigmoid(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    losses = functional.binary_cross_entropy_with_logits(
        logits, labels.nan_to_num(), reduction="none"
    )
    return torch.where(labels.isnan(), 0.0, losses)


CASES: dict[str, tuple[str, dict[str, float], Any]] = {
    "cross-entropy": ("default", {}, lambda x, y: functional.cross_entropy(x, y, reduction="none")),
    "smoothed": (
        "cross_entropy",
        {"label_smoothing": 0.1},
        lambda x, y: functional.cross_entropy(x, y, reduction="none", label_smoothing=0.1),
    ),
    "quadratic": ("quadratic", {}, quadratic),
    "labels": ("sigmoid", {}, sigmoid),
    "smoothed labels": (
        "sigmoid",
        {"label_smoothing": 0.1},
        lambda x, y: sigmoid(x, 0.9 * y + 0.05),
    ),
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


TASKS = {"squared_error": "regression", "huber": "regression", "sigmoid": "multilabel"}


@pytest.mark.parametrize("traced", [False, True], ids=["constants", "arrays"])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("case", CASES)
def test_losses(case: str, padding: int, traced: bool) -> None:
    name, numbers, theirs = CASES[case]
    task = TASKS.get(name, "classification")
    if padding and task != "classification":
        pytest.skip("outputs of regression are never padded, and labels by what is missing")
    targets = {"regression": TARGETS, "multilabel": SEVERAL}.get(task, LABELS)
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

    @hasty
    def ours_and_gradients(outputs: jax.Array) -> Any:
        return ours(outputs), jax.grad(lambda x: ours(x).sum())(outputs)

    outputs = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    expected = theirs(
        outputs,
        torch.tensor(targets, dtype=torch.int64 if task == "classification" else torch.float64),
    )
    expected.sum().backward()
    losses, gradients = ours_and_gradients(jnp.asarray(logits))
    np.testing.assert_allclose(losses, expected.detach(), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(gradients[:, :CLASSES], outputs.grad, rtol=1e-5, atol=1e-6)
    assert not np.asarray(gradients[:, CLASSES:]).any()


def test_sure_logits_have_the_loss_of_float64() -> None:
    """-log p of p near 1 is as exact as of any other, not 0; missing labels give no gradient."""
    logits = jnp.array([[20.0, -20.0, 60.0, -90.0]])
    labels = jnp.array([[1.0, 0.0, 0.0, np.nan]])
    expected = [np.log1p(np.exp(-20.0)), np.log1p(np.exp(-20.0)), 60.0, 0.0]
    np.testing.assert_allclose(sigmoid_cross_entropy(logits, labels)[0], expected, rtol=1e-6)
    gradients = jax.grad(lambda x: sigmoid_cross_entropy(x, labels).sum())(logits)[0]
    np.testing.assert_allclose(gradients, [-np.exp(-20.0), np.exp(-20.0), 1.0, 0.0], rtol=1e-5)
