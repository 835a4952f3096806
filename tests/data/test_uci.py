import zipfile

import numpy as np
import pytest

from snnjax.config.schema import DataConfig
from snnjax.data import catalog, uci
from snnjax.data.catalog import DataError
from snnjax.data.load import load, read

MEMBERS = {
    "wine_py.dat": b"1.5,2\n3,-4\n5,6\n7,8e-1\n",
    "labels_py.dat": b"7\n3\n7\n5\n",
    "folds_py.dat": b"1,0,0,0\n0,1,0,0\n0,0,1,0\n0,0,0,1\n",
    "validation_folds_py.dat": b"0,1,0,0\n1,0,0,0\n0,0,0,1\n0,0,1,0\n",
}
# Printed sizes of training, validation and test rows of column 0.
SIZES = {
    "wine": (100, 34, 44),
    "iris": (92, 21, 37),
    "abalone": (2503, 630, 1044),
    "acute-inflammation": (74, 16, 30),
    "acute-nephritis": (73, 17, 30),
}


@pytest.fixture
def put_archive(tmp_path):
    def put(members=MEMBERS, prefix="data/wine/"):
        path = tmp_path / "data_py.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, content in members.items():
                archive.writestr(prefix + file, content)
        return path

    return put


@pytest.fixture
def small_wine(monkeypatch):
    """Pin the four rows above as the published wine."""
    entry = catalog.UciEntry(4, 2, 3, uci.content_digest(list(MEMBERS.values())))
    monkeypatch.setattr(catalog, "uci_table", lambda: {"wine": entry})


@pytest.mark.parametrize("prefix", ["data/wine/", "wine/"])
def test_small_archive(tmp_path, put_archive, small_wine, prefix):
    put_archive(prefix=prefix)
    content = read("wine", str(tmp_path))
    assert content.features.tolist() == [[1.5, 2], [3, -4], [5, 6], [7, 0.8]]
    assert content.targets.tolist() == [2, 0, 2, 1]  # 3, 5, 7 in order
    assert content.outputs == 3
    data = load(DataConfig(name="wine", root=str(tmp_path), fold=1))
    assert {key: rows.tolist() for key, rows in data.rows.items()} == {
        "train": [2, 3],
        "validation": [0],
        "test": [1],
    }


@pytest.mark.parametrize("file", MEMBERS)
def test_changed_member(tmp_path, put_archive, small_wine, file):
    put_archive({**MEMBERS, file: MEMBERS[file].replace(b"1", b"2", 1).replace(b"7", b"8", 1)})
    with pytest.raises(DataError, match=r"wine is not the published one: expected sha256 .* found"):
        read("wine", str(tmp_path))


def test_swapped_members(tmp_path, put_archive, small_wine):
    swapped = {"folds_py.dat": "validation_folds_py.dat", "validation_folds_py.dat": "folds_py.dat"}
    put_archive({swapped.get(file, file): content for file, content in MEMBERS.items()})
    with pytest.raises(DataError, match="wine is not the published one"):
        read("wine", str(tmp_path))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "text", "empty"])
def test_damaged_archive(tmp_path, put_archive, small_wine, damage):
    path = put_archive()
    content = bytearray(path.read_bytes())
    content[50] ^= 0x55  # in the compressed predictors
    changed = {"truncated": content[: len(content) // 2], "flipped": content, "text": b"no zip"}
    path.write_bytes(changed.get(damage, b""))
    with pytest.raises(DataError, match=rf"{path} is damaged") as raised:
        read("wine", str(tmp_path))
    assert "\n" not in str(raised.value)


def test_members_outside_are_not_read_or_written(tmp_path, put_archive, small_wine):
    path = put_archive(prefix="../data/wine/")
    with pytest.raises(DataError, match=r"expected data/wine/wine_py\.dat, found no such member"):
        read("wine", str(tmp_path))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_member_of_absurd_size(tmp_path, put_archive, small_wine, monkeypatch):
    monkeypatch.setattr(uci, "_LARGEST_MEMBER", 10)
    put_archive()
    with pytest.raises(DataError, match=f"claims {len(MEMBERS['wine_py.dat'])} bytes"):
        read("wine", str(tmp_path))


def test_miniboone_is_refused():
    with pytest.raises(
        DataError, match=r"=miniboone: .*predictors are missing .*other 120"
    ) as caught:
        load(DataConfig(name="miniboone"))
    with pytest.raises(DataError, match=f"^{caught.value}$"):
        read("miniboone")


# Test rows behind the accuracies of Table A11, where a test file was published with the set.
TEST_SIZES = {"annealing": 100, "soybean": 376, "statlog-shuttle": 14_500, "yeast": 371, "zoo": 25}


@pytest.mark.parametrize("name", TEST_SIZES)
def test_test_rows_are_those_of_the_paper(data_root, name):
    assert len(load(DataConfig(name=name)).rows["test"]) == TEST_SIZES[name]


@pytest.mark.parametrize("name", SIZES)
def test_split_sizes_are_the_printed_ones(data_root, name):
    rows = load(DataConfig(name=name)).rows
    assert tuple(len(part) for part in rows.values()) == SIZES[name]


def test_every_set_loads_in_every_fold(data_root):
    loaded = 0
    for name, entry in catalog.uci_table().items():
        if catalog.missing_predictors(name):
            continue
        content = read(name)
        assert content.features.shape == (entry.rows, entry.features)
        assert content.features.dtype == np.float64
        assert np.array_equal(np.unique(content.targets), np.arange(entry.classes))
        assert content.test.shape == content.validation.shape == (entry.rows, 4)
        assert not np.any(content.test & content.validation)
        assert content.test.any(axis=0).all()
        assert not (content.test | content.validation).all(axis=0).any()
        loaded += 1
    assert loaded == 120
