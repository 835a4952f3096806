"""Compiled programs, kept for the life of the process: one per function, statics and shapes."""

import time
from collections.abc import Callable, Hashable
from typing import Any

import jax

_programs: dict[Hashable, Callable[..., Any]] = {}


def compiled(
    function: Callable[..., Any],
    statics: tuple[Hashable, ...],
    arguments: tuple[Any, ...],
    donate: tuple[int, ...] = (),
) -> tuple[Callable[..., Any], float]:
    """Compile `function(*statics, *arguments)`, or find it compiled for the same shapes.

    Args:
        function: A pure function of module level.
        statics: Its leading arguments, part of the traced code.
        arguments: Pytrees of arrays; only their shapes and types are looked at.
        donate: Positions among `arguments` that may be overwritten by the results.

    Returns:
        A callable that takes arguments of the same shapes, and the seconds spent compiling.
    """
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    identity = (function, statics, donate, shapes, structure)
    if identity in _programs:
        return _programs[identity], 0.0
    began = time.perf_counter()
    offset = len(statics)
    jitted = jax.jit(
        function,
        static_argnums=tuple(range(offset)),
        donate_argnums=tuple(offset + position for position in donate),
    )
    _programs[identity] = jitted.lower(*statics, *arguments).compile()
    return _programs[identity], time.perf_counter() - began


def program_count() -> int:
    """Count the programs compiled so far in this process."""
    return len(_programs)
