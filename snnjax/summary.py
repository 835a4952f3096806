"""The table at the end of a multirun: what was varied, how each run ended, how good it is.

Reads run folders only; imports neither JAX nor NumPy.
"""

import json
import os
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from snnjax.config.errors import show
from snnjax.config.fields import leaves
from snnjax.config.schema import Config
from snnjax.endings import DIVERGED, DONE, FAILED
from snnjax.file_names import (
    COMPOSED_FILE,
    CONFIG_FILE,
    ERROR_FILE,
    HYDRA_FOLDER,
    METRICS_FILE,
    OVERRIDES_FILE,
    RESULT_FILE,
)
from snnjax.sinks.jsonl import is_locked

REPETITIONS = ("seed", "data.fold")
"""Keys that repeat a setting rather than being one."""

_QUALITIES = ("accuracy", "rmse", "loss")
_WIDTH = 160  # where no terminal says how wide a line may be
_SPLITS = ("validation", "test")
_ROWS = 100  # of the table of single runs; settings are shown all
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where it is built
_ABSENT = object()
_ROLES = {leaf.path: leaf.role for leaf in leaves(Config)}


@dataclass(frozen=True)
class Job:
    """One run of a multirun as its folder tells it.

    Attributes:
        folder: The run folder.
        overrides: What the command line or the sweep file set for this run, by key. Where Hydra
            noted those of a later, refused attempt, the values that the result belongs to.
        status: `done`, `diverged`, `failed`, or `running` where another process is at it.
        result: The content of `result.json`; empty for a failed run.
        message: Why a run failed, as far as it could be told.
        exit_code: What the run alone would have made the program return.
    """

    folder: Path
    overrides: Mapping[str, str]
    status: str
    result: Mapping[str, Any]
    message: str = ""
    exit_code: int = 0

    def metric(self, split: str, name: str) -> float | None:
        """Return one metric of the run, None where it has none."""
        value = self._metrics(split).get(name)
        return float(value) if isinstance(value, int | float) else None

    def has(self, split: str, name: str) -> bool:
        """Return whether a metric belongs to the task of the run, whatever its value."""
        return name in self._metrics(split)

    def _metrics(self, split: str) -> Mapping[str, Any]:
        return (self.result.get("metrics") or {}).get(split) or {}


def read_jobs(sweep: Path) -> list[Job]:
    """Return the runs in the folder of a multirun, in the order they were started."""
    return [_read_job(folder) for folder in run_folders(sweep)]


def run_folders(sweep: Path) -> list[Path]:
    """Return the run folders below the folder of a multirun, in the order they were started."""
    found = _run_folders(sweep)
    return sorted(found, key=lambda f: [(len(p), p) for p in f.relative_to(sweep).parts])


def varying(jobs: Sequence[Job]) -> tuple[str, ...]:
    """Return the keys whose values differ among `jobs`, in the order they were given."""
    keys = dict.fromkeys(key for job in jobs for key in job.overrides)
    return tuple(key for key in keys if len({job.overrides.get(key, "") for job in jobs}) > 1)


def print_summary(jobs: Sequence[Job], sweep: Path, console: Console | None = None) -> None:
    """Print one row per run, then mean and standard deviation where settings were repeated."""
    console = console or Console(width=None if sys.stdout.isatty() else _WIDTH)
    if not jobs:
        return
    shown = jobs[:_ROWS]
    console.print(runs_table(shown, varying(jobs)))
    if len(jobs) > _ROWS:
        console.print(f"... and {len(jobs) - _ROWS} more runs", highlight=False)
    if (settings := settings_table(jobs)) is not None:
        console.print(settings)
    messages = Counter(job.message.splitlines()[0] for job in jobs if job.message)
    for message, count in messages.items():
        runs = "1 run" if count == 1 else f"{count} runs"
        console.print(f"{runs} failed: {message}", markup=False, highlight=False)
    console.print(f"run folders: {sweep}", markup=False, highlight=False)


def runs_table(jobs: Sequence[Job], keys: Sequence[str] | None = None) -> Table:
    """Return the table with one row per run and a column for each of `keys`."""
    keys, is_mixed = varying(jobs) if keys is None else keys, _is_mixed(jobs)
    table = Table(title=None, box=None, pad_edge=False, header_style="bold")
    table.add_column("run", justify="right")
    for key in (*keys, "status"):
        table.add_column(key)
    for heading in ("best epoch", *_headings(jobs), "seconds"):
        table.add_column(heading, justify="right")
    for job in jobs:
        best, seconds = job.result.get("best_epoch"), job.result.get("seconds")
        table.add_row(
            job.folder.name,
            *(job.overrides.get(key, "") for key in keys),
            job.status,
            "" if best is None else str(best),
            *_cells([job], is_mixed),
            "" if seconds is None else f"{seconds:.1f}",
        )
    return table


def settings_table(jobs: Sequence[Job]) -> Table | None:
    """Return mean and standard deviation per setting, None if no setting was repeated."""
    keys = [key for key in varying(jobs) if key not in REPETITIONS]
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault(tuple(job.overrides.get(key, "") for key in keys), []).append(job)
    if max(map(len, groups.values())) < 2:
        return None
    is_mixed = _is_mixed(jobs)
    table = Table(title="\nmean ± standard deviation", title_justify="left", title_style="",
                  box=None, pad_edge=False, header_style="bold")  # fmt: skip
    for key in keys:
        table.add_column(key)
    for heading in ("runs done", *_headings(jobs)):
        table.add_column(heading, justify="right")
    for setting, members in groups.items():
        done = [job for job in members if job.status == "done"]
        table.add_row(*setting, f"{len(done)} of {len(members)}", *_cells(done, is_mixed))
    return table


def _run_folders(sweep: Path) -> Iterator[Path]:
    for root, folders, _ in os.walk(sweep):
        if HYDRA_FOLDER in folders:
            yield Path(root)
            if Path(root) != sweep:
                folders.clear()  # nothing to find among what a run has written


def _read_job(folder: Path) -> Job:
    result = _read_json(folder / RESULT_FILE)
    error = _read_json(folder / ERROR_FILE)
    if not result and is_locked(folder / METRICS_FILE):
        return Job(folder, _read_overrides(folder, False), "running", {})
    status = str(result.get("status", "done")) if result and not error else "failed"
    message = str(error.get("message", "")) or ("" if result else "ended without a result")
    codes = {"failed": int(error.get("exit_code", FAILED)), "diverged": DIVERGED}
    code = codes.get(status, DONE)
    return Job(folder, _read_overrides(folder, bool(result)), status, result, message, code)


def _read_overrides(folder: Path, has_result: bool) -> dict[str, str]:
    pairs = (str(line).partition("=") for line in _read_yaml(folder / OVERRIDES_FILE) or ())
    given = {key.lstrip("+"): value for key, _, value in pairs}
    if not has_result:
        return given
    config = _read_json(folder / CONFIG_FILE)
    changed = _changed_since(config, _read_yaml(folder / COMPOSED_FILE))
    return {
        key: _as_override(_look_up(config, key)) if _is_affected(key, changed) else value
        for key, value in given.items()
    }


def _changed_since(config: Mapping[str, Any], composed: Any) -> set[str]:
    """Return the keys whose value in Hydra's `composed` is not that of the run's own `config`."""
    return {path for path in _ROLES if _differs(_look_up(config, path), _look_up(composed, path))}


def _differs(own: Any, composed: Any) -> bool:
    if own is _ABSENT or composed is _ABSENT or own == composed or "${" in str(composed):
        return False
    try:
        return float(own) != float(composed)  # text such as 1e-3 was meant as a number
    except (TypeError, ValueError):
        return True


def _is_affected(key: str, changed: set[str]) -> bool:
    """Return whether `key` sets one of the `changed` keys; a prepared experiment may set any."""
    below = {path for path in _ROLES if path == key or path.startswith(f"{key}.")}
    return any(path in below if below else _ROLES[path] != "run" for path in changed)


def _look_up(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree.get(key, _ABSENT) if isinstance(tree, Mapping) else _ABSENT
    return tree


def _as_override(value: Any) -> str:
    """Return a value as it would be given, a section as its name as far as it has one."""
    if isinstance(value, Mapping):
        value = value.get("name", _ABSENT)
    return "" if value is _ABSENT else show(value)


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_bytes(), Loader=_LOADER)
    except (OSError, yaml.YAMLError):
        return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _quality(jobs: Sequence[Job]) -> str:
    """Return the metric to show: accuracy for classification, RMSE for regression."""
    for name in _QUALITIES:
        if any(job.has(split, name) for job in jobs for split in _SPLITS):
            return name
    return ""


def _is_mixed(jobs: Sequence[Job]) -> bool:
    """Return whether the metric to show is not the same for all jobs that have one."""
    return len({_quality([job]) for job in jobs} - {""}) > 1


def _headings(jobs: Sequence[Job]) -> Iterator[str]:
    quality = "" if _is_mixed(jobs) else f" {_quality(jobs) or _QUALITIES[0]}"
    return (f"{split}{quality}" for split in _SPLITS)


def _cells(jobs: Sequence[Job], is_mixed: bool) -> Iterator[str]:
    """Yield the quality of `jobs` per split, preceded by its name where names differ."""
    quality = _quality(jobs)
    for split in _SPLITS:
        cell = _spread([job.metric(split, quality) for job in jobs])
        yield f"{quality} {cell}" if is_mixed and cell else cell


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return _number(known[0]) if known else ""
    return f"{statistics.mean(known):.4f} ± {statistics.stdev(known):.4f}"
