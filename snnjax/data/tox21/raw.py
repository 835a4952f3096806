"""Features of compounds as they are computed, and the file they are kept in.

The file is a NumPy archive without pickles below the user's cache folder, there whole or not at
all, named after what it was computed from: structures, versions, and how.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnjax.array_file import read_arrays, write_arrays
from snnjax.data.files import cache_folder

_logger = logging.getLogger(__name__)


class Raw(NamedTuple):
    """Features before any is left out or scaled.

    Attributes:
        dense: (rows, descriptors) float64, NaN where one is not defined.
        sparse: (rows, substructures) scipy.sparse.csr_array of float64: how often each is there.
    """

    dense: NDArray[np.float64]
    sparse: Any


def path_of(key: str) -> Path:
    """Return where features are kept; the key is a hash of all they depend on."""
    return cache_folder() / "prepared" / f"tox21-{key}.npz"


def restore(key: str, rows: int) -> Raw | None:
    """Return what was kept for so many compounds; None if nothing was, or it is damaged."""
    from scipy.sparse import csr_array

    path = path_of(key)
    try:
        kept = read_arrays(path)
        parts = (kept["counts"], kept["columns"], kept["starts"])
        raw = Raw(kept["dense"], csr_array(parts, shape=tuple(kept["shape"])))
        raw.sparse.check_format()
        if not len(raw.dense) == raw.sparse.shape[0] == rows:
            raise ValueError(f"expected {rows} rows")
        return raw
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        _logger.warning("%s is unusable and will be computed again: %s", path, error)
        return None


def keep(key: str, raw: Raw) -> None:
    """Keep features for later; complete or not at all, whoever else writes the same."""
    path, sparse = path_of(key), raw.sparse
    arrays = {
        "dense": raw.dense,
        "counts": sparse.data,
        "columns": sparse.indices,
        "starts": sparse.indptr,
        "shape": np.array(sparse.shape),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, arrays)
    except OSError as error:
        _logger.warning("%s cannot be kept: %s", path, error)


def assemble(parts: Sequence[Any]) -> Raw:
    """Put the parts of `structures.describe` together, one column for every substructure."""
    from scipy.sparse import csr_array, hstack

    dense, keys, identifiers, counts, sizes = (
        np.concatenate([part[place] for part in parts]) for place in range(5)
    )
    known, columns = np.unique(identifiers, return_inverse=True)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    shape = (len(sizes), len(known))
    circular = csr_array((counts.astype(np.float64), columns, starts), shape=shape)
    sparse = csr_array(hstack([circular, csr_array(keys.astype(np.float64))]))
    sparse.sort_indices()
    return Raw(dense, sparse)
