"""Many runs at once: grouped into populations, trained side by side, each failing alone."""

import importlib
import math
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from datetime import timedelta

from snnjax import interruption
from snnjax.config.split import split
from snnjax.experiment import Run, RunResult, earlier_result, run_population
from snnjax.sinks import say

_TURNS = 4

Ended = RunResult | Exception
Told = Callable[[str], None]


def run_sweep(
    runs: Sequence[Run],
    *,
    members: int = 64,
    workers: int | None = None,
    tell: Told = say,
) -> list[Ended]:
    """Train every run that is not done yet.

    Args:
        runs: The jobs of a multirun, each with its own folder.
        members: Most runs in one population.
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
    workers = workers or _default_workers()
    # Several populations for each worker, so that all of them end at about the same time.
    size = min(members, math.ceil(len(left) / (_TURNS * workers)))
    populations = group(runs, left, size)
    tell(
        f"{len(runs)} runs, {len(ended)} of them already ended; {len(populations)} populations, "
        f"{workers} at a time"
    )
    began, before = time.perf_counter(), len(ended)
    with closing(_train_all(runs, populations, workers, size)) as finished:
        for numbers, results in finished:
            ended |= dict(zip(numbers, results, strict=True))
            tell(_progress(runs, ended, time.perf_counter() - began, before))
    return [ended[number] for number in range(len(runs))]


def group(runs: Sequence[Run], numbers: Sequence[int], members: int) -> list[list[int]]:
    """Group runs that share a program, the shape of their members and their data.

    Returns:
        Lists of at most `members` run numbers, in the order of their first run.
    """
    groups: dict[object, list[int]] = {}
    for number in numbers:
        config = runs[number].config
        program, member = split(config)
        groups.setdefault((program, frozenset(member), config.data), []).append(number)
    return [
        several[start : start + members]
        for several in groups.values()
        for start in range(0, len(several), members)
    ]


def _train_all(
    runs: Sequence[Run], populations: Sequence[Sequence[int]], workers: int, size: int
) -> Generator[tuple[Sequence[int], list[Ended]], None, None]:
    """Train populations in threads; yield the numbers and results of each as it ends.

    When the caller is interrupted, populations not yet begun are dropped and those under way
    stop at once.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="population") as pool:
        jobs = {
            pool.submit(_train_population, [runs[number] for number in numbers], size): numbers
            for numbers in populations
        }
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BaseException:
            interruption.ask()
            pool.shutdown(wait=True, cancel_futures=True)
            interruption.withdraw()
            raise


def _train_population(runs: Sequence[Run], size: int) -> list[Ended]:
    try:
        return [*run_population(runs, size)]
    except Exception as error:
        # Program and data are all members', and so is what is wrong with them.
        return [error] * len(runs)


def _import_before_threads(runs: Sequence[Run]) -> None:
    """Import what two threads must not import at once: what loads NumPy extensions."""
    importlib.import_module("snnjax.population")
    if any(run.config.logging.wandb.mode != "disabled" for run in runs):
        importlib.import_module("wandb")


def _default_workers() -> int:
    import jax

    from snnjax.population import core_count

    return core_count() if jax.default_backend() == "cpu" else 1


def _progress(runs: Sequence[Run], ended: dict[int, Ended], seconds: float, before: int) -> str:
    failed = sum(isinstance(end, Exception) for end in ended.values())
    diverged = sum(getattr(end, "status", None) == "diverged" for end in ended.values())
    trained = len(ended) - before
    left = seconds / trained * (len(runs) - len(ended))
    return (
        f"{len(ended)} of {len(runs)} runs ended ({failed} failed, {diverged} diverged)  "
        f"{trained / seconds:.3g} runs/s  {timedelta(seconds=round(left))} left"
    )
