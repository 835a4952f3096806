"""The 121 UCI classification sets of Fernandez-Delgado et al. 2014, as Klambauer et al. split them.

Numeric and standardised over all rows by their publishers; column k of the fold files is fold k.
"""

import hashlib
import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnjax.data import catalog, files
from snnjax.data.catalog import DataError, UciEntry
from snnjax.data.content import Content
from snnjax.data.files import Source

ARCHIVE = Source(
    paths=("uci/data_py.zip", "data_py.zip", "uci121.zip", "uci/uci121.zip"),
    url="http://www.bioinf.jku.at/people/klambauer/data_py.zip",
    checksum=None,
)
# Twice the largest member: a forged one may claim to unpack to any size.
_LARGEST_MEMBER = 64 * 2**20
_UNPACKING = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


def read(name: str, root: str | None) -> Content:
    """Read one set: (rows, features) float64, classes numbered in the order of their labels.

    Raises:
        DataError: The archive is missing or damaged, or the set differs from the published one.
    """
    expected = catalog.uci_table()[name]
    if not expected.sha256:
        raise DataError(catalog.missing_predictors(name))
    path = files.locate(ARCHIVE, root)
    members = read_members(path, name)
    found = content_digest(members)
    if found != expected.sha256:
        raise DataError(
            f"{path}: data set {name} is not the published one: expected sha256 "
            f"{expected.sha256}, found {found}"
        )
    return _parse(path, name, members, expected)


def member_names(name: str) -> tuple[str, str, str, str]:
    """Return the files of a set: predictors, labels, test folds, validation folds."""
    return f"{name}_py.dat", "labels_py.dat", "folds_py.dat", "validation_folds_py.dat"


def content_digest(members: list[bytes]) -> str:
    """Return the sha256 over each file's length (8 bytes, little-endian) and content, in order."""
    total = hashlib.sha256()
    for member in members:
        total.update(len(member).to_bytes(8, "little"))
        total.update(member)
    return total.hexdigest()


def read_members(path: Path, name: str) -> list[bytes]:
    """Read the four files of a set from the archive, in memory.

    Raises:
        DataError: The archive is damaged or lacks one of them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [_read_member(archive, path, name, file) for file in member_names(name)]
    except _UNPACKING as error:
        raise DataError(
            f"{path} is damaged: expected a zip file, found {error!r}; delete it to get it anew"
        ) from None


def _read_member(archive: zipfile.ZipFile, path: Path, name: str, file: str) -> bytes:
    for member in (f"data/{name}/{file}", f"{name}/{file}"):
        try:
            info = archive.getinfo(member)
        except KeyError:
            continue
        if info.file_size > _LARGEST_MEMBER:
            raise DataError(f"{path}: {member} claims {info.file_size} bytes, too many to be real")
        return archive.read(info)
    raise DataError(f"{path}: expected data/{name}/{file}, found no such member")


def _parse(path: Path, name: str, members: list[bytes], expected: UciEntry) -> Content:
    features, labels, test, validation = (_read_table(member) for member in members)
    classes, targets = np.unique(labels[:, 0], return_inverse=True)
    found = (len(features), features.shape[1], len(classes))
    if found != expected[:3]:
        raise DataError(
            f"{path}: data set {name} should have rows, features, classes {expected[:3]}, "
            f"found {found}"
        )
    return Content(
        task="classification",
        features=features,
        targets=targets.astype(np.int32),
        outputs=len(classes),
        test=test == 1,
        validation=validation == 1,
    )


def _read_table(member: bytes) -> NDArray[np.float64]:
    return np.loadtxt(io.BytesIO(member), delimiter=",", dtype=np.float64, ndmin=2)
