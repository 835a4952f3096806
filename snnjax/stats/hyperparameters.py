"""What single hyperparameters did to the scores of trials."""

from collections.abc import Sequence

import pandas as pd

from snnjax.stats.tables import check_columns

_QUARTILES = {"worst": 0.0, "lower": 0.25, "median": 0.5, "upper": 0.75, "best": 1.0}


def isolation(
    trials: pd.DataFrame, keys: Sequence[str], score: str, *, higher_is_better: bool = True
) -> pd.DataFrame:
    """Return what trials scored with each value of each hyperparameter, all others being free.

    The best score answers how good a value can be, the quartiles how easily it is good.

    Args:
        trials: One row per trial; NaN scores are trials that failed.
        keys: The columns of hyperparameters.
        score: The column of scores.
        higher_is_better: False for errors and losses: the best is then the lowest.

    Returns:
        Columns key, value, trials, failed, worst, lower, median, upper and best; values in
        ascending order.

    Raises:
        ConfigError: No trials; no such column.
    """
    check_columns(trials, [*keys, score])
    parts = []
    for key in keys:
        for value, own in _ordered(trials, key):
            known = own[score].dropna()
            shares = {
                name: known.quantile(share if higher_is_better else 1 - share)
                for name, share in _QUARTILES.items()
            }
            counts = {"trials": len(own), "failed": len(own) - len(known)}
            parts.append({"key": key, "value": value, **counts, **shares})
    return pd.DataFrame(parts)


def _ordered(trials: pd.DataFrame, key: str) -> list[tuple[object, pd.DataFrame]]:
    """Return trials by value of a hyperparameter, in order; null is a value."""
    groups = dict(list(trials.groupby(key, dropna=False)))
    present = trials[key].dropna()
    is_number = pd.api.types.is_numeric_dtype(present)
    values = sorted(present.unique(), key=None if is_number else str)
    found = [(value, groups[value]) for value in values]
    gone = trials[trials[key].isna()]
    return [*found, *([(None, gone)] if len(gone) else [])]


def edges(
    trials: pd.DataFrame,
    keys: Sequence[str],
    score: str,
    *,
    within: Sequence[str] = (),
    higher_is_better: bool = True,
) -> pd.DataFrame:
    """Tell which best trials have the lowest or the highest value that was tried.

    A best value on the edge of the grid says that the grid ends too early, unless nothing lies
    beyond it (a dropout rate of 0). Of two values either is on an edge.

    Args:
        trials: One row per trial; NaN scores are trials that failed, and are never best.
        keys: The columns of hyperparameters; those that are no numbers, and those with a single
            value, have no edge and are left out.
        score: The column of scores.
        within: Columns, such as method and data set, within each of which a best trial is chosen;
            of tied ones the first.
        higher_is_better: False for errors and losses.

    Returns:
        One row per key: lowest and highest value tried, how many values there are, at_lowest and
        at_highest (how many best trials have them), of (how many best trials there are).

    Raises:
        ConfigError: No trials; no such column.
    """
    check_columns(trials, [*keys, score, *within])
    known = trials[trials[score].notna()].reset_index(drop=True)
    signed = known[score] if higher_is_better else -known[score]
    groups = signed.groupby([known[name] for name in within]) if within else [("", signed)]
    best = known.loc[[own.idxmax() for _, own in groups if len(own)]]
    parts = {}
    for key in keys:
        tried = trials[key].dropna()
        if not pd.api.types.is_numeric_dtype(tried) or tried.nunique() < 2:
            continue
        low, high = tried.min(), tried.max()
        parts[key] = {
            "lowest": low,
            "highest": high,
            "values": tried.nunique(),
            "at_lowest": int((best[key] == low).sum()),
            "at_highest": int((best[key] == high).sum()),
            "of": len(best),
        }
    columns = ["lowest", "highest", "values", "at_lowest", "at_highest", "of"]
    return pd.DataFrame.from_dict(parts, orient="index", columns=columns)
