"""What RDKit computes for Tox21: against its own single calls, kept once, side by side."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from snnjax import interruption
from snnjax.config.schema import DataConfig
from snnjax.data.load import load
from snnjax.data.tox21 import computed, raw, structures, table

from . import tox21_files as made

chemistry = pytest.importorskip("rdkit.Chem", reason="needs RDKit, the extra chemistry")
PLAIN = [row for row in range(made.ROWS) if row not in (made.PLATINUM, made.UNPARSABLE)]


@pytest.fixture(scope="module")
def part() -> structures.Part:
    return structures.describe(made.SMILES)


def test_descriptors_and_keys_are_those_of_rdkit(part: structures.Part) -> None:
    from rdkit.Chem import Descriptors, MACCSkeys

    names = [name for name, _ in Descriptors.descList]
    aspirin = dict(zip(names, part.descriptors[0], strict=True))
    assert aspirin["MolWt"] == pytest.approx(180.159, abs=5e-4)  # C9H8O4
    assert (aspirin["RingCount"], aspirin["NumHAcceptors"], aspirin["NumHDonors"]) == (1, 3, 1)
    for row in PLAIN:
        molecule = chemistry.MolFromSmiles(made.SMILES[row])
        assert np.flatnonzero(part.keys[row]).tolist() == [
            *MACCSkeys.GenMACCSKeys(molecule).GetOnBits()
        ]
        assert part.descriptors[row, names.index("TPSA")] == Descriptors.TPSA(molecule)
    assert np.isfinite(part.descriptors[PLAIN]).all()


def test_substructures_are_counted(part: structures.Part) -> None:
    """Of benzene: its atoms, paths of three and of five atoms, and the ring once."""
    counts = np.split(part.counts, np.cumsum(part.sizes)[:-1])
    benzene, ethanol = made.SMILES.index("C1=CC=CC=C1"), made.SMILES.index("CCO")
    assert sorted(counts[benzene].tolist()) == [1, 6, 6, 6]
    # three atoms, no two alike; two of a bond each, whose union is the third, all of it
    assert counts[ethanol].tolist() == [1] * 6


def test_structures_that_are_not_quite_or_not_at_all(part: structures.Part) -> None:
    assert np.flatnonzero(part.is_lenient).tolist() == [made.PLATINUM]
    assert np.flatnonzero(part.is_missing).tolist() == [made.UNPARSABLE]
    assert np.isfinite(part.descriptors[made.PLATINUM]).mean() > 0.9
    assert part.sizes[made.PLATINUM] > 0
    assert np.isnan(part.descriptors[made.UNPARSABLE]).all()
    assert part.sizes[made.UNPARSABLE] == part.keys[made.UNPARSABLE].sum() == 0
    assert structures.describe(["  "]).is_missing.all()


def test_parts_are_put_together(part: structures.Part) -> None:
    whole = raw.assemble([part])
    halves = raw.assemble(
        [structures.describe(made.SMILES[:11]), structures.describe(made.SMILES[11:])]
    )
    for one, other in zip(whole, halves, strict=True):
        dense = [
            table if isinstance(table, np.ndarray) else table.toarray() for table in (one, other)
        ]
        np.testing.assert_array_equal(*dense)
    assert whole.sparse.sum() == part.counts.sum() + part.keys.sum()
    benzene = made.SMILES.index("C1=CC=CC=C1")
    assert whole.sparse[[benzene]].nnz == part.sizes[benzene] + part.keys[benzene].sum()


def test_features_are_computed_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = computed.features(made.SMILES)
    assert "1 of 30 structures have atoms of unknown valence" in caplog.messages[0]
    assert "1 of 30 structures cannot be parsed" in caplog.messages[1]
    assert caplog.messages[1].endswith("the first is C1CC")
    (path,) = (path for path in cache.rglob("*") if path.is_file())
    assert path == raw.path_of(computed.key_of(made.SMILES))
    with monkeypatch.context() as patch:
        patch.setattr(structures, "describe", None)
        again = computed.features(made.SMILES)
    np.testing.assert_array_equal(first.dense, again.dense)
    assert (first.sparse != again.sparse).nnz == 0
    whole = path.read_bytes()
    for wrong in (b"", whole[:-2000], whole[:300] + b"?" + whole[301:], b"\x80\x04N."):
        path.write_bytes(wrong)
        caplog.clear()
        np.testing.assert_array_equal(computed.features(made.SMILES).dense, first.dense)
        assert "unusable and will be computed again" in caplog.messages[0]
        assert path.read_bytes() == whole
    assert not [*cache.rglob(".*")]


def test_what_features_depend_on_is_in_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {computed.key_of(made.SMILES), computed.key_of(made.SMILES[1:])}
    monkeypatch.setattr(structures, "RADIUS", 2)
    keys.add(computed.key_of(made.SMILES))
    monkeypatch.setattr(structures, "version", lambda: "1.0")
    assert len({*keys, computed.key_of(made.SMILES)}) == 4


def test_a_cache_folder_that_cannot_be_written(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.write_text("a file")
    with caplog.at_level(logging.WARNING):
        assert len(computed.features(made.SMILES[:3]).dense) == 3
    assert any("cannot be kept" in message for message in caplog.messages)


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_side_by_side_as_one_after_another_and_interrupted(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = computed.features(made.SMILES)
    raw.path_of(computed.key_of(made.SMILES)).unlink()
    monkeypatch.setattr(computed, "_CHUNK", 10)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(interruption, "check", interrupt)
        with pytest.raises(KeyboardInterrupt):
            computed.features(made.SMILES)
    assert not [path for path in cache.rglob("*") if path.is_file()]
    again = computed.features(made.SMILES)
    np.testing.assert_array_equal(again.dense, expected.dense)
    assert (again.sparse != expected.sparse).nnz == 0


def test_the_data_set_from_structures(
    tmp_path: Path, no_root: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "digest", lambda *arrays: table.SHA256)
    made.write_challenge(tmp_path)
    data = load(DataConfig(name="tox21", root=str(tmp_path), fold=5))
    assert len(data.features) == made.ROWS
    assert data.features.shape[1] > 200
    assert {name: len(rows) for name, rows in data.rows.items()} == {
        "train": 25,
        "validation": 2,
        "test": 3,
    }
    train = data.features[data.rows["train"]]
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-5)
