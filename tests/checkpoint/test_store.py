"""One checkpoint: what is written is read, what was damaged is not."""

import shutil

import ml_dtypes
import numpy as np
import pytest

from snnjax.checkpoint.store import DamagedError, read, read_index, write

LEAVES = {
    "wide": np.linspace(0, 1, 60).reshape(3, 4, 5),
    "narrow": np.arange(3, dtype=np.uint32),
    "half": np.ones((3, 2), ml_dtypes.bfloat16),
    "flags": np.array([[True], [False], [True]]),
    "nothing": np.zeros((3, 0), np.float32),
    "broken": np.array([np.nan, -0.0, np.inf], np.float32),
}


def files(path):
    return sorted(file for file in path.rglob("*") if file.is_file())


def test_arrays_of_every_kind_come_back_to_the_last_bit(tmp_path):
    size = write(tmp_path / "one", LEAVES, {"about": [1, "two"]})
    index = read_index(tmp_path / "one")
    assert index["about"] == [1, "two"]
    back = read(tmp_path / "one", index)
    assert list(back) == list(LEAVES)
    for name, leaf in LEAVES.items():
        assert (back[name].dtype, back[name].shape) == (leaf.dtype, leaf.shape)
        assert back[name].tobytes() == leaf.tobytes()
    assert size == sum(file.stat().st_size for file in files(tmp_path))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "one"
    write(path, LEAVES, {})
    return path


def test_no_damage_passes_unseen(whole, tmp_path):
    """A file cut short, or a byte of one changed: the arrays are the same, or refused."""
    for number, file in enumerate(files(whole)):
        content = file.read_bytes()
        changed = bytearray(content)
        changed[len(content) // 2 : len(content) // 2 + 1] = b"\x5a"
        for kind, damaged in (("cut", content[: len(content) // 2]), ("changed", bytes(changed))):
            path = tmp_path / f"{number}-{kind}"
            shutil.copytree(whole, path)
            (path / file.relative_to(whole)).write_bytes(damaged)
            try:
                back = read(path, read_index(path))
            except DamagedError:
                continue
            assert {n: a.tobytes() for n, a in back.items()} == {
                n: a.tobytes() for n, a in LEAVES.items()
            }, file


def test_damage_of_the_arrays_is_told(whole, tmp_path):
    path = tmp_path / "one"
    shutil.copytree(whole, path)
    largest = max(files(path), key=lambda file: file.stat().st_size)
    largest.write_bytes(b"\0" * largest.stat().st_size)
    with pytest.raises(DamagedError, match=r"cannot be read|is not what was written"):
        read(path, read_index(path))


@pytest.mark.parametrize("content", ["", "[]", '{"format": 0}', '{"format": 1'])
def test_an_index_that_is_none_is_told(whole, tmp_path, content):
    path = tmp_path / "one"
    shutil.copytree(whole, path)
    (path / "index/metadata").write_text(content)
    with pytest.raises(DamagedError):
        read_index(path)


def test_what_could_not_be_written_is_not_there(tmp_path, monkeypatch):
    import orbax.checkpoint as orbax

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(orbax.JsonCheckpointHandler, "async_save", fail)
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path / "one", LEAVES, {})
    with pytest.raises(FileNotFoundError):
        read_index(tmp_path / "one")
    write(tmp_path / "two", LEAVES, {})
    assert list(read(tmp_path / "two", read_index(tmp_path / "two"))) == list(LEAVES)
