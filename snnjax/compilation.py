"""Compiled programs, kept for the life of the process: one per function, statics and shapes."""

import os
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from snnjax.data.files import cache_folder
from snnjax.executables import Executables, Kept, revive

Executable = Callable[..., Any]


@dataclass(frozen=True)
class Compiling:
    """A program on its way: traced, and being compiled in another thread.

    Attributes:
        shapes: What it returns, as a pytree of shapes.
        executable: The compiled program, later.
    """

    shapes: Any
    executable: "Future[Executable]"

    def result(self) -> tuple[Executable, float]:
        """Return the program, and the seconds this call waited for it."""
        if self.executable.done():
            return self.executable.result(), 0.0
        began = time.perf_counter()
        return self.executable.result(), time.perf_counter() - began


# Vectors as wide as the processor has them are worth 4 to 7 % of a training step; LLVM's higher
# levels of optimisation cost time to compile and none of the steps is faster for them.
_CPU_OPTIONS: dict[str, str | bool] = {
    "xla_cpu_prefer_vector_width": "512",
    "xla_backend_optimization_level": "1",
}

# A program of a small network takes 10 MB, with what JAX keeps of it; a long sweep has thousands.
_MOST_KNOWN = 96

_known: dict[Hashable, "Future[Compiling]"] = {}
_begun: list[str] = []  # by name, in this process
_compiled: list[str] = []  # by name, in this process
_disk: list[Executables] = []  # one, once `keep_compiled` was called


class _Hits(threading.local):
    """Programs that JAX's own cache had for this thread."""

    count = 0


_hits = _Hits()
_lock = threading.Lock()
# XLA compiles without Python's lock; what a population needs is compiled side by side.
_compilers = ThreadPoolExecutor(4, thread_name_prefix="compiler")


def begin_compiling(
    function: Callable[..., Any],
    statics: tuple[Hashable, ...],
    arguments: tuple[Any, ...],
    donate: tuple[int, ...] = (),
) -> Compiling:
    """Begin to compile `function(*statics, *arguments)`, or find it begun for the same shapes.

    Threads that want the same program at once compile it once.

    Args:
        function: A pure function of module level.
        statics: Its leading arguments, part of the traced code.
        arguments: Pytrees of arrays or their shapes; where they lie is for the statics to tell.
        donate: Positions among `arguments` that may be overwritten by the results.

    Returns:
        What takes arguments of the same shapes, once it is compiled.
    """
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    identity = (function, statics, donate, shapes, structure, _has_64_bits())
    with _lock:
        known = _known.get(identity)
        promise = known or _known.setdefault(identity, Future())
    if known is None:
        _begun.append(function.__name__)
        _forget_oldest()
        try:
            promise.set_result(_begin(function, statics, arguments, donate))
            promise.result().executable.add_done_callback(lambda f: _forget_failed(identity, f))
        except BaseException as error:
            _forget(identity)
            promise.set_exception(error)
    return promise.result()


def compiled(
    function: Callable[..., Any],
    statics: tuple[Hashable, ...],
    arguments: tuple[Any, ...],
    donate: tuple[int, ...] = (),
) -> tuple[Executable, float]:
    """Compile and wait for it; see `begin_compiling`.

    Returns:
        A callable that takes arguments of the same shapes, and the seconds this call spent
        compiling or waiting for another thread that was.
    """
    began = time.perf_counter()
    executable, waited = begin_compiling(function, statics, arguments, donate).result()
    return executable, time.perf_counter() - began if waited else 0.0


def program_count() -> int:
    """Count the programs made ready so far in this process, compiled or found on disk."""
    return len(_begun)


def compilation_count() -> int:
    """Count the programs that this process had to compile so far."""
    return len(_compiled)


def keep_compiled() -> None:
    """Keep compiled programs in the user's cache, so that the next process finds them.

    JAX's own cache takes part: it has what other source code or another library compiled alike.
    JAX_COMPILATION_CACHE_DIR in the environment names another folder. One that cannot be written
    is left alone. JAX_ENABLE_COMPILATION_CACHE=0 switches all of it off.
    """
    if not jax.config.values["jax_enable_compilation_cache"]:
        return
    chosen = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or cache_folder() / "compiled")
    try:
        chosen.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(chosen, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(chosen))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        _disk[:] = [Executables(chosen)]


def _begin(
    function: Callable[..., Any],
    statics: tuple[Hashable, ...],
    arguments: tuple[Any, ...],
    donate: tuple[int, ...],
) -> Compiling:
    options = _CPU_OPTIONS if jax.default_backend() == "cpu" else None
    has_64_bits = _has_64_bits()
    disk = _disk[0] if _disk else None
    place = disk and disk.place(function, statics, arguments, donate, options, has_64_bits)

    def lower() -> tuple[jax.stages.Lowered, Any]:
        offset = len(statics)
        jitted = jax.jit(
            function,
            static_argnums=tuple(range(offset)),
            donate_argnums=tuple(offset + position for position in donate),
        )
        lowered = jitted.lower(*statics, *arguments)
        return lowered, jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), lowered.out_info
        )

    def compile_and_keep(lowered: jax.stages.Lowered, shapes: Any) -> Executable:
        before = _hits.count
        executable = lowered.compile(compiler_options=options)
        if _hits.count == before:
            _compiled.append(function.__name__)
            # What comes out of JAX's cache lacks its code when it is serialized again.
            if disk and place:
                disk.keep(place, shapes, executable)
        return executable

    def wake(kept: Kept) -> Executable:
        with jax.enable_x64(has_64_bits):  # of this thread, which is another
            try:
                return revive(kept, arguments)
            except Exception:  # whatever is wrong with what was kept, it can be made again
                return compile_and_keep(*lower())

    if disk and place and (kept := disk.find(place)) is not None:
        return Compiling(kept.shapes, _compilers.submit(wake, kept))
    lowered, shapes = lower()
    return Compiling(shapes, _compilers.submit(compile_and_keep, lowered, shapes))


def _has_64_bits() -> bool:
    """Tell whether what this thread traces has types of 64 bits: that is a thread's own."""
    return jax.dtypes.canonicalize_dtype(float) == np.float64


def _count_hit(event: str, **_: Any) -> None:
    if event == "/jax/compilation_cache/cache_hits":
        _hits.count += 1


jax.monitoring.register_event_listener(_count_hit)


def _forget_failed(identity: Hashable, executable: "Future[Executable]") -> None:
    if executable.exception() is not None:
        _forget(identity)


def _forget_oldest() -> None:
    """Keep the later half of the programs where there are too many; who uses one has it anyway.

    JAX keeps them all, too, until it is told to forget everything.
    """
    with _lock:
        if len(_known) <= _MOST_KNOWN:
            return
        for identity in list(_known)[: -_MOST_KNOWN // 2]:
            del _known[identity]
    jax.clear_caches()


def _forget(identity: Hashable) -> None:
    with _lock:
        _known.pop(identity, None)
