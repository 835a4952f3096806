"""Tables of one's own: a CSV file with a header, whose columns are features, targets, a weight."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from snnjax.config.errors import complaint, enumerate_names, nearest, show
from snnjax.config.values import is_plain_number
from snnjax.data import folds
from snnjax.data.catalog import DataError
from snnjax.data.content import Content

if TYPE_CHECKING:
    from snnjax.config.schema import DataConfig

MISSING = ("", "na", "nan")
"""What a cell may hold whose label is missing, in small letters."""

LARGEST = float(np.finfo(np.float32).max)
"""No number of a table may be beyond it: networks compute in single precision."""

_REGRESSION = "; did you mean data.task=regression?"

Numbers = NDArray[np.float64]


class _Table:
    """Cells of a file by column, each column looked up by name; errors name line and column."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                lines = csv.reader(file)
                self.header = [name.strip() for name in next(lines, [])]
                self._rows = [row for row in lines if row]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path}: not a CSV file that can be read ({error})") from error
        self._check()

    def cells(self, column: str) -> list[str]:
        """Return the text of a column, one cell per row."""
        place = self.header.index(column)
        return [row[place].strip() for row in self._rows]

    def numbers(self, columns: Sequence[str]) -> Numbers:
        """Return columns of finite numbers, (rows, columns)."""
        places = [self.header.index(column) for column in columns]
        table = np.empty((len(self._rows), len(columns)))
        for number, cells in enumerate(self._rows):
            try:
                table[number] = [_number(cells[place]) for place in places]
            except ValueError:
                wrong = next(place for place in places if not _is_number(cells[place]))
                self.refuse(number, self.header[wrong], cells[wrong], "is not a number")
        if len(bad := np.argwhere(~(np.abs(table) <= LARGEST))):
            row, column = (int(place) for place in bad[0])
            cell = self._rows[row][places[column]].strip()
            beyond = f"is beyond the range of single precision, {LARGEST:.2g}"
            problem = beyond if is_plain_number(cell) else "is not finite"
            self.refuse(row, columns[column], cell, problem)
        return table

    def refuse(self, row: int, column: str, cell: str, problem: str) -> None:
        """Raise a DataError about a cell; rows are counted from 0, the header not among them."""
        raise DataError(f"{self.path}: row {row + 1}, column {column}: {show(cell)} {problem}")

    def _check(self) -> None:
        twice = [name for name in self.header if self.header.count(name) > 1]
        if not self._rows:
            raise DataError(f"{self.path}: expected a header and rows below it, found no rows")
        if twice:
            raise DataError(f"{self.path}: two columns are called {show(twice[0])}")
        for number, row in enumerate(self._rows, 1):
            if len(row) != len(self.header):
                raise DataError(
                    f"{self.path}: row {number} has {len(row)} cells, the header {len(self.header)}"
                )


def read(config: "DataConfig") -> Content:
    """Read the table that a configuration describes.

    Folds are dealt out by rows, for classes stratified.

    Raises:
        DataError: There is no such file or column, or a cell is not what it should be.
    """
    table = _Table(Path(config.path or "").expanduser())
    targets, features = _columns(config, table)
    values, outputs, strata = _targets(config.task, table, targets)
    inputs = table.numbers(features)
    if config.folds > len(strata):
        problem = f"{table.path} has {len(strata)} rows, too few for a test row in each"
        raise DataError(complaint("data.folds", show(config.folds), problem))
    fold = folds.partition(strata, config.folds)
    return Content(
        task=config.task,
        features=inputs,
        targets=values,
        outputs=outputs,
        test=folds.as_masks(fold, config.folds),
        weights=None if config.weight is None else _weights(table, config.weight),
        tasks=tuple(targets) if config.task == "multilabel" else (),
    )


def _columns(config: "DataConfig", table: _Table) -> tuple[list[str], list[str]]:
    """Return the names of the target columns and of the features."""
    named = {"data.weight": [config.weight] if config.weight else []}
    named["data.targets"] = list(config.targets or ())
    _check_roles(config.weight, named["data.targets"])
    for key, names in named.items():
        for name in names:
            if name not in table.header:
                known, hint = enumerate_names(table.header), nearest(name, table.header)
                raise DataError(
                    complaint(key, show(name), f"no such column in {table.path}", known, hint)
                )
    left = [name for name in table.header if name not in named["data.weight"]]
    targets = left[-1:] if config.targets is None else named["data.targets"]
    features = [name for name in left if name not in targets]
    if not features or not targets:
        what = "features" if targets else "targets"
        raise DataError(f"{table.path}: no columns are left that could be {what}")
    if config.task == "classification" and len(targets) > 1:
        problem = "a class is one column; several yes-or-no columns are data.task=multilabel"
        raise DataError(complaint("data.targets", show(", ".join(targets)), problem))
    return targets, features


def _check_roles(weight: str | None, targets: list[str]) -> None:
    """Refuse a column that is named twice among the targets, or as the weight too."""
    if twice := [name for name in targets if targets.count(name) > 1]:
        problem = f"names the column {show(twice[0])} twice"
        raise DataError(complaint("data.targets", show(", ".join(targets)), problem))
    if weight in targets:
        raise DataError(complaint("data.weight", show(weight), "is one of data.targets as well"))


def _targets(
    task: str, table: _Table, columns: Sequence[str]
) -> tuple[NDArray[np.int32] | Numbers, int, NDArray[np.int32]]:
    """Return the targets, the number of outputs, and what splits are stratified by."""
    if task == "classification":
        labels = _classes(table, columns[0])
        return labels, int(labels.max()) + 1, labels
    values = table.numbers(columns) if task == "regression" else _labels(table, columns)
    return values, len(columns), np.zeros(len(values), np.int32)


def _classes(table: _Table, column: str) -> NDArray[np.int32]:
    """Number classes in the order of their labels: as whole numbers if all are, else as text."""
    labels = _class_labels(table, column)
    classes, indices = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        only = show(table.cells(column)[0])
        raise DataError(f"{table.path}: column {column} holds the class {only} only")
    if len(classes) > len(labels) / 2:
        raise DataError(
            f"{table.path}: column {column} holds {len(classes)} classes in {len(labels)} rows, "
            f"more than half as many{_REGRESSION if labels.dtype == np.float64 else ''}"
        )
    return indices.astype(np.int32)


def _class_labels(table: _Table, column: str) -> Numbers | NDArray[np.str_]:
    """Return the labels of classes, as whole numbers or as text; refuse what is none."""
    cells = table.cells(column)
    for row, cell in enumerate(cells):
        if cell.lower() in MISSING:
            table.refuse(row, column, cell, "is no class; every row needs one")
        if _is_number(cell) and not np.isfinite(float(cell)):
            table.refuse(row, column, cell, "is no class; it is not finite")
    if not all(map(_is_number, cells)):
        return np.asarray(cells)
    labels = np.asarray(cells, dtype=np.float64)
    if (parts := labels % 1 != 0).any():
        row = int(np.argmax(parts))
        table.refuse(row, column, cells[row], f"is no class; it is not a whole number{_REGRESSION}")
    return labels


def _labels(table: _Table, columns: Sequence[str]) -> Numbers:
    """Return labels 0 and 1, NaN where they are missing."""
    values = np.empty((len(table.cells(columns[0])), len(columns)))
    for place, column in enumerate(columns):
        for row, cell in enumerate(table.cells(column)):
            if cell.lower() in MISSING:
                values[row, place] = np.nan
            elif _is_number(cell) and float(cell) in (0.0, 1.0):
                values[row, place] = float(cell)
            else:
                table.refuse(row, column, cell, "is no label; expected 0, 1, or an empty cell")
    return values


def _weights(table: _Table, column: str) -> Numbers:
    weights = table.numbers([column])[:, 0]
    if (weights < 0).any():
        row = int(np.argmax(weights < 0))
        table.refuse(row, column, f"{weights[row]:g}", "is no weight; expected numbers >= 0")
    if (total := weights.sum()) > LARGEST:
        row = int(np.argmax(weights))
        problem = f"is too large a weight; all add up to {total:.2g}, more than {LARGEST:.2g}"
        table.refuse(row, column, f"{weights[row]:g}", problem)
    return weights


def _number(cell: str) -> float:
    if "_" in cell:  # a number in Python alone
        raise ValueError(cell)
    return float(cell)


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return False
    return True
