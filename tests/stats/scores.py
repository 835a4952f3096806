"""Tables of scores for tests."""

import numpy as np
import pandas as pd


def table(rows, columns="abcdefgh"):
    values = np.asarray(rows, float)
    return pd.DataFrame(values, columns=list(columns[: values.shape[1]]))


def random_table(seed, rows=30, methods=5, *, digits=1, missing=0.0):
    """Return scores with ties (few digits) and a share of missing ones."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(rows, methods)).round(digits)
    values[generator.random(values.shape) < missing] = np.nan
    return table(values)


def seeded(values):
    """Return a table with two levels of index of values (data sets, seeds, methods)."""
    sets, seeds, methods = values.shape
    index = pd.MultiIndex.from_product([range(sets), range(seeds)], names=["dataset", "seed"])
    return pd.DataFrame(values.reshape(-1, methods), index, list("abcdefgh"[:methods]))
