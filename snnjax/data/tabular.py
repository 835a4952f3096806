"""Single tables: Boston housing (regression) and the HTRU2 pulsars (two classes)."""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnjax.data import catalog, files, folds
from snnjax.data.catalog import DataError
from snnjax.data.content import Content, digest
from snnjax.data.files import Source

# Digests of the parsed values, so that line ends and packing don't matter.
BOSTON_SHA256 = "7a72669ad819c9a6c39b790c19b9acbb42f706ccefd66ba616f229154f7a49c0"
HTRU2_SHA256 = "6b8450a4b67416241681061906b34a2491d2b1a15ee76b83530d6b85ed295cf7"
BOSTON = Source(
    paths=("boston/housing.csv", "housing.csv"),
    url="https://raw.githubusercontent.com/jbrownlee/Datasets/master/housing.csv",
    checksum="sha256:2682ca02e83b89467d7d0cdcbde7c0cc4d2566119be8ce8d84dad4f0fa20859a",
)
HTRU2 = Source(
    paths=("htru2/htru2.zip", "htru2/HTRU_2.csv", "htru2.zip", "HTRU_2.csv"),
    url="https://archive.ics.uci.edu/static/public/372/htru2.zip",
    checksum=None,
)
_HTRU2_MEMBER = "HTRU_2.csv"
_LARGEST_TABLE = 16 * 2**20
_UNPACKING = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


def read_boston(name: str, root: str | None) -> Content:
    """Read Boston housing: (506, 13) and the median value in 1,000 dollars, (506, 1)."""
    path = files.locate(BOSTON, root)
    table = read_table(path, files.read_bytes(path), BOSTON_SHA256)
    count = catalog.folds(name)
    fold = folds.partition(np.zeros(len(table), dtype=np.int32), count)
    return Content(
        task="regression",
        features=table[:, :-1],
        targets=table[:, -1:],
        outputs=1,
        test=folds.as_masks(fold, count),
    )


def read_htru2(name: str, root: str | None) -> Content:
    """Read HTRU2: (17,898, 8), class 1 = pulsar, in ten stratified folds.

    Test fold M has fold M - 1 (the last for M = 0) as validation rows: the nested
    cross-validation of Klambauer et al. 2017, appendix A4.4.
    """
    path = files.locate(HTRU2, root)
    content = _unzip(path) if path.suffix == ".zip" else files.read_bytes(path)
    table = read_table(path, content, HTRU2_SHA256)
    targets = table[:, -1].astype(np.int32)
    count = catalog.folds(name)
    test = folds.as_masks(folds.partition(targets, count), count)
    return Content(
        task="classification",
        features=table[:, :-1],
        targets=targets,
        outputs=2,
        test=test,
        validation=np.roll(test, 1, axis=1),
    )


def read_table(path: Path, content: bytes, sha256: str) -> NDArray[np.float64]:
    """Parse a table of comma-separated numbers without a header and check its values.

    Args:
        path: Where it came from, for the message.
        content: The text.
        sha256: `digest` of the float64 table.

    Raises:
        DataError: It is not such a table, or not the published one.
    """
    if not content.strip():
        raise DataError(f"{path} is damaged: expected a table of numbers, found it empty")
    try:
        table = np.loadtxt(io.BytesIO(content), delimiter=",", dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path} is damaged: expected numbers only, found: {error}") from None
    found = digest(table)
    if found != sha256:
        raise DataError(
            f"{path} does not hold the published values: expected sha256 {sha256} of the parsed "
            f"table, found {found} for {table.shape[0]} rows of {table.shape[1]} columns"
        )
    return table


def _unzip(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(_HTRU2_MEMBER).file_size > _LARGEST_TABLE:
                raise DataError(f"{path}: {_HTRU2_MEMBER} is too large to be the published table")
            return archive.read(_HTRU2_MEMBER)
    except KeyError:
        raise DataError(f"{path}: expected the member {_HTRU2_MEMBER}, found none") from None
    except _UNPACKING as error:
        raise DataError(
            f"{path} is damaged: expected a zip file, found {error!r}; delete it to get it anew"
        ) from None
