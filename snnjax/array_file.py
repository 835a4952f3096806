"""Arrays by name in a compressed .npz file: there whole or not at all, and never unpickled."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnjax.whole_file import write_whole

# What comes of reading files that are something else, or of which a part is.
_DAMAGES = (
    zipfile.BadZipFile, zlib.error, struct.error,
    ValueError, EOFError, KeyError, SyntaxError, NotImplementedError, RuntimeError, OverflowError,
)  # fmt: skip


class NotArraysError(ValueError):
    """A file that is damaged, or something else; the message says how, and names no file."""


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name.

    Raises:
        NotArraysError: It is damaged, or something else.
        OSError: It cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except AttributeError as error:  # a single array, not several with names
        raise NotArraysError("not an .npz file") from error
    except _DAMAGES as error:
        said = str(error) or type(error).__name__
        raise NotArraysError(said.splitlines()[0]) from error


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays under their names.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_whole(path, content.getvalue())
