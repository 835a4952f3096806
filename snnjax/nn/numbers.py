"""Numbers of a network that are not trained: rates, slopes, sizes of what is not padding.

They lie in the network's state, so that a network is complete in itself and members of one
population may differ in them.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import nnx

from snnjax.config.fields import own_leaves
from snnjax.config.schema import ModelConfig

Value = Callable[[str], Any]
"""Gives a value of the model's configuration; a number may be a constant or a traced array."""


class Number(nnx.Variable):
    """An array that no optimizer changes."""


def keep(number: Any) -> Any:
    """Return what a module can hold of a number: a constant as it is, an array as a `Number`."""
    return Number(number) if isinstance(number, jax.Array) else number


def read(number: Any) -> Any:
    """Return the number that `keep` made holdable."""
    return number[...] if isinstance(number, Number) else number


def is_off(number: Any, off: float = 0.0) -> bool:
    """Tell whether a number is a constant at which its purpose is left out of the program."""
    return isinstance(number, int | float) and number == off


def constants(config: ModelConfig) -> Value:
    """Return the values of a configuration that has no traced numbers."""
    return lambda name: getattr(config, name)


def arguments(piece: Callable[..., Any], value: Value, after: int) -> Mapping[str, Any]:
    """Return the values that a piece takes after its first arguments: those named like a key.

    A constant that is the piece's own default is left out.

    Args:
        piece: A function, such as an activation.
        value: Gives the values.
        after: How many arguments the piece is given anyway.
    """
    parameters = list(inspect.signature(piece).parameters.values())[after:]
    known = own_leaves(ModelConfig)
    given = {p.name: (value(p.name), p.default) for p in parameters if p.name in known}
    return {
        name: number
        for name, (number, default) in given.items()
        if isinstance(number, jax.Array) or number != default
    }
