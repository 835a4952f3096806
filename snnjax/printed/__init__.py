"""Figures as printed in papers, each table as a CSV file whose first line says where it is from."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest, show

_FOLDER = Path(__file__).parent
_INDEX = ("dataset",)  # tables with one row of each are indexed by it

METHODS: Mapping[str, str] = {
    "SNN": "snn",
    "MS": "msra",
    "MSRAinit": "msra",
    "HW": "highway",
    "Highway": "highway",
    "ResNet": "resnet",
    "BN": "batchnorm",
    "BatchNorm": "batchnorm",
    "WN": "weightnorm",
    "WeightNorm": "weightnorm",
    "LN": "layernorm",
    "LayerNorm": "layernorm",
}
"""The networks as the papers' tables call them, and as `model.name` does."""

LARGE = 1000
"""Klambauer et al. 2017: data sets with so many points or more are large."""


def names() -> tuple[str, ...]:
    """Return the names of the tables."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.csv")))


def source(name: str) -> str:
    """Return where a table is from and what it holds.

    Raises:
        ConfigError: There is no such table; the message names the nearest one.
    """
    with _path(name).open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


def read(name: str, *, as_printed: bool = False) -> pd.DataFrame:
    """Return a printed table, NaN where it has no figure.

    Networks have the names of `model.name`, in columns and in the column `method`, and the
    tables with one row per UCI data set its names as their index.

    Args:
        name: One of `names`.
        as_printed: Whether networks keep the names that the paper's tables have.

    Raises:
        ConfigError: There is no such table; the message names the nearest one.
    """
    table = pd.read_csv(_path(name), comment="#", na_values=["na"])
    for column in _INDEX:
        if column in table and table[column].is_unique:
            table = table.set_index(column)
    if as_printed:
        return table
    if "method" in table:
        table["method"] = table["method"].replace(dict(METHODS))
    return table.rename(columns=dict(METHODS))


def uci_accuracies() -> pd.DataFrame:
    """Return the printed accuracies of Table A11: 121 data sets, seven networks, NaN where none."""
    return read("uci").drop(columns=["N", "M"])


def uci_points() -> pd.Series:
    """Return the number of points of each of the 121 data sets, as Table A11 prints it."""
    return read("uci")["N"].rename("points")


def uci_test_rows() -> pd.Series:
    """Return how many test rows the printed accuracies of Table A11 were measured on."""
    return read("uci_sizes")["snn_test_size"].rename("rows")


def uci_with_classical() -> pd.DataFrame:
    """Return Table A11 with the 17 classical methods that Tables A12 and A13 rank beside it.

    The classical ones' accuracies are means over four test folds, the networks' of one split.
    """
    return uci_accuracies().join(read("uci_classical") / 100)


def _path(name: str) -> Path:
    known = names()
    if name not in known:
        hint = nearest(str(name), known)
        allowed = enumerate_names(known)
        raise ConfigError(complaint("printed", show(name), "no such table", allowed, hint))
    return _FOLDER / f"{name}.csv"
