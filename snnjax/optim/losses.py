"""Losses of rows: from the network's outputs and the targets to (rows,) numbers."""

from typing import Any

import jax
import jax.numpy as jnp

from snnjax.metric_names import Task
from snnjax.nn.numbers import Value, is_off


def losses_of(
    name: str,
    task: Task,
    outputs: jax.Array,
    targets: jax.Array,
    classes: Any,
    value: Value,
    smoothing: Any,
) -> jax.Array:
    """Return the loss of every row; of every label, (rows, outputs), where these are several.

    Args:
        name: Of the loss; `default` is the usual one of the task.
        task: What the outputs mean.
        outputs: (rows, outputs) predictions, or logits, -inf for classes that are padding.
        targets: (rows, outputs) float32, or (rows,) int32 classes; of several labels 0, 1, or NaN
            where one is missing, which has the loss 0.
        classes: How many classes are not padding.
        value: Gives the numbers of the loss.
        smoothing: Share of a label's probability spread over all classes.
    """
    if task == "multilabel":
        return sigmoid_cross_entropy(outputs, targets, smoothing)
    if task == "regression":
        errors = outputs - targets
        if name == "huber":
            return huber(errors, value("huber_delta")).mean(1)
        return (errors**2).mean(1)
    if name == "quadratic":
        return quadratic(outputs, targets)
    losses = cross_entropy(outputs, targets)
    if is_off(smoothing):
        return losses
    return (1 - smoothing) * losses + smoothing * _spread_entropy(outputs, classes)


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Return -log p of each row's class, from (rows, classes) logits and (rows,) labels.

    Comparing classes with labels is cheaper than gathering by them, and so is the gradient.
    """
    shifted = logits - jax.lax.stop_gradient(logits.max(1, keepdims=True))
    is_label = jnp.arange(logits.shape[1])[None, :] == labels[:, None]
    return jnp.log(jnp.exp(shifted).sum(1)) - jnp.where(is_label, shifted, 0).sum(1)


def sigmoid_cross_entropy(logits: jax.Array, labels: jax.Array, smoothing: Any = 0.0) -> jax.Array:
    """Return -log p of each label, 0 where it is missing: p = sigmoid(logit) of 1, else 1 - p.

    A smoothed label is (1 - smoothing) * label + smoothing / 2.
    """
    losses = jax.nn.softplus(jnp.where(labels > 0.5, -logits, logits))
    if not is_off(smoothing):
        both = jax.nn.softplus(logits) + jax.nn.softplus(-logits)
        losses = (1 - smoothing) * losses + smoothing / 2 * both
    return jnp.where(jnp.isnan(labels), 0, losses)


def quadratic(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Return the squared distance of the softmax probabilities from the label's."""
    is_label = jnp.arange(logits.shape[1])[None, :] == labels[:, None]
    return ((jax.nn.softmax(logits) - is_label) ** 2).sum(1)


def huber(errors: jax.Array, delta: Any) -> jax.Array:
    """Return e^2 / 2 up to |e| = delta, beyond it delta (|e| - delta / 2) (Huber 1964)."""
    size = jnp.abs(errors)
    return jnp.where(size <= delta, errors**2 / 2, delta * (size - delta / 2))


def _spread_entropy(logits: jax.Array, classes: Any) -> jax.Array:
    """Return the cross-entropy of a label spread evenly over all classes that are not padding."""
    is_used = jnp.arange(logits.shape[1])[None, :] < classes
    log_p = jax.nn.log_softmax(logits)
    return -jnp.where(is_used, log_p, 0).sum(1) / classes
