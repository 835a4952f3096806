"""Two networks side by side: what they reach, when, and in what time."""

import numpy as np
import pandas as pd

from snnjax.report.evidence import Evidence
from snnjax.report.section import Section, Table

_METRICS = {
    "accuracy": "accuracy",
    "macro_f1": "F1 (macro)",
    "r2": "R²",
    "rmse": "RMSE",
    "loss": "loss",
}


def comparison(own: Evidence) -> Section | None:
    """Compare methods on each data set: quality, best epoch and time until it, over seeds."""
    done = own.chosen
    if done.empty:
        return None
    done = done.assign(time=time_to_best(done))
    rows = []
    for (data, method), runs in done.groupby(["data.name", "method"], sort=False):
        row = {"data set": data, "method": method, "seeds": int(runs["seed"].nunique())}
        row["best epoch"] = _spread(runs["best_epoch"], ".1f")
        row["seconds to best"] = _spread(runs["time"], ".1f")
        for metric, name in _METRICS.items():
            column = f"{own.split}.{metric}"
            if column in runs and runs[column].notna().any():
                row[f"{own.split} {name}"] = _spread(runs[column].astype(float), ".4f")
        rows.append(row)
    frame = pd.DataFrame(rows)
    order = {name: place for place, name in enumerate(own.methods)}
    frame = frame.sort_values(
        ["data set", "method"], key=lambda c: c.map(order).fillna(0) if c.name == "method" else c
    )
    frame = frame.fillna("")
    table = Table(
        "comparison",
        frame,
        "Mean ± standard deviation over seeds. The best epoch is that of the best validation; the "
        "time until it is its share of the run's training time, compilation left out.",
    )
    return Section("Side by side", (), [table])


def time_to_best(runs: pd.DataFrame) -> pd.Series:
    """Return the seconds that runs had trained for by their best epoch, (runs,)."""
    seconds = runs.get("training_seconds", pd.Series(np.nan, index=runs.index)).astype(float)
    seconds = seconds.fillna(runs["seconds"].astype(float))
    share = runs["best_epoch"].astype(float) / runs["epochs"].astype(float)
    known = runs.get("seconds_to_best", pd.Series(np.nan, index=runs.index)).astype(float)
    return known.fillna(seconds * share)


def _spread(values: pd.Series, spec: str) -> str:
    known = values.dropna().astype(float)
    if known.empty:
        return ""
    mean = format(known.mean(), spec)
    return mean if len(known) < 2 else f"{mean} ± {known.std():{spec}}"
