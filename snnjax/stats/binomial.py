"""What the number of test rows says about an accuracy and about differences of two."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from snnjax.config.errors import ConfigError, complaint, show
from snnjax.stats.tables import Array, check_choice, check_share

Method = Literal["wilson", "clopper-pearson"]

METHODS = ("wilson", "clopper-pearson")


def expected_difference(
    first: npt.ArrayLike, rows: npt.ArrayLike, second: npt.ArrayLike | None = None
) -> Array:
    """Return the expected absolute difference of two accuracies measured on so many test rows.

    E|X - Y| / n of independent binomial X and Y, exactly: sum of F(1 - G) + G(1 - F) over their
    distribution functions. Two networks tested on the same rows err on the same hard ones: then
    the difference is smaller than expected.

    Args:
        first: True accuracies in [0, 1].
        rows: npt.ArrayLike of test rows, >= 1, as many or one.
        second: True accuracies of the other, by default the same.

    Raises:
        ConfigError: A number is out of its range.
    """
    p, n, q = np.broadcast_arrays(*map(_array, (first, rows, first if second is None else second)))
    _check(p, n)
    _check(q, n)
    found = [_expected(*each) for each in zip(p.ravel(), n.ravel(), q.ravel(), strict=True)]
    return np.array(found).reshape(p.shape)


def _expected(p: float, n: float, q: float) -> float:
    below = np.arange(n)
    f, g = (stats.binom.cdf(below, n, chance) for chance in (p, q))
    return float((f * (1 - g) + g * (1 - f)).sum() / n)


def binomial_interval(
    accuracy: npt.ArrayLike, rows: npt.ArrayLike, *, level: float = 0.95, method: Method = "wilson"
) -> tuple[Array, Array]:
    """Return the interval of the true accuracy, given one measured on so many test rows.

    Args:
        accuracy: Shares of rows that are right, in [0, 1].
        rows: npt.ArrayLike of test rows, >= 1, as many or one.
        level: Coverage, in (0, 1): on average with `wilson` (1927), at least with
            `clopper-pearson` (1934).
        method: Which of the two.

    Returns:
        Lower and upper ends.

    Raises:
        ConfigError: A number is out of its range; an unknown method.
    """
    check_share("level", level)
    check_choice("method", method, METHODS)
    p, n = np.broadcast_arrays(_array(accuracy), _array(rows))
    _check(p, n)
    return _wilson(p, n, level) if method == "wilson" else _clopper_pearson(p, n, level)


def _wilson(p: Array, n: Array, level: float) -> tuple[Array, Array]:
    z = stats.norm.ppf((1 + level) / 2)
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # At the ends the formula is exact but for rounding.
    low, high = np.where(p == 0, 0.0, middle - half), np.where(p == 1, 1.0, middle + half)
    return low, high


def _clopper_pearson(p: Array, n: Array, level: float) -> tuple[Array, Array]:
    right = np.round(p * n)
    tail = (1 - level) / 2
    low = np.where(right == 0, 0.0, stats.beta.ppf(tail, right, n - right + 1))
    high = np.where(right == n, 1.0, stats.beta.isf(tail, right + 1, n - right))
    return low, high


def difference_interval(
    ours: npt.ArrayLike, printed: npt.ArrayLike, rows: npt.ArrayLike, *, level: float = 0.95
) -> tuple[Array, Array]:
    """Return the interval of the difference of two true accuracies (Newcombe 1998, method 10).

    Both are taken as measured on test rows of their own; on the same rows it is too wide.

    Args:
        ours: Shares of rows that are right, in [0, 1].
        printed: What is subtracted from them.
        rows: npt.ArrayLike of test rows of each, >= 1.
        level: Coverage, in (0, 1).

    Raises:
        ConfigError: A number is out of its range.
    """
    p, q = _array(ours), _array(printed)
    p_low, p_high = binomial_interval(ours, rows, level=level)
    q_low, q_high = binomial_interval(printed, rows, level=level)
    low = p - q - np.sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    return low, p - q + np.sqrt((p_high - p) ** 2 + (q - q_low) ** 2)


def compare_with_printed(
    ours: pd.Series, printed: pd.Series, rows: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Set accuracies beside printed ones, with what the number of test rows makes of them.

    Args:
        ours: Accuracies in [0, 1] by data set, NaN where there is none.
        printed: The same as printed.
        rows: npt.ArrayLike of test rows by data set.
        level: Coverage of the interval, in (0, 1).

    Returns:
        One row per data set that all three have: ours, printed, difference, rows, low and high
        (the binomial interval of the printed accuracy), inside (whether ours lies in it) and
        expected (of the absolute difference, if both had the accuracy in their middle).

    Raises:
        ConfigError: No data set has all three; a number is out of its range.
    """
    columns = {"ours": ours, "printed": printed, "rows": rows}
    table = pd.concat(columns, axis=1, join="inner").dropna().astype(np.float64)
    if table.empty:
        raise ConfigError(complaint("printed", None, "no data set has ours, printed and rows"))
    low, high = binomial_interval(table.printed, table.rows, level=level)
    middle = (table.ours + table.printed) / 2
    return table.assign(
        difference=table.ours - table.printed,
        low=low,
        high=high,
        inside=(table.ours >= low - _ROUNDED) & (table.ours <= high + _ROUNDED),
        expected=expected_difference(middle, table.rows),
    )


_ROUNDED = 5e-5  # printed accuracies have four digits


def _array(values: npt.ArrayLike) -> Array:
    return np.asarray(values, np.float64)


def _check(accuracy: Array, rows: Array) -> None:
    if not accuracy.size:
        raise ConfigError(complaint("accuracy", None, "none is given"))
    ranges = (
        ("accuracy", accuracy, (accuracy >= 0) & (accuracy <= 1), "0 <= accuracy <= 1"),
        ("rows", rows, (rows >= 1) & (rows == np.floor(rows)), "whole numbers >= 1"),
    )
    for name, values, is_right, allowed in ranges:
        if not is_right.all():
            wrong = show(float(values[~is_right][0]))
            raise ConfigError(complaint(name, wrong, "out of range", allowed))
