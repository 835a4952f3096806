"""The image sets: CIFAR-10 in its binary layout, MNIST and Fashion-MNIST in idx files."""

import gzip
import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnjax.data import catalog, files, prepared
from snnjax.data.catalog import DataError
from snnjax.data.content import Content
from snnjax.data.files import Source

CLASSES = 10
CLASS_NAMES: Mapping[str, tuple[str, ...]] = {
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    "fashion_mnist": (
        *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
}
"""In the order of their labels, as published; those of MNIST are numbers."""
_UNPACKING = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError)

# md5 of the members, in the order of their rows; the published layout, 10,000 records each.
CIFAR10_MEMBERS: Mapping[str, str] = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
CIFAR10_BATCH = 10_000
CIFAR10_RECORD = 1 + 3 * 32 * 32  # label, then the red, green and blue plane, row by row
CIFAR10_SHAPE = (len(CIFAR10_MEMBERS) * CIFAR10_BATCH, CIFAR10_RECORD)
CIFAR10_KEY = f"cifar10-{hashlib.sha256(''.join(CIFAR10_MEMBERS.values()).encode()).hexdigest()}"
CIFAR10 = Source(
    paths=(
        "cifar10/cifar-10-binary.tar.gz",
        "cifar10/cifar-10-binary.tar.xz",
        "cifar-10-binary.tar.gz",
        "cifar-10-binary.tar.xz",
    ),
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    checksum="md5:c32a1d4ab5d03f1284b67883e8d87530",
)

# sha256 of the published gzip files.
IDX_FILES: Mapping[str, Mapping[str, str]] = {
    "mnist": {
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        "train-labels-idx1-ubyte.gz": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    },
}
IDX_HOMES: Mapping[str, str] = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
}
_IDX_BY_SHA256: Mapping[str, str] = {
    sha256: f"{name}/{file}"
    for name, members in IDX_FILES.items()
    for file, sha256 in members.items()
}


def read_cifar10(name: str, root: str | None) -> Content:
    """Read CIFAR-10: (60,000, 3,072) bytes, channel by channel, the test batch last."""
    found = files.find(CIFAR10, root)
    records = prepared.restore(CIFAR10_KEY, CIFAR10_SHAPE, _is_cifar10)
    if records is None:
        path = found or files.locate(CIFAR10, root)
        records = read_cifar10_archive(path)
        if path.suffix == ".xz":  # nine seconds to unpack; gzip takes two, not worth a copy
            prepared.keep(CIFAR10_KEY, records)
    pixels = np.ascontiguousarray(records[:, 1:])
    return _image_content(name, pixels, records[:, 0], test=CIFAR10_BATCH)


def read_cifar10_archive(path: Path) -> NDArray[np.uint8]:
    """Read the records, (60,000, 3,073), from a tar file, in memory and whatever its compression.

    Raises:
        DataError: The archive is damaged, or a member is missing or not the published one.
    """
    records = np.empty(CIFAR10_SHAPE, dtype=np.uint8)
    missing = set(CIFAR10_MEMBERS)
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                file = member.name.removeprefix("./").removeprefix("cifar-10-batches-bin/")
                # links are no files: none leads out of the archive
                stream = archive.extractfile(member) if member.isfile() else None
                if stream is None or file not in missing:
                    continue
                batch = _batch(records, file)
                _check_member(path, file, member.size, stream.read(batch.size), batch)
                missing.remove(file)
    except _UNPACKING as error:
        raise DataError(f"{path} is damaged: expected a tar file, found {error!r}") from None
    if missing:
        raise DataError(f"{path} is not CIFAR-10: expected {min(missing)}, found no such member")
    return records


def _batch(records: NDArray[np.uint8], file: str) -> NDArray[np.uint8]:
    start = list(CIFAR10_MEMBERS).index(file) * CIFAR10_BATCH
    return records[start : start + CIFAR10_BATCH]


def _check_member(
    path: Path, file: str, size: int, content: bytes, batch: NDArray[np.uint8]
) -> None:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if size != batch.size or found != CIFAR10_MEMBERS[file]:
        raise DataError(
            f"{path}: {file} is not the published file: expected {batch.size} bytes with md5 "
            f"{CIFAR10_MEMBERS[file]}, found {size} with {found}"
        )
    batch[:] = np.frombuffer(content, dtype=np.uint8).reshape(batch.shape)


def _is_cifar10(records: NDArray[np.uint8]) -> bool:
    return all(
        hashlib.md5(_batch(records, file).data, usedforsecurity=False).hexdigest() == md5
        for file, md5 in CIFAR10_MEMBERS.items()
    )


def read_idx_set(name: str, root: str | None) -> Content:
    """Read MNIST or Fashion-MNIST: (70,000, 784) bytes, the official test images last."""
    arrays = [read_idx(_read_gzip(name, file, root), file) for file in IDX_FILES[name]]
    train_images, train_labels, test_images, test_labels = arrays
    images = np.concatenate([train_images, test_images])
    labels = np.concatenate([train_labels, test_labels])
    return _image_content(name, images.reshape(len(images), -1), labels, test=len(test_labels))


def _read_gzip(name: str, file: str, root: str | None) -> bytes:
    sha256 = IDX_FILES[name][file]
    source = Source((f"{name}/{file}",), IDX_HOMES[name] + file, f"sha256:{sha256}")
    content = files.read_checked(files.locate(source, root), sha256, _IDX_BY_SHA256)
    return gzip.decompress(content)


def read_idx(content: bytes, file: str) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes: two zeros, 8, the number of axes, their lengths, data.

    Raises:
        DataError: It is something else, or its length does not match its header.
    """
    axes = content[3] if len(content) > 3 and content[:3] == b"\0\0\x08" else 0
    header = 4 + 4 * axes
    if axes == 0 or len(content) < header:
        raise DataError(
            f"{file}: expected an idx file of bytes, found {content[:4]!r} at its start"
        )
    shape = tuple(int(length) for length in np.frombuffer(content[4:header], dtype=">u4"))
    data = np.frombuffer(content, dtype=np.uint8, offset=header)
    if data.size != int(np.prod(shape, dtype=object)):
        raise DataError(f"{file}: expected {shape} bytes as its header says, found {data.size}")
    return data.reshape(shape)


def _image_content(
    name: str, images: NDArray[np.uint8], labels: NDArray[np.uint8], test: int
) -> Content:
    is_test = np.arange(len(images)) >= len(images) - test
    return Content(
        task="classification",
        features=images,
        targets=labels.astype(np.int32),
        outputs=CLASSES,
        test=np.broadcast_to(is_test[:, None], (len(images), catalog.folds(name))),
        classes=CLASS_NAMES.get(name, ()),
    )
