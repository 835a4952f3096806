import zipfile

import numpy as np
import pytest

from snnjax.config.schema import DataConfig
from snnjax.data import tabular
from snnjax.data.catalog import DataError
from snnjax.data.content import digest
from snnjax.data.load import load, read


def test_boston(data_root):
    data = load(DataConfig(name="boston"))
    assert (data.task, data.features.shape, data.targets.shape) == (
        "regression",
        (506, 13),
        (506, 1),
    )
    assert {key: len(rows) for key, rows in data.rows.items()} == {
        "train": 343,
        "validation": 61,
        "test": 102,
    }
    original = data.targets * data.target_scale + data.target_shift
    assert original.mean() == pytest.approx(22.5328, abs=1e-4)  # 1,000 dollars
    assert original[0, 0] == pytest.approx(24.0, rel=1e-6)


def test_htru2_is_nested_cross_validation(data_root):
    content = read("htru2")
    assert content.features.shape == (17_898, 8)
    assert np.bincount(content.targets).tolist() == [16_259, 1_639]
    assert np.array_equal(content.test.sum(axis=1), np.ones(17_898))
    pulsars = content.test[content.targets == 1].sum(axis=0)
    assert set(pulsars) == {163, 164}
    for fold in range(10):
        assert np.array_equal(content.validation[:, fold], content.test[:, fold - 1])


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_htru2_packed_otherwise_is_the_same(tmp_path, data_root, line_end):
    content = (data_root / "htru2/HTRU_2.csv").read_bytes().replace(b"\n", line_end)
    with zipfile.ZipFile(tmp_path / "htru2.zip", "w") as archive:
        archive.writestr("HTRU_2.csv", content)
        archive.writestr("../evil.txt", b"outside")
    packed = load(DataConfig(name="htru2", root=str(tmp_path)))
    assert packed.sha256 == load(DataConfig(name="htru2")).sha256
    assert not (tmp_path.parent / "evil.txt").exists()


@pytest.fixture
def put_boston(tmp_path):
    def put(content):
        path = tmp_path / "housing.csv"
        path.write_bytes(content)
        return path

    return put


@pytest.mark.parametrize("change", ["value", "row", "header", "nan"])
def test_changed_table(tmp_path, data_root, put_boston, change):
    content = (data_root / "boston/housing.csv").read_bytes()
    changed = {
        "value": content.replace(b"24.00", b"24.01", 1),
        "row": content[: content.rindex(b"\n", 0, -1)],
        "header": b"CRIM,ZN\n" + content,
        "nan": content.replace(b"24.00", b"nan", 1),
    }
    path = put_boston(changed[change])
    with pytest.raises(DataError, match=f"^{path} .* expected .* found") as raised:
        load(DataConfig(name="boston", root=str(tmp_path)))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0", b"1,2\n3\n", b"<html>"])
def test_not_a_table(tmp_path, put_boston, content):
    path = put_boston(content)
    with pytest.raises(DataError, match=f"^{path} "):
        load(DataConfig(name="boston", root=str(tmp_path)))


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_htru2_zip_that_is_none(tmp_path, content):
    (tmp_path / "htru2.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"htru2\.zip is damaged"):
        load(DataConfig(name="htru2", root=str(tmp_path)))


def test_htru2_zip_without_the_table(tmp_path):
    with zipfile.ZipFile(tmp_path / "htru2.zip", "w") as archive:
        archive.writestr("Readme.txt", b"")
    with pytest.raises(DataError, match=r"htru2\.zip: expected the member HTRU_2\.csv"):
        load(DataConfig(name="htru2", root=str(tmp_path)))


def test_read_table(tmp_path):
    table = np.array([[1.0, 2.5], [3.0, -4.0]])
    parsed = tabular.read_table(tmp_path, b"1,2.5\r\n3,-4\r\n", digest(table))
    assert np.array_equal(parsed, table)
