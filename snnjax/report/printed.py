"""The printed tables, with the names that methods have in reports."""

from functools import cache

import pandas as pd

from snnjax import printed
from snnjax.report.studies import NAMES


@cache
def printed_scores(study: str) -> pd.DataFrame | None:
    """Return the printed accuracies of a study: a row per data set, a column per method."""
    return printed.uci_accuracies().rename(columns=dict(NAMES)) if study == "uci" else None


@cache
def printed_points(study: str) -> pd.Series:
    """Return the printed numbers of points of data sets; empty where there are none."""
    return printed.uci_points().astype(float) if study == "uci" else pd.Series(dtype=float)


def htru2() -> pd.DataFrame:
    """Return the printed area under the curve of HTRU2 by method: auc, pm, p."""
    return _named(printed.read("htru2")).set_index("method")[["auc", "pm", "p"]].astype(float)


def tox21() -> pd.DataFrame:
    """Return the printed mean areas under the curve of Tox21: method, depth, auc, pm as shares."""
    table = _named(printed.read("tox21"))
    table = table.assign(auc=table["auc_mean"] / 100, pm=table["auc_pm"] / 100)
    return table[["method", "depth", "auc", "pm"]].dropna(subset=["auc"])


def figure1() -> pd.DataFrame:
    """Return the points read off Figure 1: dataset, network, depth and a column for each epoch."""
    return printed.read("figure1")


def glorot() -> pd.DataFrame:
    """Return the errors of Glorot & Bengio's Table 1 in percent: a row per network."""
    return printed.read("glorot_table1").set_index("activation").drop(columns="init").astype(float)


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(method=table["method"].replace(dict(NAMES)))
