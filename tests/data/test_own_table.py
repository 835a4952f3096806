"""Tables of one's own: what becomes of columns and cells, and what is refused with which line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnjax.config.schema import DataConfig
from snnjax.data.catalog import DataError
from snnjax.data.load import load, load_all

ROWS = 40
RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(ROWS, 2)).round(3)
LABELS = np.where(RANDOM.random((ROWS, 2)) < 0.3, np.nan, RANDOM.random((ROWS, 2)) > 0.6)
WEIGHTS = RANDOM.integers(0, 3, ROWS)
NAMES = [f"kind {'bca'[n % 3]}" for n in range(ROWS)]


def cell(label: float, missing: str = "") -> str:
    return missing if np.isnan(label) else f"{label:g}"


def write(path: Path, missing: str = "", end: str = "\n") -> Path:
    """Write weight, two features, a class, two labels."""
    lines = ["w, x1,x2,class,NR-AR,SR p53"]
    for row in range(ROWS):
        labels = ",".join(cell(label, missing) for label in LABELS[row])
        lines.append(f"{WEIGHTS[row]},{FEATURES[row, 0]},{FEATURES[row, 1]},{NAMES[row]},{labels}")
    path.write_text(end.join([*lines, ""]), newline="")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path / "mine.csv")


def config(path: Path, **keys: Any) -> DataConfig:
    return DataConfig(name="table", path=str(path), standardize="none", **keys)


SEVERAL = {"task": "multilabel", "targets": ("NR-AR", "SR p53")}


@pytest.fixture
def numeric(tmp_path: Path) -> Path:
    """The same without the column of text."""
    lines = write(tmp_path / "all.csv").read_text().splitlines()
    path = tmp_path / "numeric.csv"
    cells = [line.split(",") for line in lines]
    path.write_text("\n".join(",".join([*row[:3], *row[4:]]) for row in cells))
    return path


def test_several_labels_with_empty_cells(numeric: Path) -> None:
    data = load(config(numeric, weight="w", **SEVERAL))
    assert (data.task, data.outputs, data.tasks) == ("multilabel", 2, ("NR-AR", "SR p53"))
    np.testing.assert_array_equal(data.features, FEATURES.astype(np.float32))
    np.testing.assert_array_equal(data.targets, LABELS.astype(np.float32))
    np.testing.assert_array_equal(data.weights, WEIGHTS)
    assert data.targets.dtype == data.weights.dtype == np.float32
    sizes = {name: len(rows) for name, rows in data.rows.items()}
    assert sizes == {"train": 27, "validation": 5, "test": 8}


@pytest.mark.parametrize("missing", ["NaN", "NA", " "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_missing_labels_may_be_written_otherwise(tmp_path: Path, missing: str, end: str) -> None:
    path = write(tmp_path / "b.csv", missing, end)
    text = path.read_text().replace("kind a", "1").replace("kind b", "2").replace("kind c", "3")
    path.write_text(text)
    data = load(config(path, **SEVERAL))
    np.testing.assert_array_equal(data.targets, LABELS.astype(np.float32))


def test_the_last_column_is_the_target_by_default(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("x,y\n" + "".join(f"{n},{2 * n}\n" for n in range(ROWS)))
    data = load(config(path, task="regression"))
    np.testing.assert_array_equal(data.targets[:, 0], 2 * np.arange(ROWS))
    assert data.weights is None
    path.write_text("x,y\n" + "".join(f"{n},{3 - n % 4}\n" for n in range(ROWS)))
    np.testing.assert_array_equal(load(config(path)).targets, 3 - np.arange(ROWS) % 4)


def test_classes_are_text_or_numbers(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text("y,x\n" + "".join(f"{(10, 9)[n % 2]},{n}\n" for n in range(ROWS)))
    numbers = load(config(path, targets=("y",)))
    assert numbers.targets.tolist() == [1, 0] * (ROWS // 2)
    path.write_text(path.read_text().replace("\n9,", "\nnine,"))
    assert load(config(path, targets=("y",))).targets.tolist() == [0, 1] * (ROWS // 2)


def test_folds_are_as_many_as_asked_for_and_stratified(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text("x,y\n" + "".join(f"{n},{n % 2}\n" for n in range(ROWS)))
    configs = [config(path, folds=4, fold=fold) for fold in range(4)]
    loaded = load_all(configs)
    rows = [loaded[one].rows["test"] for one in configs]
    assert sorted(np.concatenate(rows)) == list(range(ROWS))
    assert {int(loaded[configs[0]].targets[test].sum()) for test in rows} == {5}


REFUSED = {
    "no column": ({"weight": "ww"}, r"data\.weight=ww: no such column .*; did you mean w\?$"),
    "several classes": (
        {"targets": ("x1", "x2")},
        "a class is one column; several yes-or-no columns are data.task=multilabel",
    ),
    "text": (SEVERAL, r"row 1, column class: kind b is not a number"),
    "no label": (
        {"task": "multilabel", "targets": ("x1",)},
        "row 1, column x1: .* is no label; expected 0, 1, or an empty cell",
    ),
    "a weight that is a target": (
        {"task": "regression", "weight": "x1", "targets": ("x1",)},
        r"^data\.weight=x1: is one of data\.targets as well$",
    ),
    "a target twice": (
        {"task": "regression", "targets": ("x1", "x2", "x1")},
        r"^data\.targets=x1, x2, x1: names the column x1 twice$",
    ),
    "no features": (
        {"targets": ("w", "x1", "x2", "class", "NR-AR", "SR p53"), "task": "multilabel"},
        "no columns are left that could be features",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_the_table_is_refused(table: Path, case: str) -> None:
    keys, line = REFUSED[case]
    with pytest.raises(DataError, match=line) as raised:
        load(config(table, **keys))
    assert "\n" not in str(raised.value)


CONTENTS = {
    "": "no rows",
    "x,y\n": "no rows",
    "x,x\n1,2\n": "two columns are called x",
    "x,y\n1,2\n1\n": "row 2 has 1 cells, the header 2",
    "x,y\n1,2\n,3\n": "row 2, column x: '' is not a number",
    "x,y\n1,2\ninf,3\n": "row 2, column x: .*inf.* is not finite",
    "x,y\n1,2\n1_0,3\n": "row 2, column x: '1_0' is not a number$",
    "x,z,y\n1,2,3\n1,1e300,3\n": r"row 2, column z: '1e300' is beyond .* precision, 3\.4e\+38$",
    "x,y\n1,2\n-3.5e38,3\n": r"row 2, column x: '-3.5e38' is beyond the range of single",
    "x,y\n1,2\n1e999,3\n": r"row 2, column x: '1e999' is beyond the range of single",
    "\xff\n": "not a CSV file that can be read",
}


@pytest.mark.parametrize("content", CONTENTS, ids=repr)
def test_a_damaged_table_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content.encode("latin-1"))
    refuse(path, CONTENTS[content], task="regression")


def refuse(path: Path, line: str, **keys: Any) -> None:
    with pytest.raises(DataError, match=line) as raised:
        load(config(path, **keys))
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def of_targets(path: Path, cells: list[str]) -> Path:
    path.write_text("x,y\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)))
    return path


@pytest.mark.parametrize("others", ["01", "ab"], ids=["numbers", "text"])
@pytest.mark.parametrize("cell", ["", "NA", "na", "nan", "NaN", "inf", "-inf", "Infinity", "1e999"])
def test_what_says_no_class_is_none(tmp_path: Path, cell: str, others: str) -> None:
    cells = [*others * 10, cell, *others * 10]
    refuse(of_targets(tmp_path / "y.csv", cells), f"row 21, column y: '?{cell}'? is no class; ")


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    refuse(of_targets(tmp_path / "y.csv", ["2"] * ROWS), "column y holds the class '2' only")


def test_continuous_targets_are_no_classes(tmp_path: Path) -> None:
    path, hint = tmp_path / "y.csv", r"; did you mean data\.task=regression\?$"
    parts = of_targets(path, ["1", "2.0", "0.25", "1"] * 10)
    refuse(parts, f"row 3, column y: '0.25' is no class; it is not a whole number{hint}")
    assert load(config(parts, task="regression")).targets[2, 0] == 0.25
    many = of_targets(path, [str(n % 21) for n in range(ROWS)])
    refuse(many, f"column y holds 21 classes in 40 rows, more than half as many{hint}")
    texts = of_targets(path, [f"row {n}" for n in range(ROWS)])
    refuse(texts, "column y holds 40 classes in 40 rows, more than half as many$")
    halves = load(config(of_targets(path, [f"{n % 20}.0" for n in range(ROWS)])))
    np.testing.assert_array_equal(halves.targets, np.arange(ROWS) % 20)


def test_every_fold_has_a_test_row(tmp_path: Path) -> None:
    path = of_targets(tmp_path / "y.csv", ["0", "1"] * 20)
    last = load(config(path, folds=ROWS, fold=ROWS - 1, validation=0))
    assert len(last.rows["test"]) == 1
    line = rf"^data\.folds={ROWS + 1}: .* has {ROWS} rows, too few for a test row in each$"
    refuse(path, line, folds=ROWS + 1)


def test_underscores_make_classes_text(tmp_path: Path) -> None:
    path = of_targets(tmp_path / "y.csv", ["1_0", "9"] * 20)
    assert load(config(path)).targets.tolist() == [0, 1] * 20  # as numbers 9 would be first


def test_the_largest_number_of_single_precision_is_read(tmp_path: Path) -> None:
    path = of_targets(tmp_path / "y.csv", ["3.4028234663852886e38", "-3.4e38"] * 20)
    data = load(config(path, task="regression"))
    assert data.targets[0, 0] == np.finfo(np.float32).max


def test_weights_too_large_for_single_precision_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "heavy.csv"
    rows = "".join(f"{n},{'1e39' if n == 6 else 1},{n % 2}\n" for n in range(ROWS))
    path.write_text("x,w,y\n" + rows)
    refuse(path, "row 7, column w: '1e39' is beyond the range of single", weight="w")
    path.write_text("x,w,y\n" + rows.replace("1e39", "2e38").replace("9,1,", "9,1.9e38,"))
    refuse(path, "row 7, column w: '2e.38' is too large a weight; all add up to", weight="w")
    path.write_text("x,w,y\n" + rows.replace("1e39", "3e38"))
    assert load(config(path, weight="w")).weights[6] == np.float32(3e38)


def test_rows_that_teach_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "nothing.csv"
    path.write_text("x,w,y\n" + "".join(f"{n},0,\n" for n in range(ROWS)))
    with pytest.raises(DataError, match="none of the 27 training rows has a label"):
        load(config(path, task="multilabel"))
    path.write_text(path.read_text().replace(",\n", ",1\n"))
    with pytest.raises(DataError, match="none of the 27 training rows weighs more than 0"):
        load(config(path, task="multilabel", weight="w"))
    path.write_text(path.read_text().replace("\n3,0", "\n3,-1"))
    with pytest.raises(DataError, match=r"row 4, column w: .* is no weight; expected numbers >= 0"):
        load(config(path, task="multilabel", weight="w"))
