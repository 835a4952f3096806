"""Arrays that were submitted for a sweep, as its folder tells them."""

import fcntl
import json
import os
import pickle
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from snnjax import interruption
from snnjax.config.errors import ConfigError
from snnjax.experiment import Means, Run
from snnjax.slurm.settings import Settings
from snnjax.whole_file import write_whole

FOLDER = "slurm"
_LIST = "submitted.jsonl"
_LOCK = "submitting.lock"


@dataclass(frozen=True)
class Submission:
    """An array that was submitted.

    Attributes:
        jobs: Its tasks, as 12_3; one alone as 12.
        runs: For each task the names of its run folders.
    """

    jobs: list[str]
    runs: list[list[str]]

    @property
    def number(self) -> str:
        """The number of the array."""
        return self.jobs[0].partition("_")[0]


def name_of(run: Run, sweep: Path) -> str:
    """Return the name of a run in the folder of its sweep."""
    return os.path.relpath(run.folder, sweep)


def submitted(sweep: Path) -> Iterator[Submission]:
    """Yield what was submitted for a sweep before; nothing where that cannot be read."""
    with suppress(OSError):
        for line in (sweep / FOLDER / _LIST).read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, TypeError):
                yield Submission(**json.loads(line))


@contextmanager
def alone(sweep: Path) -> Iterator[None]:
    """Let no other process look for what is left of a sweep and submit it meanwhile.

    Raises:
        OSError: The folder cannot be written.
    """
    (sweep / FOLDER).mkdir(parents=True, exist_ok=True)
    with (sweep / FOLDER / _LOCK).open("w") as file:
        with suppress(OSError):  # a disk without locks: as safe as it can be
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put off Ctrl-C until an array that Slurm has taken is written down and told of.

    The shell sends it to sbatch, too, which inherits what is blocked here.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with interruption.deferred():
            yield
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def submit(
    runs: Sequence[Run],
    parts: Sequence[tuple[int, ...]],
    sweep: Path,
    means: Means,
    settings: Settings,
) -> Submission:
    """Submit an array and write down what it trains.

    Args:
        runs: The sweep.
        parts: For each task the numbers of its runs.
        sweep: Its folder.
        means: What each task may use.
        settings: What is asked of Slurm.

    Raises:
        ConfigError: Slurm does not take it.
        OSError: The folder cannot be written.
    """
    from submitit import SlurmExecutor
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    from snnjax.slurm.task import Task

    folder = sweep / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"runs-{sum(1 for _ in submitted(sweep))}.pickle"
    write_whole(file, pickle.dumps([*runs]))
    executor = SlurmExecutor(folder, max_num_timeout=settings.requeues)
    executor.update_parameters(**settings.for_submitit("snnjax"))
    tasks = [Task(sweep, file, part, asdict(means), settings.requeues) for part in parts]
    try:
        with executor.batch():
            jobs = [executor.submit(task) for task in tasks]
        numbers = [job.job_id for job in jobs]
    except (FailedJobError, FailedSubmissionError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else "sbatch: error: nothing was said"
        raise ConfigError(f"hydra/launcher=slurm: {reason.replace(' error:', '')}") from error
    done = Submission(numbers, [[name_of(runs[n], sweep) for n in part] for part in parts])
    with (folder / _LIST).open("a", encoding="utf-8") as list_:
        list_.write(json.dumps(asdict(done)) + "\n")
    return done
