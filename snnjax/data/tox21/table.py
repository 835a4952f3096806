"""The table of the challenge: who is tested, who validates, and what the twelve assays said.

It is DeepTox's `tox21_compoundData.csv` (Mayr et al. 2016), or the same with a column of SMILES.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnjax.config.errors import enumerate_names, show
from snnjax.data import files
from snnjax.data.catalog import DataError
from snnjax.data.content import Mask, digest
from snnjax.data.files import Source

TASKS = (
    *("NR-AhR", "NR-AR", "NR-AR-LBD", "NR-Aromatase", "NR-ER", "NR-ER-LBD", "NR-PPAR-gamma"),
    *("SR-ARE", "SR-ATAD5", "SR-HSE", "SR-MMP", "SR-p53"),
)
"""Nuclear receptor and stress response assays."""
COLUMNS = tuple(task.replace("-", ".") for task in TASKS)
"""The names of the assays in the files."""
FOLDS = 6
"""Of the challenge's winners: 0 to 4 of training compounds, 5 the compounds of the leaderboard."""
HOME = "http://bioinf.jku.at/research/DeepTox/tox21.html"

COMPOUNDS = Source(
    paths=("tox21/tox21_compoundData.csv", "tox21_compoundData.csv"),
    url="http://bioinf.jku.at/research/DeepTox/tox21_compoundData.csv",
    checksum=None,
)
CHALLENGE = Source(
    paths=("tox21/tox21_challenge.csv.gz", "tox21_challenge.csv.gz"),
    url=HOME,
    checksum=None,
)
# Of what networks are trained and judged by; SMILES may be written in many ways.
SHA256 = "f385604735867edd6fdb82b38b023feec20262694f824855062ef99e5734e71b"
_SETS = ("training", "validation", "test")
_NO_FOLD, _MISSING = "NA", "NA"


class Compounds(NamedTuple):
    """The rows of the table, in its order.

    Attributes:
        ids: (rows,) names of the samples, all different.
        smiles: (rows,) structures; None if the file has none.
        is_test: (rows,) the compounds of the final evaluation.
        fold: (rows,) int8, the fold that a compound is in; -1 for none.
        labels: (rows, 12) int8 of 0, 1, and -1 for what was not measured.
    """

    ids: NDArray[np.str_]
    smiles: tuple[str, ...] | None
    is_test: Mask
    fold: NDArray[np.int8]
    labels: NDArray[np.int8]

    @property
    def targets(self) -> NDArray[np.float64]:
        """The labels with NaN for missing ones, (rows, 12)."""
        return np.where(self.labels < 0, np.nan, self.labels.astype(np.float64))

    @property
    def test(self) -> Mask:
        """The test rows of every fold, which are the same, (rows, FOLDS)."""
        return np.repeat(self.is_test[:, None], FOLDS, axis=1)

    @property
    def validation(self) -> Mask:
        """The validation rows of every fold, (rows, FOLDS).

        Compounds in no fold are trained on, test compounds never, though a few are in one.
        """
        return (self.fold[:, None] == np.arange(FOLDS)) & ~self.test


def read(root: str | None, *, needs_smiles: bool) -> Compounds:
    """Read the table and check that it is the published one.

    Args:
        root: See `files`.
        needs_smiles: Only a file with structures will do.

    Raises:
        DataError: There is no such file, or not with this content.
    """
    sources = (CHALLENGE,) if needs_smiles else (CHALLENGE, COMPOUNDS)
    found = (files.find(source, root) for source in sources)
    path = next((path for path in found if path is not None), None)
    if path is None:
        raise DataError(_nowhere(next(files.roots(root)), needs_smiles=needs_smiles))
    return _parse(path, needs_smiles=needs_smiles)


def _nowhere(root: Path, *, needs_smiles: bool) -> str:
    source = CHALLENGE if needs_smiles else COMPOUNDS
    place = root / source.paths[0]
    home = "the documentation of data says how to make it of" if needs_smiles else "get it from"
    return f"{place.name} was not found; {home} {HOME} and put it in {place.parent}"


def _parse(path: Path, *, needs_smiles: bool) -> Compounds:
    table = _cells(path)
    columns = ["ID", "set", "CVfold", *COLUMNS]
    for column in columns + ["smiles"] * needs_smiles:
        if column not in table:
            problem = f"no column {column}; expected {enumerate_names([*columns, 'smiles'])}"
            raise DataError(f"{path}: {problem}")
    folds = {_NO_FOLD: -1} | {str(fold): fold for fold in range(FOLDS)}
    kinds = {_MISSING: -1, "0": 0, "1": 1}
    split = _coded(path, table, "set", {name: place for place, name in enumerate(_SETS)})
    labels = [_coded(path, table, column, kinds) for column in COLUMNS]
    own = Compounds(
        ids=np.array(table["ID"], dtype=np.str_),
        smiles=tuple(table["smiles"]) if "smiles" in table else None,
        is_test=split == _SETS.index("test"),
        fold=_coded(path, table, "CVfold", folds),
        labels=np.stack(labels, axis=1),
    )
    found = digest(own.ids.astype(np.bytes_), own.is_test, own.fold, own.labels)
    if found != SHA256:
        raise DataError(
            f"{path} does not hold the published compounds, split and labels: expected sha256 "
            f"{SHA256} of them, found {found} for {len(own.ids)} rows"
        )
    return own


def _cells(path: Path) -> Any:
    """Return the columns of a file as text."""
    import pandas

    try:
        return pandas.read_csv(path, dtype=str, keep_default_na=False, engine="c")
    except (OSError, EOFError, ValueError) as error:
        line = " ".join(str(error).split())
        raise DataError(f"{path} is damaged: expected a table of compounds: {line}") from None


def _coded(path: Path, table: Any, column: str, codes: dict[str, int]) -> NDArray[np.int8]:
    """Return a number for every cell of a column."""
    cells = table[column]
    for row, cell in enumerate(cells):
        if cell not in codes:
            where = f"{path}: row {row + 1}, column {column}"
            raise DataError(f"{where}: {show(cell)}; expected {', '.join(codes)}")
    return np.array([codes[cell] for cell in cells], dtype=np.int8)
