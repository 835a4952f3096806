"""Arrays that are slow to unpack, kept unpacked in the user's cache folder.

Plain bytes without a header: nothing to parse, nothing to unpickle. The cache is an optimisation
and nothing else: a damaged file is built again, a folder that cannot be written is passed over.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnjax.data.files import cache_folder
from snnjax.whole_file import write_whole

Bytes = NDArray[np.uint8]
_logger = logging.getLogger(__name__)


def path_of(key: str) -> Path:
    """Return where the array of `key` is kept; the key holds a hash of the content."""
    return cache_folder() / "prepared" / f"{key}.bin"


def restore(key: str, shape: tuple[int, ...], is_intact: Callable[[Bytes], bool]) -> Bytes | None:
    """Return a kept array of bytes, or None if there is none or it is not intact.

    Args:
        key: See `path_of`.
        shape: What it must be.
        is_intact: Compares checksums; called on an array of that shape.
    """
    path = path_of(key)
    try:
        # before anything is read: a wrong file may be of any size
        if path.stat().st_size != np.prod(shape):
            raise ValueError("not of the expected size")
        array = np.fromfile(path, dtype=np.uint8).reshape(shape)
        if is_intact(array):
            return array
        raise ValueError("not the expected content")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _logger.warning("%s is unusable and will be built again: %s", path, error)
        return None


def keep(key: str, array: Bytes) -> None:
    """Keep an array for later; complete or not at all, whoever else writes the same one."""
    path = path_of(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, np.ascontiguousarray(array).data)
    except OSError as error:
        _logger.warning("%s cannot be kept: %s", path, error)
