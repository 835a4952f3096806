"""The features that DeepTox published (Mayr et al. 2016), those of Klambauer et al. 2017."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnjax.config.errors import show
from snnjax.data import files
from snnjax.data.catalog import DataError
from snnjax.data.files import Source
from snnjax.data.tox21.raw import Raw
from snnjax.data.tox21.table import COLUMNS, HOME, Compounds

PARTS = ("train", "test")


def features(root: str | None, compounds: Compounds) -> Raw:
    """Read `tox21_dense_*.csv.gz` and `tox21_sparse_*.mtx.gz`, in the order of the compounds.

    Raises:
        DataError: A file is missing or damaged, or is not of these compounds.
    """
    from scipy.sparse import csr_array, vstack

    dense = [_dense(_located(f"tox21_dense_{part}.csv.gz", root)) for part in PARTS]
    sparse = [_sparse(_located(f"tox21_sparse_{part}.mtx.gz", root)) for part in PARTS]
    for part, (path, table), (other, matrix) in zip(PARTS, dense, sparse, strict=True):
        if len(table) != matrix.shape[0]:
            problem = f"{matrix.shape[0]} rows, but {path.name} has {len(table)}"
            raise DataError(f"{other}: {problem}")
        _check_labels(part, root, table.index, compounds)
    (first, one), (second, two) = dense
    if [*one.columns] != [*two.columns]:
        raise DataError(f"{second}: not the columns of {first.name}")
    if sparse[0][1].shape[1] != sparse[1][1].shape[1]:
        raise DataError(f"{sparse[1][0]}: not as many columns as {sparse[0][0].name}")
    order = _order([*one.index, *two.index], first.parent, compounds)
    numbers = np.concatenate([one.to_numpy(np.float64), two.to_numpy(np.float64)])
    numbers[~np.isfinite(numbers)] = np.nan
    counts = csr_array(vstack([matrix for _, matrix in sparse]))
    return Raw(numbers[order], counts[order])


def _located(name: str, root: str | None) -> Path:
    path = _find(name, root)
    if path is None:
        folder = next(files.roots(root)) / "tox21"
        raise DataError(f"{name} was not found; get it from {HOME} and put it in {folder}")
    return path


def _find(name: str, root: str | None) -> Path | None:
    return files.find(Source((f"tox21/{name}", name), url=HOME, checksum=None), root)


def _dense(path: Path) -> tuple[Path, Any]:
    """Read numbers with a header, the names of samples first."""
    import pandas

    try:
        table = pandas.read_csv(path, index_col=0)
        return path, table.astype(np.float64)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} is damaged: expected a table of numbers: {_line(error)}") from None


def _sparse(path: Path) -> tuple[Path, Any]:
    """Read a matrix in the Matrix Market format."""
    from scipy.io import mmread
    from scipy.sparse import csr_array

    try:
        matrix = csr_array(mmread(path), dtype=np.float64)
    except (OSError, EOFError, ValueError) as error:
        problem = f"expected a Matrix Market file: {_line(error)}"
        raise DataError(f"{path} is damaged: {problem}") from None
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return path, matrix


def _check_labels(part: str, root: str | None, ids: Sequence[str], compounds: Compounds) -> None:
    """Refuse labels beside the features, if there are any, that are not those of the table."""
    names = (f"tox21_labels_{part}.csv.gz", f"tox21_labels_{part}.csv")
    path = next((path for name in names if (path := _find(name, root)) is not None), None)
    if path is None:
        return
    _, labels = _dense(path)
    if [*labels.index] != [*ids]:
        raise DataError(f"{path}: not the samples of tox21_dense_{part}.csv.gz in their order")
    place = {sample: row for row, sample in enumerate(compounds.ids)}
    rows = [place[sample] for sample in ids if sample in place]
    own, expected = labels.reindex(columns=COLUMNS).to_numpy(), compounds.targets[rows]
    if own.shape != expected.shape or not np.array_equal(own, expected, equal_nan=True):
        raise DataError(f"{path}: not the labels of the published table of compounds")


def _order(ids: Sequence[str], folder: Path, compounds: Compounds) -> NDArray[np.intp]:
    """Return the row of every compound among those of the files."""
    place = {sample: row for row, sample in enumerate(ids)}
    missing = [sample for sample in compounds.ids if sample not in place]
    if missing or len(ids) != len(compounds.ids):
        problem = f"no features of {show(str(missing[0]))}" if missing else f"{len(ids)} rows"
        raise DataError(f"{folder}: {problem}; expected those of {len(compounds.ids)} compounds")
    return np.array([place[sample] for sample in compounds.ids], dtype=np.intp)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
