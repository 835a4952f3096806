"""Tests of differences between methods over data sets: Wilcoxon, Friedman, Nemenyi, Holm."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from snnjax.config.errors import ConfigError, complaint, show
from snnjax.stats.ranking import filled, ranked
from snnjax.stats.tables import (
    Array,
    check_choice,
    check_share,
    checked,
    place_of,
    without_dust,
)

Alternative = Literal["two-sided", "greater", "less"]
ZeroMethod = Literal["wilcox", "pratt", "zsplit"]

ALTERNATIVES = ("two-sided", "greater", "less")
ZERO_METHODS = ("wilcox", "pratt", "zsplit")
_EXACT = 50  # below so many differences, none of them tied or 0, p-values are exact, as R's are


def wilcoxon(
    table: pd.DataFrame,
    against: str | None = None,
    *,
    alternative: Alternative = "two-sided",
    zero_method: ZeroMethod = "wilcox",
    correction: bool = True,
    higher_is_better: bool = True,
) -> pd.Series | pd.DataFrame:
    """Return p-values of Wilcoxon's signed-rank test (1945) on paired scores.

    What is set by default is what R's `wilcox.test(paired=TRUE)` does, and with
    `alternative="greater"` what Klambauer et al. 2017 printed in Tables 1, A12 and A13: data
    sets that either method lacks are left out, differences of 0 too; p-values are exact for
    fewer than 50 differences without ties and zeros, else those of the normal distribution with
    a correction for ties and for continuity.

    Args:
        table: One row per data set, one column per method; NaN where there is no score.
        against: The method that all others are compared with; None for all pairs.
        alternative: `greater`: `against` (the row, of pairs) is better; `less`: it is worse.
        zero_method: What becomes of differences of 0: left out, ranked but not counted (`pratt`,
            1959), or counted as half of each sign (`zsplit`).
        correction: Whether the normal approximation is corrected for continuity.
        higher_is_better: False for errors and losses.

    Returns:
        A p-value for every other method, or for all pairs (row against column, NaN on the
        diagonal). 1 where no differences are left.

    Raises:
        ConfigError: As of `ranks`; no such method; an unknown word.
    """
    check_choice("alternative", alternative, ALTERNATIVES)
    check_choice("zero_method", zero_method, ZERO_METHODS)
    scores = checked(table, higher_is_better=higher_is_better)
    names = table.columns
    rows = range(len(names)) if against is None else [place_of(against, names)]
    found = np.full((len(names), len(names)), np.nan)
    for i in rows:
        for j in set(range(len(names))) - {i}:
            pair = without_dust(scores.to_numpy()[:, [i, j]])
            found[i, j] = _signed_ranks(pair, alternative, zero_method, correction)
    matrix = pd.DataFrame(found, index=names, columns=names)
    return (
        matrix if against is None else matrix.loc[names[rows[0]]].drop(names[rows[0]]).rename("p")
    )


def _signed_ranks(
    pair: Array, alternative: Alternative, zero_method: ZeroMethod, correction: bool
) -> float:
    """Return one p-value of scores (rows, 2)."""
    pair = pair[~np.isnan(pair).any(axis=1)]
    difference = without_dust((pair[:, 0] - pair[:, 1])[None])[0]
    sizes = np.abs(difference[difference != 0])
    if not len(sizes):
        return 1.0
    has_zeros = len(sizes) < len(difference)
    is_exact = len(difference) < _EXACT and not has_zeros and len(np.unique(sizes)) == len(sizes)
    test = stats.wilcoxon(
        difference,
        zero_method=zero_method,
        correction=correction and not is_exact,
        alternative=alternative,
        method="exact" if is_exact else "asymptotic",
    )
    return float(min(test.pvalue, 1.0))


class Friedman(NamedTuple):
    """The outcome of Friedman's test.

    Attributes:
        chi_square: Friedman's statistic (1937), corrected for ties; chi-square with k - 1 degrees.
        p: Its p-value.
        f: Iman and Davenport's statistic (1980), F with k - 1 and (k - 1)(n - 1) degrees.
        f_p: Its p-value.
        methods: k.
        rows: n, the number of data sets.
    """

    chi_square: float
    p: float
    f: float
    f_p: float
    methods: int
    rows: int


def friedman(table: pd.DataFrame, *, higher_is_better: bool = True) -> Friedman:
    """Test whether all methods have the same average rank (Demsar 2006, section 3.2.2).

    A missing score ranks last; several on the same data set are tied.

    Args:
        table: One row per data set, two or more; one column per method.
        higher_is_better: False for errors and losses.

    Raises:
        ConfigError: As of `ranks`, or there is one data set only.
    """
    scores = checked(table, higher_is_better=higher_is_better)
    n, k = scores.shape
    if n < 2:
        raise ConfigError(complaint("table", None, "1 row", "2 or more"))
    places = ranked(filled(scores.to_numpy(), "shared"))
    spread = ((places - (k + 1) / 2) ** 2).sum()  # n k (k^2 - 1) / 12 without ties
    between = ((places.mean(axis=0) - (k + 1) / 2) ** 2).sum()
    chi = float(n**2 * (k - 1) * between / spread) if spread else 0.0
    left = n * (k - 1) - chi
    f = (n - 1) * chi / left if left > 1e-9 * n * (k - 1) else math.inf
    return Friedman(
        chi,
        float(stats.chi2.sf(chi, k - 1)),
        f,
        float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))),
        k,
        n,
    )


def critical_difference(k: int, n: int, alpha: float = 0.05) -> float:
    """Return how far average ranks are apart that differ by Nemenyi's test (Demsar 2006).

    q_alpha sqrt(k (k + 1) / (6 n)), q_alpha being the studentised range's quantile over sqrt(2).

    Args:
        k: Number of methods, 2 or more.
        n: Number of data sets, 1 or more.
        alpha: Chance of any false difference, in (0, 1).

    Raises:
        ConfigError: A number is out of its range.
    """
    check_share("alpha", alpha)
    for name, value, least in (("k", k, 2), ("n", n, 1)):
        if value < least:
            raise ConfigError(complaint(name, show(value), "out of range", f">= {least}"))
    q = stats.studentized_range.ppf(1 - alpha, k, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(k * (k + 1) / (6 * n)))


def nemenyi(table: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Return p-values of Nemenyi's test (1963) for all pairs of methods, 1 on the diagonal.

    Args and errors are those of `friedman`.
    """
    scores = checked(table, higher_is_better=higher_is_better)
    n, k = scores.shape
    average = ranked(filled(scores.to_numpy())).mean(axis=0)
    apart = np.abs(average[:, None] - average) / math.sqrt(k * (k + 1) / (6 * n))
    p = stats.studentized_range.sf(apart * math.sqrt(2), k, np.inf)
    return pd.DataFrame(np.minimum(p, 1), index=table.columns, columns=table.columns)


def cliques(average: pd.Series, difference: float) -> list[list[str]]:
    """Return the groups of methods, best first, whose average ranks are no `difference` apart.

    Groups of one, and groups within a larger one, are left out.

    Args:
        average: Average rank by method.
        difference: The least difference that tells two apart, see `critical_difference`.
    """
    ordered = average.sort_values(kind="stable")
    values = ordered.to_numpy()
    ends = np.searchsorted(values, values + difference, side="left")
    found: list[list[str]] = []
    last = 0
    for first, end in enumerate(ends):
        if end > last and end - first > 1:
            found.append([str(name) for name in ordered.index[first:end]])
            last = end
    return found


def holm(p: "pd.Series | Sequence[float]") -> pd.Series:
    """Return p-values adjusted for their number by Holm's step-down method (1979).

    The i-th smallest of m is multiplied by m - i + 1, and none is below those before it. NaN, such
    as a method's p-value against itself, is not counted.

    Args:
        p: P-values in [0, 1].

    Raises:
        ConfigError: There are none, or one is out of its range.
    """
    given = pd.Series(p, dtype=np.float64)
    known = given.dropna()
    if known.empty:
        raise ConfigError(complaint("p", None, "no p-values"))
    if not known.between(0, 1).all():
        wrong = known[~known.between(0, 1)].iloc[0]
        raise ConfigError(complaint("p", show(wrong), "out of range", "0 <= p <= 1"))
    order = np.argsort(known.to_numpy(), kind="stable")
    steps = known.to_numpy()[order] * np.arange(len(known), 0, -1)
    adjusted = np.full(len(given), np.nan)
    adjusted[np.flatnonzero(given.notna())[order]] = np.minimum(np.maximum.accumulate(steps), 1)
    return pd.Series(adjusted, given.index, name="p (Holm)")
