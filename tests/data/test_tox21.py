"""The Tox21 challenge: its table and split, features of either origin, what is fitted on what."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.preprocessing import RobustScaler, StandardScaler

from snnjax.config.schema import DataConfig
from snnjax.data.catalog import DataError
from snnjax.data.load import load, load_all, read_for
from snnjax.data.tox21 import preparation, table

from . import tox21_files as made

TRAIN = np.arange(20, dtype=np.int32)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, no_root: None) -> None:
    """Take the made table for the published one."""
    digest = "0b" * 32
    monkeypatch.setattr(table, "SHA256", digest)
    monkeypatch.setattr(table, "digest", lambda *arrays: digest)


def config(root: Path, **keys: Any) -> DataConfig:
    return DataConfig(
        **{"name": "tox21", "root": str(root), "fold": 5, "features": "deeptox"} | keys
    )


def test_the_table_says_who_is_tested_and_who_validates(tmp_path: Path, published: None) -> None:
    made.write_challenge(tmp_path)
    own = table.read(str(tmp_path), needs_smiles=True)
    np.testing.assert_array_equal(own.targets, made.LABELS)
    assert own.smiles == tuple(made.SMILES)
    assert (own.test == (made.SPLIT == "test")[:, None]).all()
    validating = [np.flatnonzero(column).tolist() for column in own.validation.T]
    # row 25 is a test compound of fold 2; row 24, of the leaderboard, is in no fold
    assert validating == [[0, 5], [1, 6, 28], [2, 7], [3, 8], [4, 9], [22, 23]]


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("set", "held out", "held out; expected training, validation, test"),
        ("CVfold", "6", "'6'; expected NA, 0, 1, 2, 3, 4, 5"),
        ("SR.p53", "0.5", "'0.5'; expected NA, 0, 1"),
    ],
)
def test_cells_that_say_nothing(
    tmp_path: Path, published: None, column: str, cell: str, said: str
) -> None:
    wrong = made.compounds()
    wrong.loc[4, column] = cell
    path = made.write_challenge(tmp_path, wrong)
    with pytest.raises(DataError) as raised:
        table.read(str(tmp_path), needs_smiles=True)
    assert str(raised.value) == f"{path}: row 5, column {column}: {said}"


def test_a_table_of_other_compounds_is_refused(tmp_path: Path, no_root: None) -> None:
    path = made.write_challenge(tmp_path)
    with pytest.raises(DataError, match=r"does not hold the published compounds.* 30 rows$"):
        table.read(str(tmp_path), needs_smiles=True)
    path.write_bytes(b"\x1f\x8b no gzip file")
    with pytest.raises(DataError, match=r"is damaged: expected a table"):
        table.read(str(tmp_path), needs_smiles=True)
    made.write_challenge(tmp_path, made.compounds(smiles=False))
    with pytest.raises(DataError, match=r"no column smiles; expected ID, set, CVfold"):
        table.read(str(tmp_path), needs_smiles=True)


@pytest.mark.parametrize(
    ("needs_smiles", "name"), [(True, "tox21_challenge.csv.gz"), (False, "tox21_compoundData.csv")]
)
def test_no_table_at_all(tmp_path: Path, no_root: None, needs_smiles: bool, name: str) -> None:
    with pytest.raises(DataError) as raised:
        table.read(str(tmp_path), needs_smiles=needs_smiles)
    said = str(raised.value)
    assert said.startswith(f"{name} was not found; ")
    assert said.endswith(f"{table.HOME} and put it in {tmp_path / 'tox21'}")


def test_the_published_table(data_root: Path) -> None:
    """The numbers of compounds are those of Mayr et al. 2016."""
    own = table.read(None, needs_smiles=True)
    assert (len(own.ids), own.test.sum(0).tolist()) == (12_707, [647] * 6)
    assert own.validation.sum(0).tolist() == [1558, 2036, 1476, 1353, 1510, 291]
    assert not (own.test & own.validation).any()


def test_features_of_deeptox_in_the_order_of_the_table(tmp_path: Path, published: None) -> None:
    made.write_deeptox(tmp_path)
    content = read_for(config(tmp_path))
    np.testing.assert_allclose(content.features, made.DENSE, rtol=1e-12)
    np.testing.assert_array_equal(content.sparse.toarray(), made.COUNTS)
    np.testing.assert_array_equal(content.targets, made.LABELS)


def remove(folder: Path) -> None:
    (folder / "tox21_sparse_test.mtx.gz").unlink()


def rename_a_sample(folder: Path) -> None:
    ids = made.IDS.copy()
    ids[made.SPLIT == "test"] = ["a", "b", "c"]
    rows = made.SPLIT == "test"
    made.write_part(folder, "test", ids[rows], made.DENSE[rows], made.COUNTS[rows])
    (folder / "tox21_labels_test.csv.gz").unlink()


def drop_a_row(folder: Path) -> None:
    rows = np.flatnonzero(made.SPLIT == "test")
    made.write_part(folder, "test", made.IDS[rows], made.DENSE[rows], made.COUNTS[rows[:-1]])


def drop_a_column(folder: Path) -> None:
    rows = np.flatnonzero(made.SPLIT == "test")[::-1]
    made.write_part(folder, "test", made.IDS[rows], made.DENSE[rows, 1:], made.COUNTS[rows])


def change_a_label(folder: Path) -> None:
    path = folder / "tox21_labels_test.csv.gz"
    labels = pandas.read_csv(path, index_col=0)
    labels.iloc[0, 0] = 1 - np.nan_to_num(labels.iloc[0, 0])
    labels.to_csv(path)


def damage(folder: Path) -> None:
    (folder / "tox21_sparse_train.mtx.gz").write_bytes(b"no matrix")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (remove, "tox21_sparse_test.mtx.gz was not found; get it from http"),
        (rename_a_sample, "no features of NCGC"),
        (drop_a_row, "tox21_sparse_test.mtx.gz: 2 rows, but tox21_dense_test.csv.gz has 3"),
        (drop_a_column, "tox21_dense_test.csv.gz: not the columns of tox21_dense_train.csv.gz"),
        (change_a_label, "tox21_labels_test.csv.gz: not the labels of the published table"),
        (damage, "tox21_sparse_train.mtx.gz is damaged: expected a Matrix Market file"),
    ],
)
def test_files_of_deeptox_that_do_not_fit(
    tmp_path: Path, published: None, spoil: Any, said: str
) -> None:
    spoil(made.write_deeptox(tmp_path))
    with pytest.raises(DataError) as raised:
        read_for(config(tmp_path))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_loader_standardises_what_was_prepared(tmp_path: Path, published: None) -> None:
    made.write_deeptox(tmp_path)
    raw, squashed, standard = (
        load_all([config(tmp_path, standardize=how, fold=fold)]).popitem()[1]
        for how, fold in (("none", 5), ("none", 0), ("standard", 5))
    )
    assert (raw.task, raw.outputs, raw.tasks) == ("multilabel", 12, table.TASKS)
    sizes = {name: len(rows) for name, rows in raw.rows.items()}
    assert sizes == {"train": 25, "validation": 2, "test": 3}
    expected = preparation.prepare(made.DENSE, read_for(config(tmp_path)).sparse, raw.rows["train"])
    np.testing.assert_array_equal(raw.features, expected.astype(np.float32))
    scaler = StandardScaler().fit(expected[raw.rows["train"]])
    np.testing.assert_allclose(standard.features, scaler.transform(expected), atol=2e-6)
    assert raw.sha256 == squashed.sha256 == standard.sha256
    assert not np.array_equal(raw.features, squashed.features)  # fitted on other rows


def test_what_is_sparse_counts_in_the_digest(tmp_path: Path, published: None) -> None:
    made.write_deeptox(tmp_path)
    content = read_for(config(tmp_path))
    wider = content.sparse.copy()
    wider.indices, wider.indptr = (at.astype(np.int64) for at in (wider.indices, wider.indptr))
    digests = [replace(content, sparse=own).sha256 for own in (wider, 2 * wider, None)]
    assert content.sha256 == digests[0]  # of places, however wide their numbers
    assert len({*digests}) == 3


def sparse_of(counts: np.ndarray) -> Any:
    from scipy.sparse import csr_array

    return csr_array(counts.astype(np.float64))


def test_preparation_is_what_was_published_on_the_training_rows() -> None:
    counts = np.zeros((30, 4))
    counts[0, 0] = 3  # 1 of 20 training rows: 5 %
    counts[20:, 1] = 1  # test rows only
    counts[:19, 2] = np.arange(19) % 3
    dense = np.column_stack([made.DENSE[:, :3], np.arange(30) * 1e-5])
    prepared = preparation.prepare(dense, sparse_of(counts), TRAIN)
    # variance of the last dense column 3e-9; range of the second and third above 10
    kept, wide = dense[:, :3].copy(), [1, 2]
    assert (np.ptp(kept[TRAIN], axis=0) > 10).tolist() == [False, True, True]
    lowest = kept[TRAIN][:, wide].min(0)
    kept[:, wide] = np.log10(np.maximum(kept[:, wide] - lowest, 0) + 1e-8)
    whole = np.hstack([kept, counts[:, [0, 2]]])
    expected = np.tanh(RobustScaler().fit(whole[TRAIN]).transform(whole))
    np.testing.assert_allclose(prepared, expected, rtol=1e-12)


def test_rows_outside_training_decide_nothing() -> None:
    counts = sparse_of(made.COUNTS)
    before = preparation.prepare(made.DENSE, counts, TRAIN)
    other = made.DENSE.copy()
    other[20:] = 1e9
    after = preparation.prepare(
        other, sparse_of(np.vstack([made.COUNTS[:20], [[9] * 9] * 10])), TRAIN
    )
    np.testing.assert_array_equal(before[:20], after[:20])


def test_what_is_not_defined_is_the_training_median() -> None:
    dense = made.DENSE[:, :1].copy()
    dense[[2, 25]] = np.nan
    prepared = preparation.prepare(dense, sparse_of(made.COUNTS[:, :0]), TRAIN)
    assert prepared[[2, 25], 0].tolist() == [0, 0]
    assert np.median(np.delete(prepared[TRAIN, 0], 2)) == pytest.approx(0, abs=1e-12)
    nowhere = np.full((30, 1), np.nan)
    with_it = preparation.prepare(np.hstack([nowhere, dense]), sparse_of(made.COUNTS[:, :0]), TRAIN)
    np.testing.assert_array_equal(with_it, prepared)


def test_without_rdkit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_root: None) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(DataError, match=r"install it with pip install 'snnjax\[chemistry\]'"):
        load(DataConfig(name="tox21", root=str(tmp_path)))
