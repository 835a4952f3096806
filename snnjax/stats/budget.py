"""Score against budget: the best of k trials."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import gammaln
from scipy.stats import norm

from snnjax.stats.tables import Array, check_columns, check_share


class Best(NamedTuple):
    """The score of the best of k trials, for k = 1, 2, ..., all of them; (trials,) each.

    Attributes:
        expected: Its mean over all ways to choose k trials.
        low: Lower end of its interval.
        high: Upper end.
        variance: Its variance.
    """

    expected: Array
    low: Array
    high: Array
    variance: Array


def best_of_trials(scores: Array, by: Array | None = None, *, level: float = 0.9) -> Best:
    """Return the score of the best of k of these trials, chosen without replacement.

    Dodge et al. 2019 without their replacement: among n trials in ascending order the i-th is the
    best of k with probability C(i - 1, k - 1) / C(n, k), which is unbiased and exact. The last
    value is the best of all.

    Args:
        scores: (trials,), higher is better. NaN: a trial that failed, which is worth as little
            as the worst.
        by: Scores by which the best is chosen, such as those on validation rows while `scores` are
            those on test rows; by default the same.
        level: Share of the choices that are inside the interval, in (0, 1).

    Raises:
        ConfigError: The level is out of its range.
    """
    check_share("level", level)
    values = _with_failed(np.asarray(scores, np.float64))
    chance = _chances(len(values))
    chosen = values if by is None else _with_failed(np.asarray(by, np.float64))
    weights = _by_trial(chance, chosen)
    expected = weights @ values
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    low, high = (
        values[order][np.argmax(reached >= share - 1e-12, axis=1)]
        for share in ((1 - level) / 2, (1 + level) / 2)
    )
    variance = np.maximum(weights @ values**2 - expected**2, 0.0)
    return Best(expected, low, high, variance)


def _with_failed(scores: Array) -> Array:
    failed = np.isnan(scores)
    if failed.all():
        return np.full(len(scores), np.nan)
    return np.where(failed, np.min(scores[~failed]), scores)


def _chances(trials: int) -> Array:
    """Return the probability that the i-th trial in ascending order is the best of k, (k, i)."""
    i = np.arange(1.0, trials + 1)
    k = i[:, None]
    with np.errstate(invalid="ignore"):
        logarithm = _log_binomial(i - 1, k - 1) - _log_binomial(i[-1:], k)
    return np.where(i >= k, np.exp(np.where(i >= k, logarithm, -np.inf)), 0.0)


def _log_binomial(n: Array, k: Array) -> Array:
    found: Array = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return found


def _by_trial(chance: Array, chosen: Array) -> Array:
    """Return probabilities in the order of the trials; tied ones have the same."""
    order = np.argsort(chosen, kind="stable")
    _, group = np.unique(chosen[order], return_inverse=True)
    members = np.bincount(group)
    summed = np.add.reduceat(chance, np.cumsum(members) - members, axis=1)
    found = np.empty_like(chance)
    found[:, order] = (summed / members)[:, group]
    return found


def best_of_k(
    trials: pd.DataFrame,
    score: str,
    *,
    by: str | None = None,
    method: str = "model.name",
    dataset: str | None = None,
    level: float = 0.9,
    higher_is_better: bool = True,
) -> pd.DataFrame:
    """Return the expected score of the best of k trials of every method, for every k.

    Args:
        trials: One row per trial (and data set); NaN where it failed.
        score: The column of the scores that are returned.
        by: The column by which the best is chosen; by default the same.
        method: The column that names the method.
        dataset: The column that names the data set; the mean over data sets is returned, up to the
            least number of trials on any. Without it all trials are of one.
        level: Share of choices inside the interval, in (0, 1); over several data sets by the normal
            distribution.
        higher_is_better: False for errors and losses.

    Returns:
        Columns method, k, expected, low and high.

    Raises:
        ConfigError: No trials; no such column; a level out of its range.
    """
    columns = [score, method, *(name for name in (by, dataset) if name)]
    check_columns(trials, columns)
    sign = 1 if higher_is_better else -1
    parts = []
    for name, own in trials.groupby(method, sort=False):
        groups = [own] if dataset is None else [part for _, part in own.groupby(dataset)]
        curves = [
            best_of_trials(sign * part[score], None if by is None else sign * part[by], level=level)
            for part in groups
        ]
        mean = _mean(curves, level)
        low, high = (mean.low, mean.high) if higher_is_better else (-mean.high, -mean.low)
        k = np.arange(1, len(low) + 1)
        found = {"k": k, "expected": sign * mean.expected, "low": low, "high": high}
        parts.append(pd.DataFrame({"method": name, **found}))
    return pd.concat(parts, ignore_index=True)


def _mean(curves: list[Best], level: float) -> Best:
    """Return the mean over data sets, whose trials are chosen independently."""
    if len(curves) == 1:
        return curves[0]
    shortest = min(len(curve.expected) for curve in curves)
    expected = np.mean([curve.expected[:shortest] for curve in curves], axis=0)
    variance = np.sum([curve.variance[:shortest] for curve in curves], axis=0) / len(curves) ** 2
    half = norm.ppf((1 + level) / 2) * np.sqrt(variance)
    return Best(expected, expected - half, expected + half, variance)
