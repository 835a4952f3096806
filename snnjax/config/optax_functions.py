"""The optimizers of optax by name, with the arguments they take; optax is imported when asked."""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

_RATE = "learning_rate"
_NEEDS_LOSS = "needs the value of the loss at every step, which an optimizer is not given here"

NOT_OFFERED: Mapping[str, str] = {
    "lbfgs": _NEEDS_LOSS,
    "polyak_sgd": _NEEDS_LOSS,
    "noisy_sgd": "draws from a key of its own; regularization.noise adds noise to gradients",
}
"""Optimizers that do not fit into a training step, and why."""


@cache
def arguments_of(function: str) -> Mapping[str, Any] | None:
    """Return what an optimizer takes beside the learning rate, by name, with the defaults.

    None of what is no optimizer of optax: public, a function, the learning rate first.
    """
    found = getattr(_optax(), function, None)
    if function.startswith(("_", "scale_")) or not inspect.isfunction(found):
        return None
    defaults = {name: p.default for name, p in inspect.signature(found).parameters.items()}
    is_first = next(iter(defaults), "") == _RATE
    return {n: default for n, default in defaults.items() if n != _RATE} if is_first else None


@cache
def functions() -> Sequence[str]:
    """Return the names of all optimizers."""
    names = (name for name in dir(_optax()) if name not in NOT_OFFERED)
    return tuple(name for name in names if arguments_of(name) is not None)


def describe_mismatch(value: Any, default: Any) -> str:
    """Say what is to stand in an argument with that default, if it is not what stands there."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true, false"
    if isinstance(default, int | float):
        return "" if is_number else "a number"
    return ""


def _optax() -> Any:
    """Import optax, which brings JAX with it: for runs that ask for it only."""
    return importlib.import_module("optax")
