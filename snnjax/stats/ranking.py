"""Ranks of methods over data sets, wins and losses, means, small and large sets."""

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from snnjax.config.errors import ConfigError, complaint, show
from snnjax.stats.tables import Array, check_choice, checked, place_of, without_dust

Missing = Literal["better_first", "shared"]

_LARGE = 1000  # Klambauer et al. 2017: large sets have so many points or more


def ranks(
    table: pd.DataFrame, *, higher_is_better: bool = True, missing: Missing = "better_first"
) -> pd.DataFrame:
    """Return the rank of every method on every data set: 1 is best, ties share their mean rank.

    Methods without a score on a data set come last. Where several have none, the last places go
    to them in the order of their average ranks over all data sets (`better_first`), whatever the
    order of columns, or they share their mean (`shared`). The printed ranks of Klambauer et al.
    2017 need the former: trains, where four of seven networks have no accuracy.

    Args:
        table: One row per data set, one column per method; NaN where there is no score.
        higher_is_better: False for errors and losses.
        missing: How methods without a score on the same data set share the last places.

    Raises:
        ConfigError: The table is empty, has one column, one name twice, or no numbers.
    """
    check_choice("missing", missing, ("better_first", "shared"))
    scores = checked(table, higher_is_better=higher_is_better)
    found = ranked(filled(scores.to_numpy(), missing))
    return pd.DataFrame(found, index=table.index, columns=table.columns)


def filled(scores: Array, missing: Missing = "better_first") -> Array:
    """Return scores (rows, methods) in which a missing one is lower than any other.

    Args:
        scores: Higher is better, NaN where there is none.
        missing: Whether among missing ones that of the better method is higher, or they tie.
    """
    gone = np.isnan(scores)
    if not gone.any():
        return without_dust(scores)
    floor = np.nan_to_num(scores).min() - 1.0
    known = np.where(gone, floor, without_dust(scores))
    if missing == "better_first":
        average = without_dust(ranked(known).mean(axis=0))
        return np.where(gone, floor - average, known)
    return np.where(gone, floor, known)


def ranked(scores: Array) -> Array:
    """Return the ranks of scores (..., methods) along the last axis; the highest has rank 1."""
    found = np.full(scores.shape, 0.5)
    for place in range(scores.shape[-1]):  # few columns, many rows: faster than sorting
        other = scores[..., [place]]
        found += (other > scores) + 0.5 * (other == scores)
    return found


def average_ranks(
    table: pd.DataFrame, *, higher_is_better: bool = True, missing: Missing = "better_first"
) -> pd.Series:
    """Return the average rank of every method over data sets; 1 is best.

    Args and errors are those of `ranks`.
    """
    return ranks(table, higher_is_better=higher_is_better, missing=missing).mean().rename("rank")


def rank_differences(
    table: pd.DataFrame, *, higher_is_better: bool = True, missing: Missing = "better_first"
) -> pd.Series:
    """Return average ranks minus that of a method in the middle, (k + 1) / 2 of k methods.

    Klambauer et al. 2017, Table 1: negative is better than the average of all methods, and their
    sum is 0. Args and errors are those of `ranks`.
    """
    found = average_ranks(table, higher_is_better=higher_is_better, missing=missing)
    return (found - (len(found) + 1) / 2).rename("rank difference")


def win_tie_loss(
    table: pd.DataFrame, method: str, *, higher_is_better: bool = True
) -> pd.DataFrame:
    """Count the data sets on which `method` is better than, equal to and worse than each other.

    Args:
        table: One row per data set, one column per method. A missing score loses against any
            other, two missing ones tie.
        method: The column that is compared with all others.
        higher_is_better: False for errors and losses.

    Returns:
        One row per other method, columns win, tie and loss.

    Raises:
        ConfigError: As of `ranks`, or there is no such method.
    """
    scores = filled(checked(table, higher_is_better=higher_is_better).to_numpy(), "shared")
    place = place_of(method, table.columns)
    signs = np.delete(np.sign(scores[:, [place]] - scores), place, axis=1)
    counts = {name: (signs == sign).sum(axis=0) for name, sign in _SIGNS.items()}
    return pd.DataFrame(counts, index=table.columns.delete(place))


_SIGNS = {"win": 1, "tie": 0, "loss": -1}


def mean_scores(table: pd.DataFrame) -> pd.Series:
    """Return the mean score of every method over the data sets that all methods have.

    Raises:
        ConfigError: As of `ranks`, or no data set has scores of all methods.
    """
    return complete_rows(checked(table, methods=1)).mean().rename("mean")


def complete_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without a missing score.

    Raises:
        ConfigError: There is none.
    """
    whole = scores.dropna()
    if whole.empty:
        worst = scores.isna().sum().idxmax()
        problem = f"no row has a score of every method; {worst} lacks most"
        raise ConfigError(complaint("table", None, problem))
    return whole


class BySize(NamedTuple):
    """A table in two parts.

    Attributes:
        small: The data sets with fewer points than where it was split.
        large: The others.
    """

    small: pd.DataFrame
    large: pd.DataFrame


def split_by_size(table: pd.DataFrame, sizes: pd.Series, at: int = _LARGE) -> BySize:
    """Return the small and the large data sets of a table, large ones having `at` points or more.

    Klambauer et al. 2017 split at 1,000 points: 75 small and 46 large sets, among the latter two
    of exactly 1,000 points.

    Args:
        table: One row per data set, named in its index.
        sizes: Number of points by name of the data set, others among them or not.
        at: The number of points from which on a data set is large.

    Raises:
        ConfigError: A data set has no size.
    """
    for name in table.index:
        place_of(name, sizes.index, "data set")
    own = sizes.loc[table.index]
    if own.isna().any():
        raise ConfigError(complaint("sizes", show(own.index[own.isna()][0]), "no size"))
    is_large = (own >= at).to_numpy()
    return BySize(table[~is_large], table[is_large])
