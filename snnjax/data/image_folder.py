"""Images of one's own: a folder with a folder for every class, in any format that Pillow reads.

Below folders called `train`, `val` (or `validation`) and `test` that hold the folders of classes
they are split as that says, otherwise into folds. Every image is squeezed to the same square, each
pixel the mean of what it covers. Files and folders whose names begin with a dot do not count.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnjax import interruption
from snnjax.config.errors import complaint, enumerate_names, nearest, show
from snnjax.data import folds
from snnjax.data.catalog import DataError
from snnjax.data.content import Content, Mask

if TYPE_CHECKING:
    from snnjax.config.schema import DataConfig

TRAIN, VALIDATION, TEST = "train", ("val", "validation"), "test"
"""Names of the folders that say which split an image belongs to."""

_SHORT_LEVELS = 256  # greys of 16 bits for each of 8


class _Part(NamedTuple):
    """A split, or all images: the files of every class, in the order of their names."""

    folder: Path
    classes: Mapping[str, Sequence[Path]]


def read(config: "DataConfig") -> Content:
    """Read the images of `data.path`, as wide and high as `data.size`.

    Decoded images are kept in memory, until a file is changed or others are asked for.

    Raises:
        DataError: There is no such folder, class, or split, or a file is no image.
    """
    path = Path(config.path or "").expanduser()
    parts = _parts(path)
    _check_classes(path, parts)
    names = tuple(parts[TRAIN].classes)
    files: list[Path] = []
    labels: list[int] = []
    splits: list[str] = []
    for split, part in parts.items():
        for name, own in part.classes.items():
            files += own
            labels += [names.index(name)] * len(own)
            splits += [split] * len(own)
    stamped = tuple((str(file), *_stamp(file)) for file in files)
    images = _images(stamped, config.size, config.channels)
    targets, split_of = np.array(labels, np.int32), np.array(splits)
    test, validation = _masks(config, path, parts, targets, split_of)
    return Content(
        task="classification",
        features=images,
        targets=targets,
        outputs=len(names),
        test=test,
        validation=validation,
        classes=names,
    )


def _parts(path: Path) -> dict[str, _Part]:
    """Return the splits of a folder by their names; only `train` where it is not split."""
    if not path.is_dir():
        raise DataError(complaint("data.path", show(str(path)), "is not an existing folder"))
    if not any(_visible(path / TRAIN, folders=True)):
        return {TRAIN: _part(path)}
    parts = {TRAIN: _part(path / TRAIN)}
    names = [name for name in VALIDATION if (path / name).is_dir()]
    if len(names) > 1:
        raise DataError(f"{path}: holds both {' and '.join(names)}; expected one of them")
    if names:
        parts["validation"] = _part(path / names[0])
    if (path / TEST).is_dir():
        parts[TEST] = _part(path / TEST)
    return parts


def _part(folder: Path) -> _Part:
    """List the classes of a folder and their images, down to any depth."""
    classes = {}
    for own in _visible(folder, folders=True):
        classes[own.name] = files = [*_files(own)]
        if not files:
            raise DataError(f"{own}: holds no images; expected some, or no such folder")
    if not classes:
        raise DataError(
            f"{folder}: holds no folders; expected one for every class, with its images"
        )
    return _Part(folder, classes)


def _files(folder: Path) -> Iterator[Path]:
    for path in _visible(folder):
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _visible(folder: Path, *, folders: bool = False) -> Iterator[Path]:
    """Yield what a folder holds in the order of names, or the folders in it; nothing if none."""
    if not folder.is_dir():
        return
    for name in sorted(os.listdir(folder)):
        path = folder / name
        if not name.startswith(".") and (path.is_dir() or not folders):
            yield path


def _check_classes(path: Path, parts: Mapping[str, _Part]) -> None:
    known = [*parts[TRAIN].classes]
    if len(known) < 2:
        raise DataError(
            f"{parts[TRAIN].folder}: holds the class {show(known[0])} only; expected two or more"
        )
    for part in parts.values():
        for name in part.classes:
            if name not in known:
                hint = nearest(name, known)
                problem = f"no such class in {path / TRAIN}"
                raise DataError(
                    complaint(str(part.folder), show(name), problem, enumerate_names(known), hint)
                )


def _masks(
    config: "DataConfig",
    path: Path,
    parts: Mapping[str, _Part],
    targets: NDArray[np.int32],
    split: NDArray[np.str_],
) -> tuple[Mask, Mask | None]:
    """Return test and validation rows in every fold; None where no validation rows are given."""
    count = config.folds
    if len(parts) == 1 and parts[TRAIN].folder == path:
        if count > len(targets):
            problem = f"{path} has {len(targets)} images, too few for one of each to be tested on"
            raise DataError(complaint("data.folds", show(count), problem))
        return folds.as_masks(folds.partition(targets, count), count), None
    if "validation" in parts and config.fold:
        problem = f"{path} is split by its folders {', '.join(parts)}"
        raise DataError(complaint("data.fold", show(config.fold), problem, "0"))
    shape = (len(targets), count)
    test = np.broadcast_to((split == TEST)[:, None], shape)
    validation = np.broadcast_to((split == "validation")[:, None], shape)
    return test, validation if "validation" in parts else None


def _stamp(file: Path) -> tuple[int, int]:
    seen = file.stat()
    return seen.st_mtime_ns, seen.st_size


@lru_cache(maxsize=2)
def _images(files: tuple[tuple[str, int, int], ...], size: int, channels: int) -> NDArray[np.uint8]:
    """Decode files, (images, channels * size * size), plane by plane, each row by row.

    Args:
        files: Their names, times of change and sizes: an image is decoded anew once it is changed.
        size: Rows and columns of an image.
        channels: 1 or 3.
    """
    images = np.empty((len(files), channels, size, size), np.uint8)
    for image, (file, *_) in zip(images, files, strict=True):
        interruption.check()
        image[...] = _decoded(file, size, channels)
    return images.reshape(len(files), -1)


def _decoded(file: str, size: int, channels: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            image: Any = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # greys of 16 bits, which Pillow would cut off at 255
                shorts = np.asarray(image).astype(np.int64) // _SHORT_LEVELS
                image = Image.fromarray(shorts.clip(0, 255).astype(np.uint8))
            image = image.convert("L" if channels == 1 else "RGB")
            pixels = np.asarray(image.resize((size, size), Image.Resampling.BOX))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        line = " ".join(str(error).split())
        raise DataError(
            f"{file}: not an image that Pillow can read ({line}); allowed in the folder of a "
            "class: images, and files whose names begin with a dot"
        ) from error
    return pixels.reshape(size, size, channels).transpose(2, 0, 1)
