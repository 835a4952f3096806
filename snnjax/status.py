"""`python -m snnjax.status DIR...`: what of a sweep is done, diverged, failed, running, left.

Reads files only, so that it works while the sweep runs, from another machine, after a crash.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from snnjax.file_names import CONFIG_FILE, METRICS_FILE, RESULT_FILE
from snnjax.listing import listed_runs, state_of

_STATES = ("done", "diverged", "failed", "running", "left")
_TAIL = 4096  # bytes that hold the last line of metrics.jsonl


class _Work(NamedTuple):
    """What was done of a run, in runs, and between which times; negative times are unknown."""

    amount: float
    began: float
    ended: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the state of each sweep folder; return 0, or 2 for a folder without runs."""
    parser = argparse.ArgumentParser(prog="python -m snnjax.status", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="a sweep's folder")
    code = 0
    for folder in parser.parse_args(arguments).folders:
        states = read_states(folder)
        if not states:
            print(f"snnjax: error: {folder}: no runs below this folder", file=sys.stderr)
            code = 2
            continue
        print(describe(folder, states))
    return code


def read_states(sweep: Path, now: float | None = None) -> dict[Path, str]:
    """Return for each run of a sweep one of done, diverged, failed, running, left.

    The runs are those of the sweep's list, or, where it has none, those found below the folder.

    Args:
        sweep: The folder of a multirun.
        now: Seconds since the epoch that count as now.
    """
    folders = listed_runs(sweep)
    if not folders:
        from snnjax.summary import run_folders

        folders = run_folders(sweep)
    return {folder: state_of(folder, now) for folder in folders}


def describe(sweep: Path, states: Mapping[Path, str], now: float | None = None) -> str:
    """Return the counts and the time left, judged by the pace of late."""
    counts = Counter(states.values())
    line = ", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state])
    text = f"{sweep}: {len(states)} runs: {line}"
    seconds = seconds_left(states, time.time() if now is None else now)
    return text if seconds is None else f"{text}; about {timedelta(seconds=round(seconds))} left"


def seconds_left(states: Mapping[Path, str], now: float) -> float | None:
    """Return how long the runs that are left will take, None while nothing tells.

    The pace is what was done per second since the runs under way began, or since the run that
    ended last began if that is earlier. Times in which no run was under way do not count, so a
    sweep that was started again is not judged by the pause.
    """
    ended = [_ended(folder) for folder, s in states.items() if s in ("done", "diverged")]
    running = [_running(folder, now) for folder, state in states.items() if state == "running"]
    if not running:
        return None
    timed = [work for work in (*ended, *running) if 0 <= work.began <= work.ended]
    last = max(ended, key=lambda work: work.ended, default=None)
    since = min(
        (work.began for work in (*running, *([last] if last else [])) if work.began >= 0),
        default=now,
    )
    late = [work for work in timed if work.ended > since]
    done, seconds = sum(_since(work, since) for work in late), _covered(late, since)
    if done <= 0 or seconds <= 0:
        return None
    left = Counter(states.values())["left"] + sum(1 - work.amount for work in running)
    return left * seconds / done


def _ended(folder: Path) -> _Work:
    return _Work(1.0, _written(folder / CONFIG_FILE), _written(folder / RESULT_FILE))


def _running(folder: Path, now: float) -> _Work:
    return _Work(_share_done(folder), _written(folder / CONFIG_FILE), now)


def _since(work: _Work, since: float) -> float:
    """Return how much of the work was done after a time, taken to go on evenly."""
    whole = work.ended - work.began
    return work.amount * (min(1.0, (work.ended - since) / whole) if whole > 0 else 1.0)


def _covered(works: Sequence[_Work], since: float) -> float:
    """Return for how many seconds since a time any work was under way."""
    seconds, until = 0.0, since
    for work in sorted(works, key=lambda work: work.began):
        seconds += max(0.0, work.ended - max(until, work.began))
        until = max(until, work.ended)
    return seconds


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return -1.0


def _share_done(folder: Path) -> float:
    """Return which share of its epochs a run has reported, between 0 and 1."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        planned = json.loads((folder / CONFIG_FILE).read_bytes())["training"]["epochs"]
        for line in _last_lines(folder / METRICS_FILE):
            return min(1.0, json.loads(line)["epoch"] / planned)
    return 0.0


def _last_lines(path: Path) -> Iterator[bytes]:
    """Yield the last whole line of a file, if there is one."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        whole = file.read().split(b"\n")[:-1]
    yield from whole[-1:]


if __name__ == "__main__":
    sys.exit(main())
