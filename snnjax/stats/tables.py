"""Tables of scores and of trials: what is checked before anything is computed."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest, show

Array = npt.NDArray[np.float64]

_DIGITS = 12  # so many digits of a row's largest score tell its scores apart


def checked(
    table: pd.DataFrame, *, higher_is_better: bool = True, methods: int = 2
) -> pd.DataFrame:
    """Return scores as floats of which higher is better.

    Args:
        table: One row per data set, one column per method; NaN where there is no score.
        higher_is_better: False for errors and losses, whose sign is changed.
        methods: How many columns there must be.

    Raises:
        ConfigError: No table, no rows, too few columns, the same name twice, or what is no
            finite number.
    """
    if not isinstance(table, pd.DataFrame):
        raise ConfigError(complaint("table", type(table).__name__, "no pandas DataFrame"))
    names = [str(name) for name in table.columns]
    if table.empty:
        raise ConfigError(complaint("table", None, f"{len(table)} rows, {len(names)} columns"))
    if len(names) < methods:
        problem = f"{len(names)} method ({', '.join(names)})"
        raise ConfigError(complaint("table", None, problem, f"{methods} or more"))
    _refuse_twice("column", table.columns)
    _refuse_twice("row", table.index)
    return _floats(table) if higher_is_better else -_floats(table)


def _floats(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of floats, or say which column holds something else."""
    for name, column in table.items():
        if not pd.api.types.is_numeric_dtype(column) and not column.isna().all():
            value = next(value for value in column if not isinstance(value, int | float))
            problem = f"{show(value)} is no number"
            raise ConfigError(complaint("table", str(name), problem, "numbers, NaN where missing"))
    values = table.astype(np.float64)
    infinite = np.isinf(values.to_numpy())
    if infinite.any():
        row, column = (int(place[0]) for place in infinite.nonzero())
        where = f"{values.columns[column]} of {show(values.index[row])}"
        problem = f"{show(values.iat[row, column])} is no finite score"
        raise ConfigError(complaint("table", where, problem, "numbers, NaN where missing"))
    return values


def _refuse_twice(what: str, names: pd.Index) -> None:
    if names.has_duplicates:
        again = show(names[names.duplicated()][0])
        raise ConfigError(complaint("table", again, f"{what} is there twice", "names once each"))


def place_of(name: str, names: Iterable[Any], what: str = "method") -> int:
    """Return the place of `name` among the names of columns or rows.

    Raises:
        ConfigError: It is not there; the message names the nearest one.
    """
    known = [str(each) for each in names]
    if str(name) not in known:
        hint = nearest(str(name), known)
        allowed = enumerate_names(known)
        raise ConfigError(complaint(what, show(name), f"no such {what}", allowed, hint))
    return known.index(str(name))


def check_columns(trials: pd.DataFrame, columns: Sequence[str]) -> None:
    """Check that a table of trials has rows and these columns.

    Raises:
        ConfigError: It has not; the message names the nearest column.
    """
    if not isinstance(trials, pd.DataFrame):
        raise ConfigError(complaint("trials", type(trials).__name__, "no pandas DataFrame"))
    if trials.empty:
        raise ConfigError(complaint("trials", None, "0 rows", "one row per trial"))
    for column in columns:
        place_of(column, trials.columns, "column")


def check_share(name: str, value: float) -> float:
    """Return a share strictly between 0 and 1, or refuse it.

    Raises:
        ConfigError: It is none.
    """
    if not 0 < value < 1:
        raise ConfigError(complaint(name, show(value), "out of range", "0 < value < 1"))
    return value


def check_choice(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return one of a few words, or refuse it.

    Raises:
        ConfigError: It is none of them; the message names the nearest one.
    """
    if value not in allowed:
        hint = nearest(str(value), allowed)
        problem = f"no such {name}"
        raise ConfigError(complaint(name, show(value), problem, ", ".join(allowed), hint))
    return value


def without_dust(values: Array) -> Array:
    """Return scores (..., methods) whose last digits, which rounding leaves, are gone.

    Equal accuracies computed in different orders are then equal, as ties need it.
    """
    largest = np.nan_to_num(np.abs(values)).max(axis=-1, keepdims=True, initial=0.0)
    scale = np.exp2(np.frexp(largest)[1])  # powers of two divide exactly
    rounded: Array = np.round(values / scale, _DIGITS) * scale
    return rounded
