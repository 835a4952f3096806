"""Many runs at once: planned as populations, trained side by side, each failing alone."""

import errno
import importlib
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnjax import interruption
from snnjax.data.files import cache_folder
from snnjax.experiment import Means, Run, RunResult, earlier_result, run_population
from snnjax.sinks.sweep_progress import SweepProgress, open_sweep_progress
from snnjax.sinks.wandb_run import prepare

if TYPE_CHECKING:
    from snnjax.plan import Plan, Planned

Ended = RunResult | Exception

# How often to look whether another process has ended the runs it is at.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Swept:
    """How a sweep ended.

    Attributes:
        ended: For each run, in order, its result or the error that it failed with.
        account: What it took: populations, workers, compilations, seconds.
    """

    ended: list[Ended]
    account: Mapping[str, Any]


def run_sweep(runs: Sequence[Run], folder: Path, means: Means = Means()) -> Swept:  # noqa: B008
    """Train every run that is not done yet; those that another process is at are waited for.

    Args:
        runs: The jobs of a multirun, each with its own folder.
        folder: The folder of the multirun.
        means: What may be used.
    """
    began, ended = time.perf_counter(), _ended_before(runs)
    account: dict[str, Any] = {"populations": 0, "compilations": 0}
    while len(ended) < len(runs):
        _prepare(runs)
        from snnjax.plan import plan

        planned = plan(runs, [n for n in range(len(runs)) if n not in ended], means)
        ended |= planned.failed
        ended |= _train_all(runs, folder, planned, ended)
        account["workers"] = planned.workers
        account["populations"] += len(planned.populations)
        ended = {number: end for number, end in ended.items() if not _is_elsewhere(end)}
        if len(ended) < len(runs):
            ended |= _wait_for_others(runs, ended)
    if "workers" in account:
        from snnjax.compilation import program_count

        account["compilations"] = program_count()
    account["seconds"] = round(time.perf_counter() - began, 3)
    return Swept([ended[number] for number in range(len(runs))], account)


def status_of(ended: Ended) -> str:
    """Return done, diverged, skipped or failed."""
    return "failed" if isinstance(ended, Exception) else ended.status


def _ended_before(runs: Sequence[Run]) -> dict[int, Ended]:
    ended: dict[int, Ended] = {}
    for number, run in enumerate(runs):
        try:
            earlier = earlier_result(run)
        except ValueError as error:
            ended[number] = error
        else:
            if earlier is not None:
                ended[number] = earlier
    return ended


def _train_all(
    runs: Sequence[Run], folder: Path, planned: "Plan", ended: Mapping[int, Ended]
) -> dict[int, Ended]:
    """Train what is planned, showing how far it is."""
    results: dict[int, Ended] = {}
    numbers = [number for population in planned.populations for number in population.numbers]
    if not numbers:
        return results
    with (
        open_sweep_progress(
            runs[numbers[0]].config.logging.progress,
            runs=len(runs),
            epochs=sum(runs[number].config.training.epochs for number in numbers),
            populations=len(planned.populations),
            workers=planned.workers,
            ended_before=[status_of(end) for end in ended.values()],
        ) as progress,
        closing(_in_threads(runs, folder, planned, progress)) as finished,
    ):
        for population, ends in finished:
            results |= dict(zip(population.numbers, ends, strict=True))
    return results


def _in_threads(
    runs: Sequence[Run], folder: Path, planned: "Plan", progress: SweepProgress
) -> Generator[tuple["Planned", list[Ended]], None, None]:
    """Train populations in threads; yield each with its results as it ends.

    When the caller is interrupted, populations not yet begun are dropped and those under way
    stop at once.
    """
    with ThreadPoolExecutor(planned.workers, thread_name_prefix="population") as pool:
        jobs = {
            pool.submit(_train, runs, folder, population, progress): population
            for population in planned.populations
        }
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BaseException:
            interruption.ask()
            pool.shutdown(wait=True, cancel_futures=True)
            interruption.withdraw()
            raise


def _train(
    runs: Sequence[Run], folder: Path, population: "Planned", progress: SweepProgress
) -> list[Ended]:
    own = [runs[number] for number in population.numbers]
    part = progress.population(sum(run.config.training.epochs for run in own))
    results: list[Ended]
    try:
        results = [*run_population(own, population.together(), sweep=folder, count=part.epochs)]
    except Exception as error:
        # The program is all members', and so is what is wrong with it.
        results = [error] * len(own)
    part.ended(map(status_of, results))
    return results


def _is_elsewhere(ended: Ended) -> bool:
    """Tell whether a run was left alone because another process is at it."""
    return isinstance(ended, OSError) and ended.errno == errno.EBUSY


def _wait_for_others(runs: Sequence[Run], ended: Mapping[int, Ended]) -> dict[int, Ended]:
    """Wait until another process has ended its runs, or has gone away and left some.

    Raises:
        KeyboardInterrupt: Stopping was asked for meanwhile.
    """
    from snnjax.recorder import is_in_use

    theirs = [number for number in range(len(runs)) if number not in ended]
    while any(is_in_use(runs[number].folder) for number in theirs):
        interruption.check()
        time.sleep(_LOOK_SECONDS)
    results = ((number, earlier_result(runs[number])) for number in theirs)
    return {number: result for number, result in results if result is not None}


def _prepare(runs: Sequence[Run]) -> None:
    """Import what two threads must not import at once: what loads NumPy extensions."""
    importlib.import_module("snnjax.plan")
    from snnjax.compilation import keep_compiled

    keep_compiled(cache_folder() / "compiled")
    for wandb in {run.config.logging.wandb for run in runs}:
        prepare(wandb)
