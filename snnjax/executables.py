"""Compiled programs on disk, found again without tracing them.

JAX's own cache is asked with the lowered program, and tracing and lowering one takes as long as
compiling a small one does. Here a program is found by all that it is made from: the function and
its statics, the shapes of its arguments, the source code of this package, the versions of the
libraries, JAX's configuration, and the processor.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import pickle
import platform
import time
import zlib
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import serialize_executable

from snnjax.source_code import package_digest
from snnjax.whole_file import write_whole

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
_SUFFIX = ".program"
_LAPACK = b"lapack_"  # begins the names of what decompositions call on a CPU
_UNUSED_DAYS = 30  # after which a program is removed


class Kept(NamedTuple):
    """A program as it lies on disk.

    Attributes:
        shapes: What it returns, as a pytree of shapes.
        content: The serialized executable.
    """

    shapes: Any
    content: bytes


class Executables:
    """The programs in one folder, which belongs to the user: what lies there is executed.

    Args:
        folder: Exists and can be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._circumstances = _circumstances()
        self._remove_unused()

    def place(
        self,
        function: Callable[..., Any],
        statics: tuple[Hashable, ...],
        arguments: tuple[Any, ...],
        *details: object,
    ) -> Path | None:
        """Return the file of a program; None of one that no file can stand for.

        That is one made by code whose changes are not seen here, a function of another package or
        what a `module:attribute` names, and one for several devices.
        """
        made_from = repr(statics)
        if not _is_ours(function) or ":" in made_from or jax.device_count() > 1:
            return None
        leaves, structure = jax.tree.flatten(arguments)
        shapes = [(leaf.shape, str(leaf.dtype)) for leaf in leaves]
        identity = (function.__module__, function.__qualname__, made_from, shapes, str(structure))
        text = repr((identity, details, self._circumstances))
        return self._folder / (hashlib.sha256(text.encode()).hexdigest()[:32] + _SUFFIX)

    def find(self, place: Path) -> Kept | None:
        """Return the program of a file, None if there is none that can be read."""
        try:
            kept = Kept(*pickle.loads(zlib.decompress(place.read_bytes())))
        except (OSError, zlib.error, pickle.UnpicklingError, EOFError, AttributeError, TypeError):
            return None
        with contextlib.suppress(OSError):  # it is another user's, or all of it is read-only
            os.utime(place)
        return kept

    def keep(self, place: Path, shapes: Any, executable: jax.stages.Compiled) -> None:
        """Write a program, if it can be written."""
        with contextlib.suppress(
            OSError, ValueError, NotImplementedError, jax.errors.JaxRuntimeError
        ):
            content, _, _ = serialize_executable.serialize(executable)
            write_whole(place, zlib.compress(pickle.dumps((shapes, content)), 1))

    def _remove_unused(self) -> None:
        oldest = time.time() - _UNUSED_DAYS * 24 * 3600
        for path in self._folder.glob("*" + _SUFFIX):
            with contextlib.suppress(OSError):  # another process has been faster
                if path.stat().st_mtime < oldest:
                    path.unlink()


def revive(kept: Kept, arguments: tuple[Any, ...]) -> jax.stages.Compiled:
    """Make a program that can be called of one that was kept.

    Raises:
        Exception: Whatever comes of content that this backend does not take.
    """
    if _LAPACK in kept.content:
        _load_lapack()
    inputs, outputs = jax.tree.structure((arguments, {})), jax.tree.structure(kept.shapes)
    return serialize_executable.deserialize_and_load(kept.content, inputs, outputs)


@cache
def _load_lapack() -> None:
    """Let JAX look up the functions of LAPACK, which it does where a program with one is lowered.

    A program that was never lowered in this process would jump to address 0.
    """
    jax.jit(jnp.linalg.cholesky).lower(jax.ShapeDtypeStruct((1, 1), jnp.float32))


def _is_ours(function: Callable[..., Any]) -> bool:
    """Tell whether a function is one of module level in this package."""
    return function.__module__.startswith("snnjax.") and "<" not in function.__qualname__


def _circumstances() -> tuple[object, ...]:
    """Return what else decides how a program is traced and compiled."""
    device = jax.devices()[0]
    switches = {k: v for k, v in os.environ.items() if k.startswith(("JAX_", "XLA_", "LIBTPU_"))}
    return (
        package_digest(),
        platform.python_version(),
        [importlib.metadata.version(name) for name in _PACKAGES],
        (device.platform, device.device_kind, device.client.platform_version),
        _processor(),
        _settings(switches),
        _settings(jax.config.values),
    )


def _settings(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return settings in order, without those that only say where compiled programs lie."""
    kept = {name: repr(value) for name, value in values.items() if "cache" not in name.lower()}
    return sorted(kept.items())


def _processor() -> str:
    """Name the processor with all it can do: machine code for one may not run on another."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
        telling = ("model name", "flags", "Features")
        return repr([line for line in lines if line.startswith(telling)])
    return f"{platform.machine()} {platform.processor()} {platform.node()}"
