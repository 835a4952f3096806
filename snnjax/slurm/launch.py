"""A sweep handed to Slurm: what is left is divided, submitted once, and waited for."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from snnjax.endings import SESSION
from snnjax.experiment import Means, Run, RunResult
from snnjax.guard import tell
from snnjax.listing import state_of
from snnjax.sinks import say
from snnjax.slurm import queue
from snnjax.slurm.parts import divide
from snnjax.slurm.settings import Settings
from snnjax.slurm.submission import (
    FOLDER,
    Submission,
    alone,
    name_of,
    submit,
    submitted,
    undisturbed,
)
from snnjax.slurm.waiting import ends, wait
from snnjax.sweep import Ended, SweepInterrupted, Swept


def train_by_slurm(runs: Sequence[Run], folder: Path, means: Means, settings: Settings) -> Swept:
    """Train every run that is not done yet in an array of jobs; see `sweep.run_sweep`.

    What an array that is still in Slurm's queue trains is not submitted again, but waited for.

    Args:
        runs: The jobs of a multirun, each with its own folder.
        folder: The folder of the multirun.
        means: What each task may use.
        settings: What is asked of Slurm, checked.

    Raises:
        ConfigError: Slurm does not take the array.
        SweepInterrupted: Waiting was interrupted; the jobs run on.
    """
    began = time.perf_counter()
    tell(settings.too_short_for(max(run.config.checkpoint.grace for run in runs)))
    ended: dict[int, Ended] = {n: end for n, end in enumerate(ends(runs)) if _has_ended(end)}
    arrays = _submit_what_is_left(runs, ended, folder, _for_each(means, settings), settings)
    account: dict[str, Any] = {
        "arrays": [array.number for array in arrays],
        "tasks": sum(len(array.jobs) for array in arrays),
    }
    SESSION.is_detached = settings.detach
    if not settings.detach:
        waiting = [run for n, run in enumerate(runs) if n not in ended]
        is_silent = runs[0].config.logging.progress == "none"
        try:
            wait(waiting, folder, [job for array in arrays for job in array.jobs], is_silent)
        except KeyboardInterrupt as error:
            _say_how_to_look(arrays, folder)
            raise SweepInterrupted(ended, account) from error
    after = {n: _anew(end, runs[n]) for n, end in enumerate(ends(runs)) if n not in ended}
    if not settings.detach and (lost := sum(_is_left(end) for end in after.values())):
        say(
            f"{lost} runs have not ended, but no job is left; why, is in {folder / FOLDER}; "
            "the same command submits them again"
        )
    account["seconds"] = round(time.perf_counter() - began, 3)
    return Swept([({**after, **ended})[n] for n in range(len(runs))], account)


def _submit_what_is_left(
    runs: Sequence[Run], ended: dict[int, Ended], folder: Path, means: Means, settings: Settings
) -> list[Submission]:
    """Submit what no array trains and return all arrays; `ended` gets what cannot be trained."""
    with alone(folder):
        arrays = [array for array in submitted(folder) if queue.in_queue(array.jobs) != set()]
        theirs = {name for array in arrays for name in _awaited(array)}
        left = [
            n for n in range(len(runs)) if n not in ended and name_of(runs[n], folder) not in theirs
        ]
        if not left:
            return arrays
        parts = divide(runs, left, means, settings.tasks)
        ended |= parts.failed
        for line in parts.warnings:
            tell(line)
        if parts.tasks:
            with undisturbed():
                arrays.append(submit(runs, parts.tasks, folder, means, settings))
                _say_what_was_submitted(arrays[-1], folder)
    return arrays


def _for_each(means: Means, settings: Settings) -> Means:
    """Return what a task may use; a node may have more cores than the task was given."""
    workers = means.workers or (None if settings.gpus else settings.cpus)
    return replace(means, workers=workers, processes=settings.tasks)


def _has_ended(end: Ended) -> bool:
    """Tell whether a run is not to be trained; what failed is tried again."""
    return isinstance(end, Exception) or end.status not in ("failed", "left")


def _anew(end: Ended, run: Run) -> Ended:
    """Tell of a run that has ended meanwhile that it is done or diverged, not that it was."""
    if isinstance(end, Exception) or end.status != "skipped":
        return end
    status: Any = state_of(run.folder)
    return replace(end, status=status)


def _is_left(end: Ended) -> bool:
    return isinstance(end, RunResult) and end.status == "left"


def _awaited(array: Submission) -> list[str]:
    """Return the run folders of those tasks that are still in the queue, or may be."""
    alive = queue.in_queue(array.jobs)
    pairs = zip(array.jobs, array.runs, strict=True)
    return [name for job, names in pairs if alive is None or job in alive for name in names]


def _say_what_was_submitted(array: Submission, folder: Path) -> None:
    runs = sum(len(names) for names in array.runs)
    say(f"job {array.number}: {runs} runs in {len(array.jobs)} tasks")
    _say_how_to_look([array], folder)


def _say_how_to_look(arrays: Sequence[Submission], folder: Path) -> None:
    if numbers := " ".join(array.number for array in arrays):
        say(f"look: python -m snnjax.status {folder}; logs: {folder / FOLDER}")
        say(f"cancel: scancel {numbers}")
