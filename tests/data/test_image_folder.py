"""Folders of images: what becomes of files, how they are split, and what is refused."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from snnjax.config.schema import Config, DataConfig
from snnjax.config.split import fingerprint
from snnjax.data import image_folder
from snnjax.data.catalog import DataError
from snnjax.data.load import load

RANDOM = np.random.default_rng(0)


def save(path: Path, pixels: Any = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RANDOM.integers(0, 256, (5, 7, 3)) if pixels is None else np.asarray(pixels)
    kind = np.uint16 if pixels.max() > 255 else np.uint8
    Image.fromarray(pixels.astype(kind)).save(path, **options)
    return path


def config(path: Path, **keys: Any) -> DataConfig:
    return DataConfig(name="images", path=str(path), **{"standardize": "none", "size": 4} | keys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten images of each of three classes, in several formats, and what does not count."""
    root = tmp_path / "pictures"
    for name in ("dog", "cat", "ant"):
        for number in range(10):
            save(root / name / f"{number}.{('png', 'jpg', 'gif', 'bmp')[number % 4]}")
    (root / "README.txt").write_text("beside the folders of classes")
    (root / ".cache").mkdir()
    (root / "cat" / ".DS_Store").write_text("hidden")
    return root


def test_classes_are_folders_in_the_order_of_their_names(folder: Path) -> None:
    data = load(config(folder))
    assert data.classes == ("ant", "cat", "dog")
    assert (data.task, data.outputs) == ("classification", 3)
    assert data.features.shape == (30, 3 * 4 * 4)
    assert data.features.dtype == np.uint8
    np.testing.assert_array_equal(data.targets, np.repeat([0, 1, 2], 10))
    sizes = {split: len(rows) for split, rows in data.rows.items()}
    assert sizes == {"train": 20, "validation": 4, "test": 6}
    tests = [set(load(config(folder, fold=fold)).rows["test"]) for fold in range(5)]
    assert sorted(row for own in tests for row in own) == list(range(30))


def test_pixels_lie_plane_by_plane(tmp_path: Path) -> None:
    pixels = RANDOM.integers(0, 256, (4, 4, 3))
    for name in ("a", "b"):
        for number in range(5):
            save(tmp_path / name / f"{number}.png", pixels)
    data = load(config(tmp_path))
    np.testing.assert_array_equal(data.features[0], pixels.transpose(2, 0, 1).ravel())
    grey = load(config(tmp_path, channels=1))
    luma = pixels @ [0.299, 0.587, 0.114]  # ITU-R 601-2
    np.testing.assert_allclose(grey.features[0].reshape(4, 4), luma, atol=1)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "I;16", "CMYK"])
def test_modes_become_three_channels_or_one(tmp_path: Path, mode: str) -> None:
    """An image whose left half is dark and whose right half is light, whatever its mode."""
    halves = np.repeat([[0, 255]], 2, axis=1).repeat(4, axis=0)
    for name in ("a", "b"):
        for number in range(5):
            path = tmp_path / name / f"{number}.{'tif' if mode in ('CMYK', 'I;16') else 'png'}"
            path.parent.mkdir(exist_ok=True)
            if mode == "I;16":
                Image.fromarray((halves * 256 + halves).astype(np.uint16)).save(path)
            else:
                Image.fromarray(halves.astype(np.uint8)).convert(mode).save(path)
    for channels in (1, 3):
        images = load(config(tmp_path, channels=channels)).features.reshape(10, channels, 4, 4)
        np.testing.assert_array_equal(images, np.broadcast_to(halves, images.shape))


def test_images_are_resized_as_a_mean_of_what_they_show(tmp_path: Path) -> None:
    """16 by 8 pixels, of one grey in each quarter, become 2 by 2."""
    quarters = np.array([[10, 90], [170, 250]])
    for name in ("a", "b"):
        for number in range(5):
            large = quarters.repeat(8, axis=0).repeat(4, axis=1)
            save(tmp_path / name / f"{number}.png", large)
    data = load(config(tmp_path, size=2, channels=1))
    np.testing.assert_array_equal(data.features[0].reshape(2, 2), quarters)


def test_a_photograph_is_turned_as_its_camera_was(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image = np.arange(16).reshape(4, 4) * 16
    for name in ("a", "b"):
        for number in range(5):
            save(tmp_path / name / f"{number}.png", image, exif=exif)
    data = load(config(tmp_path, channels=1))
    np.testing.assert_array_equal(data.features[0].reshape(4, 4), image[::-1, ::-1])


@pytest.mark.parametrize("name", ["val", "validation"])
def test_official_splits(tmp_path: Path, name: str) -> None:
    counts = {"train": 6, name: 3, "test": 2}
    for split, count in counts.items():
        for kind in ("x", "y"):
            for number in range(count):
                save(tmp_path / split / kind / "deeper" / f"{number}.png")
    data = load(config(tmp_path))
    assert {split: len(rows) for split, rows in data.rows.items()} == {
        "train": 12, "validation": 6, "test": 4,
    }  # fmt: skip
    with pytest.raises(DataError, match=r"^data\.fold=1: .* is split by its folders"):
        load(config(tmp_path, fold=1))


def test_a_set_without_validation_draws_it_from_its_training_images(tmp_path: Path) -> None:
    for split, count in (("train", 20), ("test", 5)):
        for kind in ("x", "y"):
            for number in range(count):
                save(tmp_path / split / kind / f"{number}.png")
    one, other = (load(config(tmp_path, fold=fold)) for fold in (0, 1))
    assert {split: len(rows) for split, rows in one.rows.items()} == {
        "train": 34, "validation": 6, "test": 10,
    }  # fmt: skip
    np.testing.assert_array_equal(one.rows["test"], other.rows["test"])
    assert set(one.rows["validation"]) != set(other.rows["validation"])


def test_decoded_images_are_kept_until_a_file_changes(folder: Path, monkeypatch: Any) -> None:
    decoded = []
    real = image_folder._decoded
    monkeypatch.setattr(
        image_folder, "_decoded", lambda file, *form: decoded.append(file) or real(file, *form)
    )
    first = load(config(folder))
    again = load(config(folder, fold=2))
    assert len(decoded) == 30
    assert again.features is first.features
    path = save(folder / "ant" / "0.png")
    os.utime(path, ns=(1, 1))
    changed = load(config(folder))
    assert len(decoded) == 60
    assert changed.sha256 != first.sha256


def test_who_a_run_is_depends_on_what_the_folder_holds(folder: Path, tmp_path: Path) -> None:
    def identity(path: Path, **keys: Any) -> str:
        return fingerprint(Config(data=config(path, **keys)))

    before = identity(folder)
    moved = folder.rename(tmp_path / "elsewhere")
    assert identity(moved) == before
    (moved / "README.txt").write_text("another text")
    (moved / "ant" / ".hidden").write_text("x")
    assert identity(moved) == before
    assert identity(moved, size=5) != before
    (moved / "ant" / "0.png").rename(moved / "cat" / "new.png")
    assert identity(moved) != before


def damage(folder: Path, what: str) -> None:
    if what == "no images":
        (folder / "eel").mkdir()
    elif what == "not an image":
        (folder / "cat" / "3.jpg").write_text("a text")
    elif what == "cut off":
        path = folder / "cat" / "3.bmp"
        path.write_bytes(path.read_bytes()[:60])
    else:
        for path in folder.glob("[ad]*/*"):
            path.unlink()
        for own in folder.glob("[ad]*"):
            own.rmdir()
        if what == "no classes":
            (folder / "cat").rename(folder / ".cat")


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("no images", r"eel: holds no images; expected some, or no such folder$"),
        ("not an image", r"cat/3\.jpg: not an image that Pillow can read \(.*\); allowed in the"),
        ("cut off", r"cat/3\.bmp: not an image that Pillow can read"),
        ("one class", r"pictures: holds the class cat only; expected two or more$"),
        ("no classes", r"pictures: holds no folders; expected one for every class"),
    ],
)
def test_what_is_refused(folder: Path, what: str, line: str) -> None:
    damage(folder, what)
    with pytest.raises(DataError, match=line) as raised:
        load(config(folder))
    assert "\n" not in str(raised.value)


def test_splits_that_do_not_agree(tmp_path: Path) -> None:
    for split, kinds in (("train", ("cat", "dog")), ("val", ("cat", "dogs"))):
        for kind in kinds:
            save(tmp_path / split / kind / "1.png")
    with pytest.raises(DataError, match=r"val=dogs: no such class in .*did you mean dog\?$"):
        load(config(tmp_path))
    (tmp_path / "val" / "dogs").rename(tmp_path / "val" / "dog")
    save(tmp_path / "validation" / "cat" / "1.png")
    with pytest.raises(DataError, match=r"holds both val and validation; expected one of them$"):
        load(config(tmp_path))


def test_too_few_images_for_the_folds(folder: Path) -> None:
    with pytest.raises(DataError, match=r"^data\.folds=31: .* has 30 images"):
        load(config(folder, folds=31))


def test_the_ten_classes_of_tiny_imagenet(data_root: Path) -> None:
    data = load(config(data_root / "tinyimages", size=64))
    assert {split: len(rows) for split, rows in data.rows.items()} == {
        "train": 500, "validation": 100, "test": 0,
    }  # fmt: skip
    path = sorted((data_root / "tinyimages" / "train" / data.classes[3]).iterdir())[7]
    expected = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(data.features[3 * 50 + 7], expected.ravel())
