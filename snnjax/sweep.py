"""Many runs at once: planned as populations, trained side by side, each failing alone."""

import errno
import importlib
import time
import traceback
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnjax import checkpoint, interruption
from snnjax.experiment import Means, Run, RunResult, earlier_result, run_population
from snnjax.guard import tell
from snnjax.recorder import is_in_use
from snnjax.sinks import say
from snnjax.sinks.sweep_progress import PopulationProgress, SweepProgress, open_sweep_progress
from snnjax.sinks.wandb_run import prepare

if TYPE_CHECKING:
    from snnjax.grouping import Plan, Planned

Ended = RunResult | Exception

# How often to look whether another process has ended the runs it is at.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Swept:
    """How a sweep ended.

    Attributes:
        ended: For each run asked for, in order, its result or the error that it failed with.
        account: What it took: populations, workers, compilations, seconds.
    """

    ended: list[Ended]
    account: Mapping[str, Any]


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C, with what was done until then.

    Attributes:
        ended: The runs that ended, by their number.
        account: See `Swept`.
    """

    def __init__(self, ended: Mapping[int, Ended], account: Mapping[str, Any]) -> None:
        super().__init__()
        self.ended = ended
        self.account = account


def run_sweep(
    runs: Sequence[Run],
    folder: Path,
    means: Means = Means(),  # noqa: B008
    own: Sequence[int] | None = None,
) -> Swept:
    """Train every run that is not done yet; those that another process is at are waited for.

    Args:
        runs: The jobs of a multirun, each with its own folder.
        folder: The folder of the multirun.
        means: What may be used.
        own: Numbers of the runs to be trained here, and told of; None for all. The others decide
            with them by which programs they are trained.

    Raises:
        SweepInterrupted: Stopping was asked for; each run keeps what it has written.
    """
    began = time.perf_counter()
    own = range(len(runs)) if own is None else own
    ended: dict[int, Ended] = {}
    account: dict[str, Any] = {"populations": 0, "programs": 0, "compilations": 0, "workers": 0}
    try:
        ended |= _ended_before(runs, folder, own)
        while left := [number for number in own if number not in ended]:
            _train_what_is_left(runs, left, folder, means, ended, account)
            _wait_for_others(runs, left, ended)
    except KeyboardInterrupt as error:
        raise SweepInterrupted(ended, account) from error
    finally:
        account["seconds"] = round(time.perf_counter() - began, 3)
    if runs:  # what a start that was killed left behind, if all of its runs have ended
        checkpoint.tidy(checkpoint.shelf_of(folder), runs[0].config.checkpoint.keep)
    return Swept([ended[number] for number in own], account)


def status_of(ended: Ended) -> str:
    """Return done, diverged, skipped or failed."""
    return "failed" if isinstance(ended, Exception) else ended.status


def _ended_before(runs: Sequence[Run], folder: Path, own: Sequence[int]) -> dict[int, Ended]:
    """Return how own runs have ended, or why they cannot go on, before anything is trained."""
    ends = ((number, _earlier(runs[number])) for number in own)
    ended = {number: end for number, end in ends if end is not None}
    shelf = checkpoint.shelf_of(folder)
    refused = checkpoint.refusals(shelf, [runs[number].config for number in own])
    return {**{own[place]: error for place, error in refused.items()}, **ended}


def _earlier(run: Run) -> Ended | None:
    """Return how a run has ended, None if it is still to do."""
    try:
        return earlier_result(run)
    except ValueError as error:
        return error


def _train_what_is_left(
    runs: Sequence[Run],
    left: Sequence[int],
    folder: Path,
    means: Means,
    ended: dict[int, Ended],
    account: dict[str, Any],
) -> None:
    """Train what has not ended and no other process is at; note in `ended` what ends."""
    _prepare(runs)
    from snnjax.compilation import compilation_count, program_count
    from snnjax.grouping import plan

    planned = plan(runs, left, means)
    ended |= planned.failed
    for line in planned.warnings:
        tell(line)
    account["workers"] = planned.workers
    if not (numbers := [n for population in planned.populations for n in population.numbers]):
        return
    with (
        open_sweep_progress(
            runs[numbers[0]].config.logging.progress,
            runs=len(ended) + len(numbers),
            epochs=sum(runs[number].config.training.epochs for number in numbers),
            populations=len(planned.populations),
            workers=planned.workers,
            ended_before=[status_of(end) for end in ended.values()],
        ) as progress,
        closing(_in_threads(runs, folder, planned, progress)) as finished,
    ):
        for ends in finished:
            ended |= ends
            account["populations"] += any(status_of(end) != "skipped" for end in ends.values())
            account["programs"], account["compilations"] = program_count(), compilation_count()


def _in_threads(
    runs: Sequence[Run], folder: Path, planned: "Plan", progress: SweepProgress
) -> Generator[dict[int, Ended], None, None]:
    """Train populations in threads; yield the runs that have ended as each population ends.

    When the caller is interrupted, populations not yet begun are dropped and those under way
    stop at once.
    """
    with ThreadPoolExecutor(planned.workers, thread_name_prefix="population") as pool:
        jobs = [
            pool.submit(_train, runs, folder, population, progress)
            for population in planned.populations
        ]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BaseException:
            interruption.ask()
            pool.shutdown(wait=True, cancel_futures=True)
            interruption.withdraw()
            raise


def _train(
    runs: Sequence[Run], folder: Path, population: "Planned", progress: SweepProgress
) -> dict[int, Ended]:
    """Train a population but for the runs that another process has ended or is at."""
    part = progress.population(sum(runs[n].config.training.epochs for n in population.numbers))
    try:
        numbers = [n for n in population.numbers if not is_in_use(runs[n].folder)]
        ended = {n: end for n in numbers if (end := _earlier(runs[n])) is not None}
        if left := [n for n in numbers if n not in ended]:
            ended |= _train_together([runs[n] for n in left], left, folder, population, part)
    finally:
        population.release()
    for end in ended.values():
        if isinstance(end, Exception):  # its frames hold what was on the device
            traceback.clear_frames(end.__traceback__)
    part.ended(map(status_of, ended.values()))
    return ended


def _train_together(
    own: Sequence[Run],
    numbers: Sequence[int],
    folder: Path,
    population: "Planned",
    part: PopulationProgress,
) -> dict[int, Ended]:
    ends: Sequence[Ended]
    try:
        together = population.of(numbers)
        ends = run_population(own, together, sweep=folder, count=part.epochs)
    except Exception as error:
        interruption.check()  # what Ctrl-C breaks did not fail
        # The program is all members', and so is what is wrong with it.
        ends = [error] * len(own)
    return {n: end for n, end in zip(numbers, ends, strict=True) if not _is_elsewhere(end)}


def _is_elsewhere(ended: Ended) -> bool:
    """Tell whether a run was left alone because another process is at it."""
    return isinstance(ended, OSError) and ended.errno == errno.EBUSY


def _wait_for_others(runs: Sequence[Run], left: Sequence[int], ended: dict[int, Ended]) -> None:
    """Wait until other processes have ended the runs they are at, or have left one undone.

    Raises:
        KeyboardInterrupt: Stopping was asked for meanwhile.
    """
    theirs = [number for number in left if number not in ended]
    if theirs and runs[theirs[0]].config.logging.progress != "none":
        say(f"{len(theirs)} runs are being trained by another process; waiting for it")
    while theirs:
        let_go = [number for number in theirs if not is_in_use(runs[number].folder)]
        ended |= {n: end for n in let_go if (end := _earlier(runs[n])) is not None}
        if any(number not in ended for number in let_go):
            return
        theirs = [number for number in theirs if number not in ended]
        interruption.check()
        time.sleep(_LOOK_SECONDS if theirs else 0)


def _prepare(runs: Sequence[Run]) -> None:
    """Import what two threads must not import at once: what loads NumPy extensions."""
    importlib.import_module("snnjax.grouping")
    from snnjax.compilation import keep_compiled

    keep_compiled()
    for wandb in {run.config.logging.wandb for run in runs}:
        prepare(wandb)
