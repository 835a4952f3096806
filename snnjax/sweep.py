"""Many runs at once: grouped into populations, trained side by side, each failing alone."""

import importlib
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from snnjax import interruption
from snnjax.experiment import Run, RunResult, earlier_result, run_population
from snnjax.sinks import say

if TYPE_CHECKING:
    from snnjax.plan import Planned

Ended = RunResult | Exception
Told = Callable[[str], None]


def run_sweep(
    runs: Sequence[Run],
    *,
    members: int | None = None,
    workers: int | None = None,
    tell: Told = say,
) -> list[Ended]:
    """Train every run that is not done yet.

    Args:
        runs: The jobs of a multirun, each with its own folder.
        members: Most runs in one population; None leaves it to the machine.
        workers: Populations trained at once; None for one per core, or one where there is an
            accelerator. Threads suffice: all the work is in compiled programs.
        tell: Called with a line of progress now and then.

    Returns:
        For each run, in order, its result or the error that it failed with.
    """
    ended: dict[int, Ended] = {}
    for number, run in enumerate(runs):
        try:
            earlier = earlier_result(run)
        except ValueError as error:
            ended[number] = error
        else:
            if earlier is not None:
                ended[number] = earlier
    left = [number for number in range(len(runs)) if number not in ended]
    if not left:
        return [ended[number] for number in range(len(runs))]
    _import_before_threads(runs)
    from snnjax.plan import plan
    from snnjax.strategy import default_workers, most_members

    workers = workers or default_workers()
    planned = plan(runs, left, members or most_members(), workers)
    ended |= {number: error for number, error in planned.failed.items() if number in left}
    tell(
        f"{len(runs)} runs, {len(ended)} of them already ended; "
        f"{len(planned.populations)} populations, {workers} at a time"
    )
    began, before = time.perf_counter(), len(ended)
    with closing(_train_all(runs, planned.populations, workers)) as finished:
        for population, results in finished:
            ended |= dict(zip(population.numbers, results, strict=True))
            tell(_progress(runs, ended, time.perf_counter() - began, before))
    return [ended[number] for number in range(len(runs))]


def _train_all(
    runs: Sequence[Run], populations: Sequence["Planned"], workers: int
) -> Generator[tuple["Planned", list[Ended]], None, None]:
    """Train populations in threads; yield each with its results as it ends.

    When the caller is interrupted, populations not yet begun are dropped and those under way
    stop at once.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="population") as pool:
        jobs = {
            pool.submit(_train_population, runs, population): population
            for population in populations
        }
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BaseException:
            interruption.ask()
            pool.shutdown(wait=True, cancel_futures=True)
            interruption.withdraw()
            raise


def _train_population(runs: Sequence[Run], population: "Planned") -> list[Ended]:
    own = [runs[number] for number in population.numbers]
    try:
        return [*run_population(own, population.layout(), population.sets, population.size)]
    except Exception as error:
        # The program is all members', and so is what is wrong with it.
        return [error] * len(own)


def _import_before_threads(runs: Sequence[Run]) -> None:
    """Import what two threads must not import at once: what loads NumPy extensions."""
    importlib.import_module("snnjax.plan")
    if any(run.config.logging.wandb.mode != "disabled" for run in runs):
        importlib.import_module("wandb")


def _progress(runs: Sequence[Run], ended: dict[int, Ended], seconds: float, before: int) -> str:
    failed = sum(isinstance(end, Exception) for end in ended.values())
    diverged = sum(getattr(end, "status", None) == "diverged" for end in ended.values())
    trained = len(ended) - before
    left = seconds / trained * (len(runs) - len(ended))
    return (
        f"{len(ended)} of {len(runs)} runs ended ({failed} failed, {diverged} diverged)  "
        f"{trained / seconds:.3g} runs/s  {timedelta(seconds=round(left))} left"
    )
