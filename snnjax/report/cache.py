"""The run table of a sweep as one columnar file in its folder; only what changed is read."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from snnjax.config.errors import ConfigError
from snnjax.file_names import ERROR_FILE, RESULT_FILE, TABLE_FILE
from snnjax.report.rows import read_row
from snnjax.whole_file import write_whole

STAMP = "stamp"
"""The column that tells when and how large the file was that a row comes from; none: not kept."""

_VERSION = b"1"  # of what rows hold; a file of another one is read anew
_KEY = b"snnjax.run_table"


def sweep_table(sweep: Path, runs: Sequence[Path]) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of the runs of a sweep, and what there is to say about reading them.

    Only those runs are read whose result is new or has changed since the file was written.

    Args:
        sweep: Its folder, where the file lies.
        runs: The folders of its runs.
    """
    is_alone = [*runs] == [sweep]  # a run, not a sweep
    kept, notes = (pd.DataFrame(), []) if is_alone else _read(sweep / TABLE_FILE)
    names = {os.path.relpath(run, sweep): run for run in runs}
    stamps = {name: _stamp(str(run)) for name, run in names.items()}
    fresh = kept[kept["folder"].map(stamps) == kept[STAMP]] if len(kept) else kept
    known = set(fresh["folder"]) if len(fresh) else set()
    rows = []
    for name in names:
        if name not in known:
            try:
                row = {"folder": name, STAMP: stamps[name]} | read_row(names[name])
            except ConfigError as error:
                notes.append(f"left out: {error}")
                continue
            rows.append(row)
    table = _joined(fresh, pd.DataFrame(rows))
    is_new = any(row[STAMP] for row in rows) or len(fresh) < len(kept)
    if is_new and not is_alone:
        notes += _write(sweep / TABLE_FILE, table)
    order = {name: place for place, name in enumerate(names)}
    return table.sort_values("folder", key=lambda c: c.map(order)) if len(table) else table, notes


def _joined(kept: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    if not len(new):
        return kept.reset_index(drop=True)
    return uniform(pd.concat([kept, new], ignore_index=True) if len(kept) else new)


def uniform(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table each of whose columns holds numbers only, or truth values, or else text."""
    columns = {}
    for name, column in table.items():
        if column.dtype == object:
            kind = pd.api.types.infer_dtype(column, skipna=True)
            if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
                column = pd.to_numeric(column)
            elif kind == "empty":
                column = column.astype(float)
            elif kind != "boolean":
                column = column.map(_text, na_action="ignore").astype("str")
        columns[name] = column
    return pd.DataFrame(columns)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _stamp(folder: str) -> str:
    """Return when the end of a run was written, and its length; empty while there is none."""
    for name in (ERROR_FILE, RESULT_FILE):
        try:
            seen = os.stat(f"{folder}/{name}")
        except OSError:
            continue
        return f"{name[0]}{seen.st_mtime_ns}-{seen.st_size}"
    return ""


def _read(path: Path) -> tuple[pd.DataFrame, list[str]]:
    empty = pd.DataFrame()
    if not path.exists():
        return empty, []
    try:
        table = pq.read_table(path)
        if (table.schema.metadata or {}).get(_KEY) != _VERSION:
            return empty, []
        frame = table.to_pandas()
        frame = frame[frame[STAMP] != ""]
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        return empty, [f"{path}: cannot be read, built anew ({str(error).splitlines()[0]})"]
    return frame, []


def _write(path: Path, table: pd.DataFrame) -> list[str]:
    columns = pa.Table.from_pandas(table, preserve_index=False)
    columns = columns.replace_schema_metadata({**(columns.schema.metadata or {}), _KEY: _VERSION})
    sink = pa.BufferOutputStream()
    pq.write_table(columns, sink, compression="zstd")
    try:
        write_whole(path, memoryview(sink.getvalue()))
    except OSError as error:
        reason = error.strerror or str(error)
        return [f"{path}: not written ({reason}); the runs are read again the next time"]
    return []
