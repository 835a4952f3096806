"""What somebody needs to run all of it again, and to know what share of it was run."""

import numpy as np
import pandas as pd

from snnjax.config.errors import ConfigError
from snnjax.figures.records import read_json
from snnjax.file_names import SWEEP_FILE
from snnjax.report.evidence import Evidence
from snnjax.report.section import Section, Table
from snnjax.report.table import setting_columns

_MOST_VALUES = 12
_CODE = "versions.code"


def reproducibility(own: Evidence) -> Section:
    """List ranges, seeds, runs, hours, versions, checksums, device and strategy."""
    makers = (_ranges, _effort, _sweeps, _fixed, _versions, _machines, _data)
    tables = [make(own) for make in makers]
    return Section(
        "To run it again",
        (),
        [table for table in tables if table is not None],
        warnings=version_warnings(own.runs),
    )


def version_warnings(runs: pd.DataFrame) -> list[str]:
    """Warn where runs come from several versions of the source code or of libraries."""
    warnings = []
    for column in sorted(name for name in runs.columns if str(name).startswith("versions.")):
        counts = runs[column].value_counts()
        if len(counts) > 1:
            told = ", ".join(f"{value} ({count} runs)" for value, count in counts.items())
            what = "source code" if column == _CODE else column.removeprefix("versions.")
            warnings.append(f"results of several versions of {what}: {told}")
    return warnings


def _ranges(own: Evidence) -> Table | None:
    """List for each method which values of each parameter were searched."""
    rows = []
    names = ("seed", "data.fold", *setting_columns(own.runs))
    for method in own.methods:
        runs = own.runs[own.runs["method"] == method]
        for name in names:
            values = runs[name].dropna().unique()
            if len(values) > 1:
                rows.append((method, name, len(values), _listed(values)))
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=["method", "parameter", "values", "which"])
    same = frame.groupby(["parameter", "values", "which"], sort=False)["method"].agg(list)
    merged = same.reset_index()
    merged["method"] = [
        "all" if len(m) == len(own.methods) else ", ".join(m) for m in merged["method"]
    ]
    frame = merged[["method", "parameter", "values", "which"]]
    return Table("ranges", frame, "What was varied: seeds, folds and the values of each parameter.")


def _effort(own: Evidence) -> Table:
    """Return runs and hours by method."""
    grouped = own.runs.groupby("method")
    frame = pd.DataFrame(
        {
            "data sets": grouped["data.name"].nunique(),
            "folds": grouped["data.fold"].nunique(),
            "seeds": grouped["seed"].nunique(),
            "trials": grouped["trial"].nunique(),
            "runs": grouped.size(),
            "hours": grouped["seconds"].sum() / 3600,
        }
    ).reindex(own.methods)
    frame["runs per second"] = frame["runs"] / (3600 * frame["hours"]).replace(0, np.nan)
    return Table(
        "effort",
        frame.reset_index(names="method"),
        "What was run and what it took: hours of the runs themselves, shared out among those that "
        "were trained together, with compilation; several workers take fewer by the clock.",
        {"hours": ".3f", "runs per second": ".2f"},
    )


def _sweeps(own: Evidence) -> Table | None:
    """Return what the last start of each sweep took by the clock."""
    rows = []
    for folder, count in own.sweeps.items():
        try:
            account = read_json(folder / SWEEP_FILE)
        except ConfigError:
            continue  # a sweep of another kind, or one that was never ended
        trained = sum(account.get(state) or 0 for state in ("done", "diverged"))
        seconds = account.get("seconds")
        runs = own.runs[own.runs["home"] == str(folder)]
        scale = runs["sweep.scale"].dropna().unique() if "sweep.scale" in runs else ()
        rows.append(
            {
                "sweep": "/".join(folder.parts[-2:]),
                "scale": _listed(scale) or None,
                "runs": count,
                "trained": trained,
                **{name: account.get(name) for name in ("populations", "compilations", "workers")},
                "hours": seconds / 3600 if seconds else None,
                "runs per second": trained / seconds if seconds else None,
            }
        )
    frame = pd.DataFrame(rows).dropna(axis=1, how="all")
    caption = (
        "What the last start of each sweep trained, and what it took by the clock; the scale is "
        "the share of epochs, seeds and grid points that was taken."
    )
    formats = {"hours": ".3f", "runs per second": ".2f"}
    formats |= dict.fromkeys(("populations", "compilations", "workers"), ".0f")
    return Table("sweeps", frame, caption, formats) if rows else None


def _fixed(own: Evidence) -> Table | None:
    """List what all runs have in common."""
    rows = []
    for name in setting_columns(own.runs):
        values = own.runs[name].dropna().unique()
        if len(values) == 1:
            rows.append((name, _listed(values)))
    frame = pd.DataFrame(rows, columns=["parameter", "value"])
    caption = "What is the same for all runs that have it."
    return Table("fixed", frame, caption, is_folded=True) if rows else None


def _versions(own: Evidence) -> Table | None:
    columns = [name for name in own.runs if str(name).startswith("versions.")]
    rows = [(c.removeprefix("versions."), _listed(own.runs[c].dropna().unique())) for c in columns]
    frame = pd.DataFrame(rows, columns=["what", "version"])
    return (
        Table("versions", frame, "Versions; `code` is a digest of the source code.")
        if rows
        else None
    )


def _machines(own: Evidence) -> Table | None:
    columns = [n for n in own.runs if str(n).startswith(("device.", "strategy."))]
    columns = [n for n in columns if not str(n).endswith("seconds")]
    rows = [(name, _listed(own.runs[name].dropna().unique())) for name in columns]
    frame = pd.DataFrame([row for row in rows if row[1]], columns=["what", "value"])
    caption = "On what the runs were trained, and how they were trained together."
    return Table("machines", frame, caption) if len(frame) else None


def _data(own: Evidence) -> Table | None:
    columns = [f"rows.{split}" for split in ("train", "validation", "test")]
    columns = ["data.name", *(c for c in columns if c in own.runs), "checksum"]
    frame = own.runs[columns].dropna(subset=["checksum"])
    if frame.empty:
        return None
    frame = frame.drop_duplicates(["data.name", "checksum"]).sort_values("data.name")
    names = {c: c.replace("rows.", "") + " rows" for c in columns[1:-1]}
    frame = frame.rename(columns=names | {"data.name": "data set", "checksum": "sha256"})
    formats = dict.fromkeys(names.values(), ",.0f")
    caption = "Data sets: rows of one split, and the checksum of what was loaded."
    return Table("data", frame, caption, formats, is_folded=True)


def _listed(values: object) -> str:
    """Return values in order, the first few of many."""
    found = sorted(values, key=lambda v: (isinstance(v, str), v))  # type: ignore[call-overload]
    texts = [f"{v:g}" if isinstance(v, float) else str(v) for v in found]
    more = f" and {len(texts) - _MOST_VALUES} more" if len(texts) > _MOST_VALUES else ""
    return ", ".join(texts[:_MOST_VALUES]) + more
