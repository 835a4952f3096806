"""A challenge of thirty compounds: its table, and features as DeepTox wrote them."""

import gzip
from pathlib import Path

import numpy as np
import pandas
from scipy.io import mmwrite
from scipy.sparse import coo_array

from snnjax.data.tox21.table import COLUMNS

RANDOM = np.random.default_rng(21)
SMILES = [
    "CC(=O)OC1=CC=CC=C1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
    "CC(=O)NC1=CC=C(O)C=C1",
    "C1=CC=CC=C1",
    "CCO",
    "CC(C)CC1=CC=C(C=C1)C(C)C(=O)O",
    "OC1=CC=CC=C1",
    "CC1=CC=CC=C1",
    "NC1=CC=CC=C1",
    "OC(=O)C1=CC=CC=C1",
    "ClC(Cl)Cl",
    "CC(C)(C1=CC=C(O)C=C1)C1=CC=C(O)C=C1",
    "C1=CC=C2C=CC=CC2=C1",
    "CCCCCCCC",
    "CC(=O)C",
    "CS(C)=O",
    "CN(C)C=O",
    "C1CCCCC1",
    "CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O",
    "OCC(O)CO",
    "NC(N)=O",
    "CCN(CC)CC",
    "C1COCCO1",
    "C1CCOC1",
    "BrC1=CC=CC=C1",
    "OC1=C(Cl)C=C(Cl)C=C1Cl",
    "[O-][N+](=O)C1=CC=CC=C1",
    "CCOC(=O)C",
    "[Cl-][Pt]1([Cl-])NCCN1",
    "C1CC",
]
PLATINUM, UNPARSABLE = 28, 29
"""The rows of a structure with atoms of unknown valence, and of one with an open ring."""
ROWS = len(SMILES)
SPLIT = np.array(["training"] * 22 + ["validation"] * 3 + ["test"] * 3 + ["training"] * 2)
FOLD = np.array([*"0123401234", *["NA"] * 12, "5", "5", "NA", "2", "NA", "NA", "1", "NA"])
LABELS = np.where(RANDOM.random((ROWS, 12)) < 0.3, np.nan, RANDOM.random((ROWS, 12)) < 0.4)
IDS = np.array([f"NCGC{number:08d}-01" for number in RANDOM.permutation(ROWS)])
DENSE = RANDOM.normal(size=(ROWS, 4)) * [1, 5, 100, 0]
COUNTS = RANDOM.poisson(0.4, (ROWS, 9))


def cells(labels: np.ndarray) -> list[str]:
    return ["NA" if np.isnan(label) else f"{label:g}" for label in labels]


def compounds(*, smiles: bool = True) -> pandas.DataFrame:
    """Make the table as text."""
    columns = {"ID": IDS, "inchikey": "", "set": SPLIT, "CVfold": FOLD}
    columns |= {column: cells(LABELS[:, n]) for n, column in enumerate(COLUMNS)}
    return pandas.DataFrame(columns | ({"smiles": SMILES} if smiles else {}))


def write_challenge(root: Path, table: pandas.DataFrame | None = None) -> Path:
    """Write `tox21/tox21_challenge.csv.gz` below a root."""
    path = root / "tox21" / "tox21_challenge.csv.gz"
    path.parent.mkdir(exist_ok=True, parents=True)
    (compounds() if table is None else table).to_csv(path, index=False)
    return path


def write_deeptox(root: Path) -> Path:
    """Write DeepTox's table, dense and sparse features and labels, test rows apart, shuffled."""
    folder = root / "tox21"
    folder.mkdir(exist_ok=True, parents=True)
    compounds(smiles=False).to_csv(folder / "tox21_compoundData.csv", index=False)
    for part in ("train", "test"):
        rows = np.flatnonzero((SPLIT == "test") == (part == "test"))[::-1]
        write_part(folder, part, IDS[rows], DENSE[rows], COUNTS[rows])
        labels = pandas.DataFrame(LABELS[rows], IDS[rows], [*COLUMNS])
        labels = labels[labels.columns[::-1]]  # looked up by name
        labels.to_csv(folder / f"tox21_labels_{part}.csv.gz", na_rep="NA")
    return folder


def write_part(
    folder: Path, part: str, ids: np.ndarray, dense: np.ndarray, counts: np.ndarray
) -> None:
    names = [f"descriptor {number}" for number in range(dense.shape[1])]
    frame = pandas.DataFrame(dense, ids, names)
    frame.to_csv(folder / f"tox21_dense_{part}.csv.gz")
    with gzip.open(folder / f"tox21_sparse_{part}.mtx.gz", "wb") as file:
        mmwrite(file, coo_array(counts))
