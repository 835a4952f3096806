"""The small sets that come with scikit-learn, so that something runs without a single file.

Its tables are read where they lie: importing scikit-learn would take a second of every start.
"""

import zlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnjax.data import catalog, folds
from snnjax.data.catalog import DataError
from snnjax.data.content import Content

_FOLDER = Path("datasets", "data")
_UNREADABLE = (OSError, EOFError, ValueError, zlib.error)


class _File(NamedTuple):
    """A table of numbers in scikit-learn's package."""

    name: str
    rows: int
    columns: int
    delimiter: str | None = None  # white space
    heading: int = 0  # lines to skip


# Columns side by side, targets last. Of diabetes the raw table: load_diabetes scales it over all
# rows unless told otherwise, so that test rows would take part.
_FILES: Mapping[str, tuple[_File, ...]] = {
    "sklearn_breast_cancer": (_File("breast_cancer.csv", 569, 31, ",", heading=1),),
    "sklearn_diabetes": (
        _File("diabetes_data_raw.csv.gz", 442, 10),
        _File("diabetes_target.csv.gz", 442, 1),
    ),
    "sklearn_digits": (_File("digits.csv.gz", 1797, 65, ","),),
    "sklearn_iris": (_File("iris.csv", 150, 5, ",", heading=1),),
    "sklearn_linnerud": (
        _File("linnerud_exercise.csv", 20, 3, heading=1),
        _File("linnerud_physiological.csv", 20, 3, heading=1),
    ),
    "sklearn_wine": (_File("wine_data.csv", 178, 14, ",", heading=1),),
}


def read(name: str, root: str | None) -> Content:
    """Read a set out of the installed scikit-learn; `root` is not looked at.

    Raises:
        DataError: Its files are not where they were, or not as expected; the message names one.
    """
    files = _FILES[name]
    table = np.hstack([_read_file(file) for file in files])
    outputs = files[-1].columns if len(files) > 1 else 1
    features, targets = np.split(table, [-outputs], axis=1)
    features, count = np.ascontiguousarray(features), catalog.folds(name)
    if catalog.entry(name).task == "regression":
        fold = folds.partition(np.zeros(len(table), dtype=np.int32), count)
        test = folds.as_masks(fold, count)
        return Content("regression", features, np.ascontiguousarray(targets), outputs, test)
    classes, indices = np.unique(targets[:, 0], return_inverse=True)
    labels = indices.astype(np.int32)
    test = folds.as_masks(folds.partition(labels, count), count)
    return Content("classification", features, labels, len(classes), test)


def _read_file(file: _File) -> NDArray[np.float64]:
    path = _package() / _FOLDER / file.name
    try:
        table = np.loadtxt(path, delimiter=file.delimiter, skiprows=file.heading, ndmin=2)
    except _UNREADABLE as error:
        raise DataError(f"{path}: not the table that scikit-learn came with ({error})") from error
    if table.shape != (file.rows, file.columns):
        rows, columns = table.shape
        raise DataError(
            f"{path}: not the table that scikit-learn came with: {rows} rows of {columns} "
            f"columns; expected {file.rows} of {file.columns}"
        )
    return table


def _package() -> Path:
    """Return the folder of scikit-learn without importing it."""
    if (spec := find_spec("sklearn")) is None or not spec.submodule_search_locations:
        raise DataError("scikit-learn is not installed, whose package holds the sklearn_ data sets")
    return Path(spec.submodule_search_locations[0])
