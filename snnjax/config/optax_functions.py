"""The optimizers of optax by name, with the arguments they take; optax is imported when asked."""

import importlib
import inspect
import re
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

DTYPES = ("float32", "bfloat16", "float16")
"""Types of the numbers that an optimizer keeps, for arguments such as `mu_dtype`."""

_FACTOR = re.compile(r"b\d|beta\w*|decay|rho|momentum")
_NOT_NEGATIVE = re.compile(r"(eps|weight_decay|initial|min|max|eta)(_\w+)?|decay_rate|threshold")


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


def describe_mismatch(name: str, value: Any, default: Any) -> str:
    """Say what is to stand in an argument of that name and default, if something else does.

    No argument of optax says by itself what it takes, so that its default and its name have to:
    factors of moving averages, unless their default lies outside, are in [0, 1), epsilons and
    weight decays not below 0. What null stands for, and the types of numbers, may be left out.
    """
    if value is None and default is None:
        return ""
    or_null = ", null" if default is None else ""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true, false"
    if "dtype" in name:
        return "" if value in DTYPES else ", ".join(DTYPES) + or_null
    if "mask" in name:
        return "null"
    if default is not None and not isinstance(default, int | float):
        return "nothing, it cannot be written down"
    is_whole = isinstance(default, int)
    allowed = "an integer" if is_whole else "a number"
    fits = isinstance(value, int if is_whole else int | float) and not isinstance(value, bool)
    low, below = _limits(name, default)
    if low is not None:
        allowed += f" >= {low}" + ("" if below is None else f" and < {below}")
        fits = fits and value >= low and (below is None or value < below)
    return "" if fits else allowed + or_null


def _limits(name: str, default: int | float | None) -> tuple[int | None, int | None]:
    """Return the least value of a numeric argument and the one it stays below, where there are."""
    if _FACTOR.fullmatch(name) and (default is None or 0 <= default < 1):
        return 0, 1
    return (0 if _NOT_NEGATIVE.fullmatch(name) else None), None


def _optax() -> Any:
    """Import optax, which brings JAX with it: for runs that ask for it only."""
    return importlib.import_module("optax")
