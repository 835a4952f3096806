"""Bootstrap over data sets and over seeds within them."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from snnjax.config.errors import ConfigError, complaint, show
from snnjax.stats.tables import Array, check_choice, check_share

Over = Literal["datasets", "seeds", "both"]

OVER = ("datasets", "seeds", "both")
_AT_ONCE = 2_000_000  # scores that are drawn at once, or pairs of them


class Runs(NamedTuple):
    """Scores of several seeds on several data sets.

    Attributes:
        scores: (data sets, seeds, methods), NaN where there is none.
        seeds: How many seeds each data set has, (data sets,); the first ones of `scores`.
    """

    scores: Array
    seeds: npt.NDArray[np.int64]


def runs_of(scores: pd.DataFrame) -> Runs:
    """Return a table's rows by data set.

    Args:
        scores: One row per data set; or one row per data set and seed, with two levels of index.

    Raises:
        ConfigError: The index has more than two levels.
    """
    levels = scores.index.nlevels
    if levels > 2:
        raise ConfigError(complaint("table", f"{levels} levels of index", "data set, then seed"))
    values = scores.to_numpy()
    if levels == 1:
        return Runs(values[:, None], np.ones(len(values), np.int64))
    which, _ = pd.factorize(scores.index.get_level_values(0))
    seeds = np.bincount(which)
    order = np.argsort(which, kind="stable")
    within = np.arange(len(which)) - np.repeat(np.cumsum(seeds) - seeds, seeds)
    found = np.full((len(seeds), int(seeds.max()), values.shape[1]), np.nan)
    found[which[order], within] = values[order]
    return Runs(found, seeds)


def resolved(over: Over | None, runs: Runs) -> Over:
    """Return over what is drawn: by default over seeds too, if any data set has several."""
    if over is None:
        return "both" if runs.seeds.max() > 1 else "datasets"
    check_choice("over", over, OVER)
    return over


def redrawn(runs: Runs, over: Over, draws: int, generator: np.random.Generator) -> Iterator[Array]:
    """Yield bootstrap samples of runs, (some draws, data sets, seeds, methods), NaN where none.

    Data sets are drawn as wholes, then seeds within each of them, for every method on its own: the
    seeds of two methods have nothing in common but their number.
    """
    sets, seeds, methods = runs.scores.shape
    at_once = max(1, _AT_ONCE // (runs.scores.size * seeds))
    for start in range(0, draws, at_once):
        shape = min(at_once, draws - start), sets
        drawn = np.broadcast_to(np.arange(sets), shape)
        if over != "seeds":
            drawn = generator.integers(sets, size=shape)
        if over == "datasets":
            yield runs.scores[drawn]
            continue
        limits = runs.seeds[drawn][..., None, None]
        places = (generator.random((*shape, seeds, methods)) * limits).astype(np.int64)
        found = runs.scores[drawn[..., None, None], places, np.arange(methods)]
        found[np.broadcast_to(np.arange(seeds)[:, None] >= limits, found.shape)] = np.nan
        yield found


def limits_of(values: Array, level: float) -> tuple[Array, Array]:
    """Return the ends of the middle `level` of values (draws, ...)."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def check_draws(draws: int, level: float) -> None:
    """Check what every bootstrap is told.

    Raises:
        ConfigError: Fewer than 100 draws, or a level that is no share.
    """
    check_share("level", level)
    if draws < 100:
        raise ConfigError(complaint("draws", show(draws), "out of range", ">= 100"))
