"""The jobs of a multirun trained together, each with its own folder and its own ending."""

import os
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from snnjax import processes
from snnjax.config.errors import ConfigError
from snnjax.config.strict import from_hydra
from snnjax.endings import complain_once, explain, holds_result, settle
from snnjax.file_names import ERROR_FILE
from snnjax.guard import refuse
from snnjax.sinks.base import say, warn

if TYPE_CHECKING:
    from snnjax.experiment import Means, Run
    from snnjax.sweep import Ended, Swept

_SHOWN = 20  # distinct mistakes of a sweep's configurations


class Job(Protocol):
    """A job as a launcher composes it."""

    @property
    def number(self) -> int:
        """Its number in the multirun."""

    @property
    def config(self) -> Any:
        """The composed configuration."""

    @property
    def folder(self) -> Path:
        """Where the job is to run."""

    @property
    def overrides(self) -> Sequence[str]:
        """What sets it apart."""

    def make_folder(self) -> None:
        """Make the folder with what Hydra leaves in it."""


Train = Callable[[Sequence["Run"], Path, "Means"], "Swept"]
"""Trains the runs of a multirun as `sweep.run_sweep` does."""


def run_jobs(
    jobs: Sequence[Job], folder: Path, means: "Means", train: Train | None = None
) -> list[float]:
    """Train composed configurations together and return their objectives, NaN of failed ones.

    Args:
        jobs: What a launcher composed.
        folder: That of the multirun.
        means: What may be used.
        train: By whom; None for this process.

    Raises:
        ConfigError: Some configurations are invalid or their folders hold other runs, and
            `sweep.skip_invalid` does not allow that, or none is valid. Nothing was written.
    """
    means.check()
    if not processes.is_alone():
        raise ConfigError(
            f"hydra/launcher: {processes.count()} processes train one run at a time; allowed: basic"
        )
    runs, refused = _admit(jobs)
    if refused and not (runs and all(run.config.sweep.skip_invalid for run in runs.values())):
        messages = (_anywhere(str(error), jobs[n], folder) for n, error in refused.items())
        raise ConfigError(_refusal(messages, len(jobs)))
    failed = _make_folders(jobs, refused)
    _list_runs(jobs, folder)
    left = {number: run for number, run in runs.items() if number not in failed}
    ended = _train(left, jobs, folder, means, refused | failed, train)
    errors = [end for end in ended.values() if isinstance(end, Exception)]
    complain_once(errors)
    if any(isinstance(error, OSError) for error in errors):
        _say_what_is_left(jobs, folder)
    return [settle(ended[number], job.folder) for number, job in enumerate(jobs)]


def _admit(jobs: Sequence[Job]) -> tuple[dict[int, "Run"], dict[int, Exception]]:
    """Return by number the runs that may start, and why the others may not."""
    from snnjax.experiment import Run, earlier_result

    runs: dict[int, Run] = {}
    refused: dict[int, Exception] = {}
    for number, job in enumerate(jobs):
        try:
            run = Run(from_hydra(job.config), job.folder)
            earlier_result(run)
            refuse(run.config)
            runs[number] = run
        except ConfigError as error:
            refused[number] = error
    return runs, refused


def _make_folders(jobs: Sequence[Job], refused: Container[int]) -> dict[int, Exception]:
    """Make the jobs' folders without the errors of earlier starts; return those that failed.

    What holds a result is left as it is, and wholly so where it is not this job's.
    """
    failed: dict[int, Exception] = {}
    for number, job in enumerate(jobs):
        is_done = holds_result(job.folder)
        if is_done and number in refused:
            continue
        try:
            if not is_done:
                job.make_folder()
            (job.folder / ERROR_FILE).unlink(missing_ok=True)
        except OSError as error:
            failed[number] = error
    return failed


def _train(
    left: Mapping[int, "Run"],
    jobs: Sequence[Job],
    folder: Path,
    means: "Means",
    ended: Mapping[int, "Ended"],
    train: Train | None,
) -> dict[int, "Ended"]:
    """Train what is left and write the account; return how all runs have `ended`."""
    from snnjax.sweep import SweepInterrupted, run_sweep

    numbers = [*left]
    try:
        swept = (train or run_sweep)([*left.values()], folder, means)
    except SweepInterrupted as stop:
        until_now = {numbers[place]: end for place, end in stop.ended.items()}
        account = {**stop.account, "interrupted": True}
        _write_account(jobs, folder, {**ended, **until_now}, account)
        _say_what_is_left(jobs, folder)
        raise
    in_the_end = {**ended, **dict(zip(numbers, swept.ended, strict=True))}
    _write_account(jobs, folder, in_the_end, swept.account)
    return in_the_end


def _list_runs(jobs: Sequence[Job], folder: Path) -> None:
    from snnjax.listing import list_runs

    try:
        list_runs(folder, [(job.number, job.folder, job.overrides) for job in jobs])
    except OSError as error:
        warn(f"the list of runs is not written ({explain(error)[0]})")


def _write_account(
    jobs: Sequence[Job], folder: Path, ended: Mapping[int, "Ended"], account: Mapping[str, Any]
) -> None:
    from snnjax.listing import state_of, write_account
    from snnjax.sweep import status_of

    states = (
        status_of(ended[number]) if number in ended else state_of(job.folder)
        for number, job in enumerate(jobs)
    )
    try:
        write_account(folder, states, account)
    except OSError as error:
        warn(f"the account of the sweep is not written ({explain(error)[0]})")


def _say_what_is_left(jobs: Sequence[Job], folder: Path) -> None:
    finished = sum(holds_result(job.folder) for job in jobs)
    say(
        f"{finished} of {len(jobs)} runs have ended, {len(jobs) - finished} are left; "
        f"go on with hydra.sweep.dir={folder}"
    )


def _anywhere(message: str, job: Job, folder: Path) -> str:
    """Return a message about a job's folder so that it is the same for all of them."""
    return message.replace(f"{job.folder}{os.sep}", f"{folder}{os.sep}*{os.sep}")


def _refusal(messages: Iterable[str], jobs: int) -> list[str]:
    """Return the lines that tell each distinct mistake once."""
    counts = Counter(messages)
    shown = counts.most_common(_SHOWN)
    lines = [f"{message}  ({count} of {jobs} runs)" for message, count in shown]
    if (more := len(counts) - len(shown)) > 0:
        lines.append(f"... and {more} more like these")
    if sum(counts.values()) < jobs:
        lines.append("nothing was started; sweep.skip_invalid=true trains the other runs")
    return lines
