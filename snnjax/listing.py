"""What a sweep leaves in its own folder: the list of its runs, and the account of what it took.

Imports neither JAX nor NumPy: the state of a sweep is told from its files.
"""

import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from snnjax.config.fields import leaves
from snnjax.config.schema import Config
from snnjax.file_names import ERROR_FILE, METRICS_FILE, RESULT_FILE, RUNS_FILE, SWEEP_FILE
from snnjax.sinks.jsonl import is_locked, lock
from snnjax.whole_file import write_whole

_ROLES = {leaf.path: leaf.role for leaf in leaves(Config)}
# Where nothing tells whether a process is at a run, one that wrote a metric this recently is.
_RECENT_SECONDS = 120


def list_runs(sweep: Path, runs: Sequence[tuple[int, Path, Sequence[str]]]) -> None:
    """Write which runs belong to a sweep before the first is trained; those listed before stay.

    Args:
        sweep: Its folder.
        runs: Their numbers, folders and overrides.

    Raises:
        OSError: The list cannot be written.
    """
    with _alone(sweep):
        listed = {row["run"]: row for row in _rows(sweep)}
        for number, folder, overrides in runs:
            name = os.path.relpath(folder, sweep)
            listed[name] = {"run": name, "number": number, "overrides": [*overrides]}
        text = "".join(json.dumps(row) + "\n" for row in listed.values())
        write_whole(sweep / RUNS_FILE, text)


def job_numbers(sweep: Path, jobs: Sequence[Sequence[str]], first: int) -> list[int]:
    """Return the numbers that the jobs of a multirun are to have.

    They count from `first`, as Hydra's do. But where the folder lists runs that the jobs add to,
    or are some of, those listed keep their numbers and others come after them: with more seeds
    than before, run 3 is still run 3.

    Args:
        sweep: The folder of the multirun.
        jobs: Their overrides.
        first: The number of the first.
    """
    listed = {_identity(row["overrides"]): row["number"] for row in _rows(sweep)}
    wanted = [_identity(overrides) for overrides in jobs]
    is_more, is_less = listed.keys() <= set(wanted), listed.keys() >= set(wanted)
    is_unique = len(set(wanted)) == len(wanted) and None not in listed.values()
    if not (listed and is_unique and (is_more or is_less)):
        return [*range(first, first + len(jobs))]
    new = itertools.count(max(listed.values()) + 1)
    return [listed[job] if job in listed else next(new) for job in wanted]


def _identity(overrides: Iterable[str]) -> tuple[str, ...]:
    """Return the overrides but for those that do not change what is trained: logging and such."""
    return tuple(text for text in overrides if not _is_aside(text.partition("=")[0].lstrip("+~")))


def _is_aside(key: str) -> bool:
    below = [role for path, role in _ROLES.items() if path == key or path.startswith(f"{key}.")]
    return key.startswith("hydra.") or (bool(below) and set(below) == {"run"})


def listed_runs(sweep: Path) -> list[Path]:
    """Return the folders of the runs of a sweep; none where it has no list."""
    return [sweep / row["run"] for row in _rows(sweep)]


def write_account(sweep: Path, states: Iterable[str], account: Mapping[str, Any]) -> None:
    """Write how the last start of a sweep ended and what it took.

    Args:
        sweep: Its folder.
        states: How each run ended: done, diverged or failed in this start, skipped because it had
            ended before or in another process; running or left where this start was interrupted.
        account: Populations, workers, compilations, seconds; `interrupted` where it was.

    Raises:
        OSError: It cannot be written.
    """
    counts = Counter(states)
    content = {"runs": counts.total(), **counts, **account}
    write_whole(sweep / SWEEP_FILE, json.dumps(content, indent=2) + "\n")


def state_of(folder: Path, now: float | None = None) -> str:
    """Return one of done, diverged, failed, running, left.

    Args:
        folder: Of a run; it need not exist.
        now: Seconds since the epoch that count as now.
    """
    try:
        files = set(os.listdir(folder))
    except OSError:
        return "left"
    if RESULT_FILE in files and ERROR_FILE not in files:
        return _status(folder / RESULT_FILE)
    if METRICS_FILE in files and _is_running(folder / METRICS_FILE, now):
        return "running"
    return "failed" if {RESULT_FILE, ERROR_FILE} & files else "left"


def _status(result: Path) -> str:
    try:
        return str(json.loads(result.read_bytes()).get("status", "done"))
    except (OSError, ValueError, AttributeError):
        return "failed"


def _is_running(metrics: Path, now: float | None) -> bool:
    if (locked := is_locked(metrics)) is not None:
        return locked
    try:
        return (time.time() if now is None else now) - metrics.stat().st_mtime < _RECENT_SECONDS
    except OSError:
        return False


def _rows(sweep: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of the list, but for those that are none; nothing if it cannot be read."""
    with suppress(OSError):
        for line in (sweep / RUNS_FILE).read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                overrides = [*row["overrides"]]
                yield {"run": str(row["run"]), "number": row["number"], "overrides": overrides}


@contextmanager
def _alone(sweep: Path) -> Iterator[None]:
    """Let one process at a time read and write the list, where a folder can be locked."""
    with ExitStack() as stack:
        with suppress(OSError):
            folder = os.open(sweep, os.O_RDONLY)
            stack.callback(os.close, folder)
            lock(folder)
        yield
