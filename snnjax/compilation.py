"""Compiled programs, kept for the life of the process: one per function, statics and shapes."""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

import jax

Program = Callable[..., Any]

# Vectors as wide as the processor has them are worth 4 to 7 % of a training step; LLVM's higher
# levels of optimisation cost time to compile and none of the steps is faster for them.
_CPU_OPTIONS: dict[str, str | bool] = {
    "xla_cpu_prefer_vector_width": "512",
    "xla_backend_optimization_level": "1",
}

_programs: dict[Hashable, "Future[Program]"] = {}
_lock = threading.Lock()


def compiled(
    function: Callable[..., Any],
    statics: tuple[Hashable, ...],
    arguments: tuple[Any, ...],
    donate: tuple[int, ...] = (),
) -> tuple[Program, float]:
    """Compile `function(*statics, *arguments)`, or find it compiled for the same shapes.

    Threads that want the same program at once compile it once; different programs are compiled
    side by side.

    Args:
        function: A pure function of module level.
        statics: Its leading arguments, part of the traced code.
        arguments: Pytrees of arrays; only their shapes and types are looked at.
        donate: Positions among `arguments` that may be overwritten by the results.

    Returns:
        A callable that takes arguments of the same shapes, and the seconds this call spent
        compiling or waiting for another thread that was.
    """
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    identity = (function, statics, donate, shapes, structure)
    with _lock:
        known = _programs.get(identity)
        program = known or _programs.setdefault(identity, Future())
    if known is not None and known.done():
        return known.result(), 0.0
    began = time.perf_counter()
    if known is None:
        try:
            program.set_result(_compile(function, statics, arguments, donate))
        except BaseException as error:
            with _lock:
                del _programs[identity]
            program.set_exception(error)
    return program.result(), time.perf_counter() - began


def program_count() -> int:
    """Count the programs compiled so far in this process."""
    return len(_programs)


def _compile(
    function: Callable[..., Any],
    statics: tuple[Hashable, ...],
    arguments: tuple[Any, ...],
    donate: tuple[int, ...],
) -> Program:
    offset = len(statics)
    jitted = jax.jit(
        function,
        static_argnums=tuple(range(offset)),
        donate_argnums=tuple(offset + position for position in donate),
    )
    options = _CPU_OPTIONS if jax.default_backend() == "cpu" else None
    return jitted.lower(*statics, *arguments).compile(compiler_options=options)
