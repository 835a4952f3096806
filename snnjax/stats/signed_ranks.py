"""Wilcoxon's signed-rank test of methods on the same data sets."""

from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from snnjax.stats.tables import Array, check_choice, checked, place_of, without_dust

Alternative = Literal["two-sided", "greater", "less"]
ZeroMethod = Literal["wilcox", "pratt", "zsplit"]
Method = Literal["auto", "exact", "normal"]

ALTERNATIVES = ("two-sided", "greater", "less")
ZERO_METHODS = ("wilcox", "pratt", "zsplit")
METHODS = ("auto", "exact", "normal")
_EXACT = 50  # below so many differences, none of them tied or 0, p-values are exact, as R's are


def wilcoxon(
    table: pd.DataFrame,
    against: str | None = None,
    *,
    alternative: Alternative = "two-sided",
    zero_method: ZeroMethod = "wilcox",
    method: Method = "auto",
    correction: bool = True,
    higher_is_better: bool = True,
) -> pd.Series | pd.DataFrame:
    """Return p-values of Wilcoxon's signed-rank test (1945) on paired scores.

    What is set by default is what R's `wilcox.test(paired=TRUE)` does, and with
    `alternative="greater"` what Klambauer et al. 2017 printed in Tables 1, A12 and A13: data
    sets that either method lacks are left out, differences of 0 too; p-values are exact for
    fewer than 50 differences without ties and zeros, else those of the normal distribution with
    corrections for ties and for continuity.

    Args:
        table: One row per data set, one column per method; NaN where there is no score.
        against: The method that all others are compared with; None for all pairs.
        alternative: `greater`: `against` (the row, of pairs) is better; `less`: it is worse.
        zero_method: What becomes of differences of 0: left out, ranked but not counted (`pratt`,
            1959), or counted as half of each sign (`zsplit`).
        method: `exact`: over all signs that the differences could have had, ties or not; `normal`:
            the approximation; `auto`: as R chooses.
        correction: Whether the approximation is corrected for continuity.
        higher_is_better: False for errors and losses.

    Returns:
        A p-value for every other method, or for all pairs (row against column, NaN on the
        diagonal). 1 where no differences are left.

    Raises:
        ConfigError: As of `ranks`; no such method; an unknown word.
    """
    check_choice("alternative", alternative, ALTERNATIVES)
    check_choice("zero_method", zero_method, ZERO_METHODS)
    check_choice("method", method, METHODS)
    scores = checked(table, higher_is_better=higher_is_better)
    values, names = without_dust(scores.to_numpy()), table.columns
    rows = range(len(names)) if against is None else [place_of(against, names)]
    found = np.full((len(names), len(names)), np.nan)
    for i in rows:
        for j in set(range(len(names))) - {i}:
            difference = _differences(values[:, i], values[:, j])
            found[i, j] = _p_value(difference, alternative, zero_method, method, correction)
    if against is None:
        return pd.DataFrame(found, index=names, columns=names)
    return pd.Series(found[rows[0]], names, name="p").drop(names[rows[0]])


def _differences(one: Array, other: Array) -> Array:
    """Return differences of two methods where both have a score; equal ones are exactly so."""
    difference = one - other
    return without_dust(difference[~np.isnan(difference)])


def _p_value(
    difference: Array,
    alternative: Alternative,
    zero_method: ZeroMethod,
    method: Method,
    correction: bool,
) -> float:
    sizes = np.abs(difference[difference != 0])
    if not len(sizes):
        return 1.0
    if method == "auto":
        is_simple = len(np.unique(sizes)) == len(sizes) == len(difference) < _EXACT
        method = "exact" if is_simple else "normal"
    if method == "exact":
        return _exact(difference, alternative, zero_method)
    test = stats.wilcoxon(
        difference,
        zero_method=zero_method,
        correction=correction,
        alternative=alternative,
        method="asymptotic",
    )
    return float(min(test.pvalue, 1.0))


def _exact(difference: Array, alternative: Alternative, zero_method: ZeroMethod) -> float:
    """Return the p-value over all signs of the differences, each as probable as any other.

    Ranks are counted in halves, so that those of ties are whole numbers; differences of 0, where
    they are ranked at all, have no sign that could be another.
    """
    if zero_method == "wilcox":
        difference = difference[difference != 0]
    ranks = 2 * stats.rankdata(np.abs(difference))
    own = int(ranks[difference > 0].sum())
    chance = np.zeros(int(ranks[difference != 0].sum()) + 1)
    chance[0] = 1.0
    for rank in ranks[difference != 0].astype(int):
        chance[rank:] = (chance[rank:] + chance[:-rank]) / 2
        chance[:rank] /= 2
    greater, less = float(chance[own:].sum()), float(chance[: own + 1].sum())
    both = 2 * min(greater, less)
    return min({"greater": greater, "less": less, "two-sided": both}[alternative], 1.0)
