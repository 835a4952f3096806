"""Many baselines at once: a process per core, each run in its own folder, each with its own end."""

import errno
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from snnjax import interruption
from snnjax.baselines.config import BaselineConfig
from snnjax.baselines.run import folder_of, is_done, run
from snnjax.endings import complain_once, settle
from snnjax.listing import list_runs, listed_runs, state_of, write_account
from snnjax.sinks.base import say
from snnjax.sinks.console import is_terminal, line_spacing

Ended = str | Exception


def run_all(configs: Sequence[BaselineConfig], out: Path, jobs: int) -> Counter[str]:
    """Fit what is not done yet; return how many runs ended in which way.

    Args:
        configs: The runs.
        out: The folder that theirs lie in.
        jobs: Processes; one needs none beside this.

    Raises:
        ConfigError: A folder holds a result of other source code or libraries.
        KeyboardInterrupt: Stopping was asked for; what has ended stays.
        OSError: The folder cannot be written.
    """
    folders = [folder_of(config, out) for config in configs]
    left = [pair for pair in zip(configs, folders, strict=True) if not is_done(*pair)]
    out.mkdir(parents=True, exist_ok=True)
    _list(folders, out)
    counts = Counter({"skipped": len(configs) - len(left)})
    errors: list[Exception] = []
    began = time.monotonic()
    try:
        with _progress(len(configs), counts) as advance:
            for folder, ended in _results(left, jobs):
                if isinstance(ended, Exception):
                    errors.append(ended)
                    settle(ended, folder)
                advance("failed" if isinstance(ended, Exception) else ended)
    finally:
        seconds = round(time.monotonic() - began, 3)
        write_account(out, map(state_of, folders), {"workers": jobs, "seconds": seconds})
        complain_once(errors)
    return counts


def _results(
    left: Sequence[tuple[BaselineConfig, Path]], jobs: int
) -> Iterator[tuple[Path, Ended]]:
    """Yield how runs have ended, as they do."""
    if jobs == 1 or len(left) < 2:
        for config, folder in left:
            interruption.check()
            yield _attempt(config, folder)
        return
    from joblib import Parallel, delayed

    # Nothing waits in the queue, where Ctrl-C would find it half way.
    parallel = Parallel(
        n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs
    )
    yield from parallel(delayed(_attempt_deaf)(config, folder) for config, folder in left)


def _attempt_deaf(config: BaselineConfig, folder: Path) -> tuple[Path, Ended]:
    """Leave Ctrl-C, which a terminal sends to all processes, to the one that ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _attempt(config, folder)


def _attempt(config: BaselineConfig, folder: Path) -> tuple[Path, Ended]:
    try:
        run(config, folder)
    except FileExistsError:
        return folder, "skipped"
    except OSError as error:
        if error.errno == errno.EBUSY:
            return folder, "left"
        return folder, error
    except Exception as error:
        interruption.check()  # what Ctrl-C breaks did not fail
        return folder, error
    return folder, "done"


def _list(folders: Sequence[Path], out: Path) -> None:
    """List the runs for `status`; those of earlier starts keep their numbers."""
    listed = {folder: number for number, folder in enumerate(listed_runs(out))}
    for folder in folders:
        listed.setdefault(folder, len(listed))
    list_runs(out, [(number, folder, ()) for folder, number in listed.items()])


@contextmanager
def _progress(total: int, counts: Counter[str]) -> Iterator[Callable[[str], None]]:
    """Count runs by how they end, and show it: a bar on a terminal, else a line now and then."""
    began = printed = time.monotonic()

    def line() -> str:
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        return f"{counts.total()}/{total} runs: {told}"

    def advance(status: str) -> None:
        nonlocal printed
        counts[status] += 1
        now = time.monotonic()
        if now - printed >= line_spacing(now - began):
            printed = now
            say(line())

    if not is_terminal(sys.stdout):
        try:
            yield advance
        finally:
            say(line())
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}"), transient=True) as bar:
        task = bar.add_task("", total=total, completed=counts.total())

        def show(status: str) -> None:
            counts[status] += 1
            failed = f"{counts['failed']} failed" if counts["failed"] else ""
            bar.update(task, advance=1, description=failed)

        yield show
    say(line())
