"""Waiting for what Slurm trains: everything is seen from files and from Slurm's queue."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from snnjax import interruption
from snnjax.config.errors import ConfigError
from snnjax.experiment import Run, RunResult, earlier_result
from snnjax.listing import state_of
from snnjax.sinks import say
from snnjax.sinks.console import line_spacing
from snnjax.slurm.queue import in_queue
from snnjax.status import describe
from snnjax.sweep import Ended

_SECONDS = 2.0  # between two looks, more where looking takes long
_SHARE = 20
_NAP = 0.2
_ABSENT = 3  # looks at the queue: a job that is put back may be missing between two states
_OVER = ("done", "diverged", "failed")


def wait(runs: Sequence[Run], sweep: Path, jobs: Collection[str], is_silent: bool) -> None:
    """Wait until all runs have ended or no job is left in Slurm's queue.

    Args:
        runs: Those that the jobs train.
        sweep: The folder of their multirun.
        jobs: As 12 or 12_3.
        is_silent: Whether no progress is shown.

    Raises:
        KeyboardInterrupt: Stopping was asked for.
    """
    states = {run.folder: "left" for run in runs}
    began = shown_at = time.monotonic()
    shown, absent = "", 0
    while absent < _ABSENT:
        looked = time.monotonic()
        for folder, state in states.items():
            if state not in _OVER:
                states[folder] = state_of(folder)
        if all(state in _OVER for state in states.values()):
            break
        absent = absent + 1 if in_queue(jobs) == set() else 0
        now = time.monotonic()
        text = "" if is_silent else describe(sweep, states)
        if text != shown and (not shown or now - shown_at >= line_spacing(now - began)):
            say(text)
            shown, shown_at = text, now
        _sleep(max(_SECONDS, _SHARE * (now - looked)))
    if not is_silent:
        say(describe(sweep, states))


def ends(runs: Sequence[Run]) -> list[Ended]:
    """Return how runs that others trained have ended, as their folders tell it."""
    return [_end(run) for run in runs]


def _end(run: Run) -> Ended:
    try:
        if (result := earlier_result(run)) is not None:
            return result
    except ConfigError as error:
        return error
    is_failed = state_of(run.folder) == "failed"
    return RunResult("failed" if is_failed else "left", float("nan"))


def _sleep(seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        interruption.check()
        time.sleep(min(_NAP, left))
