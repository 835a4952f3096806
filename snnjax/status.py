"""`python -m snnjax.status DIR...`: what of a sweep is done, diverged, failed, running, left.

Reads files only, so that it works while the sweep runs, from another machine, after a crash.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from snnjax.file_names import CONFIG_FILE, ERROR_FILE, METRICS_FILE, RESULT_FILE
from snnjax.summary import read_jobs

# A run that wrote a metric this recently is taken to be running.
_RECENT_SECONDS = 120
_STATES = ("done", "diverged", "failed", "running", "left")


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
    """Return for each run folder below `sweep` one of done, diverged, failed, running, left.

    Args:
        sweep: The folder of a multirun.
        now: Seconds since the epoch that count as now.
    """
    now = time.time() if now is None else now
    states = {}
    for job in read_jobs(sweep):
        state = job.status
        if not job.result and not (job.folder / ERROR_FILE).exists():
            metrics = job.folder / METRICS_FILE
            is_recent = metrics.exists() and now - metrics.stat().st_mtime < _RECENT_SECONDS
            state = "running" if is_recent else "left"
        states[job.folder] = state
    return states


def describe(sweep: Path, states: dict[Path, str]) -> str:
    """Return the counts and the time left, judged by the pace of the runs that ended."""
    counts = Counter(states.values())
    line = ", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state])
    text = f"{sweep}: {len(states)} runs: {line}"
    remaining = counts["running"] + counts["left"]
    pace = _runs_per_second(states)
    if remaining and counts["running"] and pace:
        text += f"; about {timedelta(seconds=round(remaining / pace))} left"
    return text


def _runs_per_second(states: dict[Path, str]) -> float | None:
    """Return the pace between the start of the first run and the end of the last."""
    results = [folder / RESULT_FILE for folder in states]
    ends = [path.stat().st_mtime for path in results if path.exists()]
    begins = [path.stat().st_mtime for folder in states if (path := folder / CONFIG_FILE).exists()]
    if not ends or not begins or max(ends) <= min(begins):
        return None
    return len(ends) / (max(ends) - min(begins))


if __name__ == "__main__":
    sys.exit(main())
