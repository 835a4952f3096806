"""The run table: one row per run folder below some folders."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from snnjax.config.errors import ConfigError
from snnjax.config.fields import leaves
from snnjax.config.schema import Config
from snnjax.report.cache import STAMP, sweep_table, uniform
from snnjax.report.folders import find_runs

REPETITIONS = ("seed", "data.fold")
"""Columns that repeat a setting rather than being one."""

NEEDED = {
    **dict.fromkeys(("folder", "home", "status", "message", "checksum"), "text"),
    **dict.fromkeys(("model.name", "data.name", "training.monitor", "sweep.study"), "text"),
    **dict.fromkeys(("seed", "data.fold", "epochs", "best_epoch", "seconds"), "number"),
    "objective": "number",
}
"""Columns that are always there."""

_OWN_PREFIXES = ("train.", "validation.", "test.", "rows.", "versions.", "device.", "strategy.")
_RUN_ROLE = {leaf.path for leaf in leaves(Config) if leaf.role == "run"}
_WHICH_DATA = ("data.name", "data.root", "data.path")


@dataclass(frozen=True)
class RunTable:
    """The runs below some folders.

    Attributes:
        runs: One row each, see `rows.read_row`; `folder` is its path, `home` that of its sweep.
        sweeps: The folders of sweeps, with the number of their runs.
        notes: What there is to say about reading them, a line each.
    """

    runs: pd.DataFrame
    sweeps: dict[Path, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def run_table(folders: Sequence[Path]) -> RunTable:
    """Return the table of the runs in and below some folders, each run once.

    Raises:
        ConfigError: A folder is not there, or there is not a single run.
    """
    homes: dict[Path, dict[Path, None]] = {}
    for folder in folders:
        for home, runs in find_runs(folder).items():
            homes.setdefault(home, {}).update(dict.fromkeys(runs))
    tables, notes = [], []
    for home, found in homes.items():
        table, said = sweep_table(home, [*found])
        notes += said
        if len(table):
            paths = [str(home / name) for name in table["folder"]]
            tables.append(table.assign(folder=paths, home=str(home)).drop(columns=STAMP))
    if not tables:
        names = ", ".join(map(str, folders))
        raise ConfigError([f"{names}: no runs below", *notes])
    joined = tables[0] if len(tables) == 1 else uniform(_stacked(tables))
    return RunTable(complete(joined), {home: len(found) for home, found in homes.items()}, notes)


def complete(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a table with all columns that the report relies on; what is not known is missing."""
    runs = runs.reset_index(drop=True).copy()
    for name, kind in NEEDED.items():
        if name not in runs:
            empty = pd.Series([None] * len(runs), dtype="str" if kind == "text" else float)
            runs[name] = empty
    return runs


def setting_columns(runs: pd.DataFrame) -> list[str]:
    """Return the columns that make up a trial: all of the configuration but seed, fold and data.

    How a run reports and where its files lie is no part of it.
    """
    return [
        name
        for name in runs.columns
        if "." in name
        and not name.startswith(_OWN_PREFIXES)
        and name not in (*REPETITIONS, *_WHICH_DATA)
        and name not in _RUN_ROLE
    ]


def varying(runs: pd.DataFrame) -> list[str]:
    """Return the columns of trials whose values differ among runs on the same data set.

    A value that only other networks have does not make a difference, null beside a value does.
    """
    runs = runs[runs["model.name"].notna()]
    names = [name for name in setting_columns(runs) if runs[name].nunique(dropna=False) > 1]
    if not names:
        return []
    is_known = runs[names].notna().groupby([runs["model.name"], runs["data.name"]])
    has_null_too = (is_known.any() & ~is_known.all()).any()
    differs = (runs.groupby("data.name")[names].nunique() > 1).any()
    return [name for name in names if has_null_too[name] or differs[name]]


def _stacked(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack tables whose columns may hold text in one and numbers in another."""
    kinds: dict[str, set[bool]] = {}
    for table in tables:
        for name, column in table.items():
            if column.notna().any():
                kinds.setdefault(str(name), set()).add(pd.api.types.is_numeric_dtype(column))
    mixed = [name for name, kind in kinds.items() if len(kind) > 1]
    parts = [t.astype({name: object for name in mixed if name in t}) for t in tables]
    return pd.concat([part.dropna(axis=1, how="all") for part in parts], ignore_index=True)
