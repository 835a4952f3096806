"""Bootstrap intervals of means, interquartile means and average ranks of methods."""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from snnjax.stats.ranking import complete_rows, filled, ranked
from snnjax.stats.resampling import (
    Over,
    check_draws,
    limits_of,
    redrawn,
    resolved,
    runs_of,
)
from snnjax.stats.tables import Array, check_choice, checked

Statistic = Callable[[Array], Array]
"""From runs (draws, data sets, seeds, methods), NaN where none, to (draws, methods)."""


def bootstrap_interval(
    table: pd.DataFrame,
    statistic: str | Callable[[Array], Array] = "mean",
    *,
    over: Over | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    higher_is_better: bool = True,
) -> pd.DataFrame:
    """Return bootstrap percentile intervals of a statistic of every method (Efron 1979).

    Data sets are drawn with replacement, and seeds within each data set drawn (`both`,
    hierarchical); or only one of the two. Intervals over data sets are for statements about other
    data sets, those over seeds (stratified) for statements about these ones. Few data sets or
    seeds make them too narrow: n seeds by about sqrt((n - 1) / n), so that 3 give 0.8 of it.

    Args:
        table: One row per data set, or per data set and seed (two levels of index); one column
            per method. Means leave out the data sets (in means of quartiles: the runs) that lack
            any method's score; in ranks a method without a score on any seed comes last.
        statistic: `mean`, `median`, `interquartile_mean` (of runs), `average_rank` and
            `rank_difference` (of means over seeds); or a function from scores (data sets,
            methods) to (methods,), called once per draw.
        over: `datasets`, `seeds` or `both`; by default over seeds too if there are several.
        level: Share of draws inside the interval, in (0, 1).
        draws: How many samples are drawn, 100 or more.
        seed: The same seed gives the same interval.
        higher_is_better: False for errors and losses, which matters to ranks only.

    Returns:
        One row per method; columns value, low and high.

    Raises:
        ConfigError: As of `ranks`; an unknown word; a number out of its range.
    """
    check_draws(draws, level)
    scores = checked(table, methods=1, higher_is_better=True)
    runs = runs_of(_usable(scores, statistic))
    over = resolved(over, runs)
    compute = _vectorised(statistic, 1 if higher_is_better else -1)
    generator = np.random.default_rng(seed)
    found = np.concatenate([compute(drawn) for drawn in redrawn(runs, over, draws, generator)])
    low, high = limits_of(found, level)
    columns = {"value": compute(runs.scores[None])[0], "low": low, "high": high}
    return pd.DataFrame(columns, index=table.columns)


def interquartile_mean(table: pd.DataFrame) -> pd.Series:
    """Return the mean of the middle half of every method's scores (Agarwal et al. 2021).

    Args:
        table: One row per data set, or per data set and seed; rows that lack a score are left out.

    Raises:
        ConfigError: As of `mean_scores`.
    """
    runs = complete_rows(checked(table, methods=1))
    values = _interquartile_mean(runs.to_numpy()[None, :, None])[0]
    return pd.Series(values, table.columns, name="interquartile mean")


def _usable(scores: pd.DataFrame, statistic: str | Callable[[Array], Array]) -> pd.DataFrame:
    """Leave out what a statistic of scores cannot do without."""
    if statistic in _OF_RANKS:
        return scores
    if scores.index.nlevels == 1 or statistic == "interquartile_mean":
        return complete_rows(scores)
    sets = scores.index.get_level_values(0)
    whole = complete_rows(scores.groupby(level=0, sort=False).mean())
    return scores[sets.isin(whole.index)]


def _vectorised(statistic: str | Callable[[Array], Array], sign: int) -> Statistic:
    """Return what is computed of many samples at once."""
    if not isinstance(statistic, str):
        return lambda drawn: np.array([statistic(scores) for scores in over_seeds(drawn)])
    check_choice("statistic", statistic, [*_OF_SCORES, *_OF_RANKS])
    if statistic in _OF_SCORES:
        return _OF_SCORES[statistic]
    return lambda drawn: _OF_RANKS[statistic](sign * drawn)


def over_seeds(drawn: Array) -> Array:
    """Return means over the seeds that have a score, (draws, data sets, methods)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # none of the seeds has a score
        found: Array = np.nanmean(drawn, axis=2)
    return found


def _average_rank(drawn: Array) -> Array:
    means = over_seeds(drawn)
    flat = filled(means.reshape(-1, means.shape[-1]))
    found: Array = ranked(flat).reshape(means.shape).mean(axis=1)
    return found


def _interquartile_mean(drawn: Array) -> Array:
    """Return the means of what lies between the quarters that are cut off, whole runs only."""
    flat = np.sort(drawn.reshape(len(drawn), -1, drawn.shape[-1]), axis=1)  # NaN last
    count = (~np.isnan(flat)).sum(axis=1, keepdims=True)
    cut = count // 4
    places = np.arange(flat.shape[1])[:, None]
    inside = (places >= cut) & (places < count - cut)
    found: Array = np.where(inside, flat, 0.0).sum(axis=1) / inside.sum(axis=1)
    return found


_OF_SCORES: Mapping[str, Statistic] = {
    "mean": lambda drawn: over_seeds(drawn).mean(axis=1),
    "median": lambda drawn: np.median(over_seeds(drawn), axis=1),
    "interquartile_mean": _interquartile_mean,
}
_OF_RANKS: Mapping[str, Statistic] = {
    "average_rank": _average_rank,
    "rank_difference": lambda drawn: _average_rank(drawn) - (drawn.shape[-1] + 1) / 2,
}
