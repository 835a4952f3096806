"""The table at the end of a multirun: what was varied, how each run ended, how good it is.

Reads run folders only; imports neither JAX nor NumPy.
"""

import json
import statistics
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

REPETITIONS = ("seed", "data.fold")
"""Keys that repeat a setting rather than being one."""

_QUALITIES = ("accuracy", "rmse", "loss")
_WIDTH = 160  # where no terminal says how wide a line may be
_SPLITS = ("validation", "test")
_ROWS = 100  # of the table of single runs; settings are shown all


@dataclass(frozen=True)
class Job:
    """One run of a multirun as its folder tells it.

    Attributes:
        folder: The run folder.
        overrides: What the command line or the sweep file set for this run, by key.
        status: `done`, `diverged` or `failed`.
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
        value = ((self.result.get("metrics") or {}).get(split) or {}).get(name)
        return float(value) if isinstance(value, int | float) else None


def read_jobs(sweep: Path) -> list[Job]:
    """Return the runs in the folder of a multirun, in the order they were started."""
    folders = [path.parent for path in sweep.glob("**/.hydra")]
    numbered = sorted(folders, key=lambda f: [(len(p), p) for p in f.relative_to(sweep).parts])
    return [_read_job(folder) for folder in numbered]


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
    keys, quality = varying(jobs) if keys is None else keys, _quality(jobs)
    table = Table(title=None, box=None, pad_edge=False, header_style="bold")
    table.add_column("run", justify="right")
    for key in (*keys, "status"):
        table.add_column(key)
    for heading in ("best epoch", *(f"{split} {quality}" for split in _SPLITS), "seconds"):
        table.add_column(heading, justify="right")
    for job in jobs:
        qualities = (_number(job.metric(split, quality)) for split in _SPLITS)
        best, seconds = job.result.get("best_epoch"), job.result.get("seconds")
        table.add_row(
            job.folder.name,
            *(job.overrides.get(key, "") for key in keys),
            job.status,
            "" if best is None else str(best),
            *qualities,
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
    quality = _quality(jobs)
    table = Table(title="\nmean ± standard deviation", title_justify="left", title_style="",
                  box=None, pad_edge=False, header_style="bold")  # fmt: skip
    for key in keys:
        table.add_column(key)
    for heading in ("runs done", *(f"{split} {quality}" for split in _SPLITS)):
        table.add_column(heading, justify="right")
    for setting, members in groups.items():
        done = [job for job in members if job.status == "done"]
        spreads = (_spread([job.metric(split, quality) for job in done]) for split in _SPLITS)
        table.add_row(*setting, f"{len(done)} of {len(members)}", *spreads)
    return table


def _read_job(folder: Path) -> Job:
    result = _read_json(folder / "result.json")
    error = _read_json(folder / "error.json")
    status = str(result.get("status", "done")) if result and not error else "failed"
    message = str(error.get("message", "")) or ("" if result else "ended without a result")
    code = {"failed": int(error.get("exit_code", 1)), "diverged": 3}.get(status, 0)
    return Job(folder, _read_overrides(folder), status, result, message, code)


def _read_overrides(folder: Path) -> dict[str, str]:
    from omegaconf import OmegaConf

    path = folder / ".hydra" / "overrides.yaml"
    if not path.exists():
        return {}
    pairs = (str(line).partition("=") for line in OmegaConf.load(path))
    return {key.lstrip("+"): value for key, _, value in pairs}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _quality(jobs: Sequence[Job]) -> str:
    """Return the metric to show: accuracy for classification, RMSE for regression."""
    for name in _QUALITIES:
        if any(job.metric(split, name) is not None for job in jobs for split in _SPLITS):
            return name
    return _QUALITIES[0]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return _number(known[0]) if known else ""
    return f"{statistics.mean(known):.4f} ± {statistics.stdev(known):.4f}"
