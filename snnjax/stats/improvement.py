"""Probability of improvement of one method over others (Agarwal et al. 2021)."""

import numpy as np
import pandas as pd

from snnjax.stats.ranking import filled
from snnjax.stats.resampling import Over, Runs, check_draws, limits_of, redrawn, resolved, runs_of
from snnjax.stats.tables import Array, checked, place_of


def probability_of_improvement(
    table: pd.DataFrame,
    method: str,
    *,
    over: Over | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    higher_is_better: bool = True,
) -> pd.DataFrame:
    """Return how probable it is that `method` beats each other on a data set drawn at random.

    The mean over data sets of the share of pairs of seeds of which that of `method` is better,
    half for ties (Agarwal et al. 2021, section 4.3): 0.5 where there is no difference, and no
    word about its size.

    Args:
        table: One row per data set, or per data set and seed (two levels of index); one column
            per method. A missing score loses against any other, two tie.
        method: The column that is compared with all others.
        over: Over what the interval is drawn: `seeds` (stratified, as in the paper), `datasets` or
            `both`; by default over data sets, and over seeds too if there are several.
        level: Share of draws inside the interval, in (0, 1).
        draws: How many samples are drawn, 100 or more.
        seed: The same seed gives the same interval.
        higher_is_better: False for errors and losses.

    Returns:
        One row per other method; columns value, low and high.

    Raises:
        ConfigError: As of `ranks`; no such method; a number out of its range.
    """
    check_draws(draws, level)
    scores = checked(table, higher_is_better=higher_is_better)
    own = place_of(method, table.columns)
    known = pd.DataFrame(filled(scores.to_numpy(), "shared"), scores.index, scores.columns)
    runs = runs_of(known)
    over = resolved(over, runs)
    others = [place for place in range(len(table.columns)) if place != own]
    found = []
    for place in others:
        pair = Runs(runs.scores[..., [own, place]], runs.seeds)
        generator = np.random.default_rng([seed, place])
        drawn = np.concatenate([_share_won(each) for each in redrawn(pair, over, draws, generator)])
        found.append([_share_won(pair.scores[None])[0], *limits_of(drawn, level)])
    return pd.DataFrame(found, table.columns[others], ["value", "low", "high"])


def _share_won(runs: Array) -> Array:
    """Return the mean over data sets of the share of pairs of seeds that are won.

    Args:
        runs: Scores of two methods, (draws, data sets, seeds, 2), NaN where there is no such seed.
    """
    sign = np.sign(runs[..., :, None, 0] - runs[..., None, :, 1])
    found: Array = np.nanmean((sign + 1) / 2, axis=(2, 3)).mean(axis=1)
    return found
