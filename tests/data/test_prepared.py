import os

import numpy as np
import pytest

from snnjax.data import prepared

ARRAY = np.arange(12, dtype=np.uint8).reshape(3, 4)


def restore(is_intact=lambda array: np.array_equal(array, ARRAY)):
    return prepared.restore("key", ARRAY.shape, is_intact)


def test_round_trip(cache):
    assert restore() is None
    prepared.keep("key", ARRAY)
    assert np.array_equal(restore(), ARRAY)
    assert os.listdir(cache / "prepared") == ["key.bin"]


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "too long", "text", "folder"])
def test_damaged_file_counts_as_none(damage):
    prepared.keep("key", ARRAY)
    path = prepared.path_of("key")
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        flipped = content[:-1] + bytes([content[-1] ^ 1])
        path.write_bytes(
            {
                "truncated": content[:-3],
                "empty": b"",
                "flipped": flipped,
                "too long": content + bytes(10_000),
                "text": b"not an array",
            }[damage]
        )
    assert restore() is None


@pytest.mark.parametrize("other", [ARRAY.astype(np.int16), ARRAY[:2]])
def test_other_size_counts_as_none(other):
    prepared.keep("key", other)
    assert restore(lambda array: True) is None


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = prepared.path_of("key")
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    size = path.stat().st_size
    assert prepared.restore("key", (size,), lambda array: False) is None
    assert prepared.restore("key", (size,), lambda array: True).dtype == np.uint8
    assert not (tmp_path / "unpickled").exists()


def test_folder_that_cannot_be_written_is_passed_over(tmp_path, monkeypatch, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("SNNJAX_CACHE", str(blocked))
    prepared.keep("key", ARRAY)
    assert "cannot be kept" in caplog.text
    assert restore() is None


def test_full_disk_leaves_nothing_behind(cache, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    prepared.keep("key", ARRAY)
    assert os.listdir(cache / "prepared") == []
