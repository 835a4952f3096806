"""One checkpoint on disk, through Orbax: stacked arrays, and beside them an index of what they are.

Orbax writes below a temporary name and renames what is whole, so that a killed process leaves no
half of a checkpoint. A digest of every array tells what was damaged later.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnjax import processes

Leaves = Mapping[str, NDArray[Any]]
"""The arrays of a state by their places in it, all with a leading axis of members."""

INDEX_FILE = Path("index", "metadata")
TEMPORARY = ".orbax-checkpoint-tmp"
_FORMAT = 1
_SPARE_BYTES = 2**18
_importing = threading.Lock()


class DamagedError(Exception):
    """What lies there is no whole checkpoint."""


def write(path: Path, leaves: Leaves, about: Mapping[str, Any]) -> int:
    """Write a checkpoint and return its size in bytes.

    Args:
        path: Where it is to be; nothing lies there yet.
        leaves: The arrays.
        about: What the index says beside them: plain values.

    Raises:
        Exception: Whatever Orbax says when it cannot be written; nothing is left at `path`.
    """
    orbax, checkpointer = _checkpointer()
    named = [(f"leaf-{number:04d}", name) for number, name in enumerate(leaves)]
    rows = [[key, name, *_described(leaves[name])] for key, name in named]
    index = {"format": _FORMAT, **about, "leaves": rows}
    # Orbax knows no arrays without elements; their shape is all there is to them.
    state = {key: np.ascontiguousarray(leaves[name]) for key, name in named if leaves[name].size}
    items = {"state": orbax.args.PyTreeSave(state), "index": orbax.args.JsonSave(index)}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + TEMPORARY)
    shutil.rmtree(unfinished, ignore_errors=True)  # of a killed program
    _check_room(path.parent, sum(leaf.nbytes for leaf in state.values()))
    try:
        checkpointer.save(path.absolute(), args=orbax.args.Composite(**items))
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def read_index(path: Path) -> Mapping[str, Any]:
    """Read what a checkpoint holds, without its arrays.

    Raises:
        DamagedError: It cannot be read, or is of another format.
        FileNotFoundError: It is not there.
    """
    try:
        index = json.loads((path / INDEX_FILE).read_bytes())
        if index["format"] == _FORMAT:
            return dict(index)
    except FileNotFoundError:
        if not path.exists():
            raise
        raise DamagedError("its index is missing") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"its index cannot be read ({error})") from error
    raise DamagedError(f"it has format {index['format']}, known is {_FORMAT}")


def read(path: Path, index: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Read the arrays of a checkpoint.

    Raises:
        DamagedError: They are not those that were written.
    """
    _, checkpointer = _checkpointer()
    try:
        state = checkpointer.restore(path.absolute())["state"]
    except Exception as error:  # there is no end of what a damaged file can cause
        reason = str(error).partition("\n")[0][:200]
        raise DamagedError(f"its arrays cannot be read ({reason})") from error
    leaves = {}
    for key, name, dtype, shape, digest in index["leaves"]:
        leaf = state.get(key) if np.prod(shape) else np.zeros(shape, np.dtype(dtype))
        if leaf is None or _described(np.asarray(leaf)) != (dtype, shape, digest):
            raise DamagedError(f"{name} is not what was written")
        leaves[name] = np.asarray(leaf)
    return leaves


def _check_room(folder: Path, needed: int) -> None:
    """Raise an OSError where a disk is too full: Orbax's threads would complain one by one."""
    if shutil.disk_usage(folder).free < needed + _SPARE_BYTES:
        reason = f"{os.strerror(errno.ENOSPC)}, {needed / 1e6:.1f} MB are needed"
        raise OSError(errno.ENOSPC, reason, str(folder))


def _described(leaf: NDArray[Any]) -> tuple[str, list[int], str]:
    content = np.ascontiguousarray(leaf).reshape(-1).view(np.uint8)
    return leaf.dtype.name, [*leaf.shape], hashlib.sha256(content.data).hexdigest()


def _checkpointer() -> tuple[Any, Any]:
    """Import Orbax, which takes a moment, and return it with what writes and reads."""
    with _importing:
        import orbax.checkpoint as orbax
    # What goes wrong is raised, and told in one line; Orbax logs its traceback three times.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    # Weights hardly shrink: compressing them takes longer than writing them.
    by = _writers(orbax)
    state = orbax.PyTreeCheckpointHandler(use_compression=False, multiprocessing_options=by)
    index = orbax.JsonCheckpointHandler(multiprocessing_options=by)
    composite = orbax.CompositeOptions(multiprocessing_options=by)
    items = orbax.CompositeCheckpointHandler(composite_options=composite, state=state, index=index)
    return orbax, orbax.Checkpointer(items, multiprocessing_options=by)


def _writers(orbax: Any) -> Any:
    """Return who writes and reads: where processes train together the first one alone."""
    if processes.is_alone():
        return orbax.options.MultiprocessingOptions()
    own = processes.index()
    return orbax.options.MultiprocessingOptions(own, {own}, f"process-{own}")
