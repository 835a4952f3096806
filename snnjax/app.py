"""The program behind `python -m snnjax.train`: check, hand over to Hydra, account for the runs."""

import json
import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from snnjax import interruption
from snnjax.config.errors import ConfigError
from snnjax.config.overrides import check_overrides
from snnjax.config.strict import from_hydra
from snnjax.file_names import ERROR_FILE, RESULT_FILE
from snnjax.sinks.base import say, warn
from snnjax.whole_file import write_whole

if TYPE_CHECKING:
    from snnjax.experiment import Means, RunResult

DONE, FAILED, REFUSED, DIVERGED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes. Of several runs the gravest counts: failed, then refused, then diverged."""

_INFORMATION = ("help", "hydra_help", "cfg", "info", "shell_completion", "experimental_rerun")
_FULL_ERROR = "HYDRA_FULL_ERROR"
_SHOWN = 20  # distinct mistakes of a sweep's configurations
_BUG = "unexpected"  # such an error is ours and is shown with its traceback


@dataclass
class Session:
    """What `main` wants to know after Hydra, which returns nothing.

    Attributes:
        codes: An exit code for every run that did not just succeed in this process.
        sweep: The folder of a finished multirun.
        debugging: Whether the user wants tracebacks (HYDRA_FULL_ERROR=1).
    """

    codes: list[int] = field(default_factory=list)
    sweep: Path | None = None
    debugging: bool = False

    def begin(self, debugging: bool) -> None:
        """Forget what an earlier call left behind."""
        self.codes, self.sweep, self.debugging = [], None, debugging


SESSION = Session()


def main() -> int:
    """Run the command line in `sys.argv` and return the exit code.

    Returns:
        0 when every run is done, 1 when one failed, 2 for a configuration or data that cannot be
        used, 3 when training diverged, 130 when interrupted.
    """
    SESSION.begin(debugging=os.environ.get(_FULL_ERROR) == "1")
    try:
        argv = check_overrides(sys.argv[1:])
        with interruption.heard(), _hydra_raising():
            try:
                _launch(argv)
            except Exception:
                interruption.check()  # an import that Ctrl-C ends fails with an error of its own
                raise
        return _account()
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if SESSION.debugging:
            raise
        _complain_once([error])
        return _explain(error)[1]


def run_job(cfg: Any) -> float:
    """Train one composed configuration; a failure is written down and does not stop the others.

    Returns:
        What a search minimises or maximises; NaN where there is nothing to return.
    """
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    if hydra.mode is not None and hydra.mode.name == "MULTIRUN":
        told = [o for o in hydra.overrides.task if not o.startswith("+sweep=")]
        say(f"run {hydra.job.num}: {' '.join(told)}")
    try:
        config = from_hydra(cfg)
        (folder / ERROR_FILE).unlink(missing_ok=True)
        from snnjax.experiment import run

        return _settle(run(config, folder), folder)
    except Exception as error:
        _complain_once([error])
        return _settle(error, folder)


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


def run_jobs(jobs: Sequence[Job], folder: Path, means: "Means") -> list[float]:
    """Train composed configurations together, each in its folder; what `run_job` does for one.

    Args:
        jobs: What a launcher composed.
        folder: That of the multirun.
        means: What may be used.

    Raises:
        ConfigError: Some configurations are invalid or their folders hold other runs, and
            `sweep.skip_invalid` does not allow that, or none is valid. Nothing was written.
    """
    from snnjax.experiment import Run, RunResult, earlier_result
    from snnjax.sweep import SweepInterrupted, run_sweep

    means.check()
    ended: dict[int, RunResult | Exception] = {}
    runs: dict[int, Run] = {}
    for number, job in enumerate(jobs):
        try:
            run = Run(from_hydra(job.config), job.folder)
            earlier_result(run)
            runs[number] = run
        except ConfigError as error:
            ended[number] = error
    if ended and not (runs and all(run.config.sweep.skip_invalid for run in runs.values())):
        messages = (_anywhere(str(error), jobs[n], folder) for n, error in ended.items())
        raise ConfigError(_refusal(messages, len(jobs)))
    for number, job in enumerate(jobs):
        is_done = _holds_a_run(job.folder)
        if number in ended and is_done:
            continue
        try:
            if not is_done:
                job.make_folder()
            (job.folder / ERROR_FILE).unlink(missing_ok=True)
        except OSError as error:
            ended[number] = error
            runs.pop(number, None)
    _list_runs(folder, jobs)
    numbers = [*runs]
    try:
        swept = run_sweep([*runs.values()], folder, means)
    except SweepInterrupted as stop:
        ended |= {numbers[place]: end for place, end in stop.ended.items()}
        _write_account(folder, jobs, ended, {**stop.account, "interrupted": True})
        _say_what_is_left(folder, jobs)
        raise
    ended |= dict(zip(runs, swept.ended, strict=True))
    _write_account(folder, jobs, ended, swept.account)
    _complain_once(error for error in ended.values() if isinstance(error, Exception))
    if any(isinstance(error, OSError) for error in ended.values()):
        _say_what_is_left(folder, jobs)
    return [_settle(ended[number], job.folder) for number, job in enumerate(jobs)]


def _anywhere(message: str, job: Job, sweep: Path) -> str:
    """Return a message about a job's folder so that it is the same for all of them."""
    return message.replace(f"{job.folder}{os.sep}", f"{sweep}{os.sep}*{os.sep}")


def _list_runs(sweep: Path, jobs: Sequence[Job]) -> None:
    from snnjax.listing import list_runs

    try:
        list_runs(sweep, [(job.number, job.folder, job.overrides) for job in jobs])
    except OSError as error:
        warn(f"the list of runs is not written ({_explain(error)[0]})")


def _write_account(
    sweep: Path,
    jobs: Sequence[Job],
    ended: Mapping[int, "RunResult | Exception"],
    account: Mapping[str, Any],
) -> None:
    from snnjax.listing import state_of, write_account
    from snnjax.sweep import status_of

    states = (
        status_of(ended[number]) if number in ended else state_of(job.folder)
        for number, job in enumerate(jobs)
    )
    try:
        write_account(sweep, states, account)
    except OSError as error:
        warn(f"the account of the sweep is not written ({_explain(error)[0]})")


def _say_what_is_left(sweep: Path, jobs: Sequence[Job]) -> None:
    finished = sum(_holds_a_run(job.folder) for job in jobs)
    say(
        f"{finished} of {len(jobs)} runs have ended, {len(jobs) - finished} are left; "
        f"go on with hydra.sweep.dir={sweep}"
    )


def _holds_a_run(folder: Path) -> bool:
    """Tell whether a folder holds a result, which an error must not be laid beside."""
    return (folder / RESULT_FILE).exists()


def _refusal(messages: Iterable[str], jobs: int) -> list[str]:
    counts = Counter(messages)
    shown = counts.most_common(_SHOWN)
    lines = [f"{message}  ({count} of {jobs} runs)" for message, count in shown]
    if (more := len(counts) - len(shown)) > 0:
        lines.append(f"... and {more} more like these")
    if sum(counts.values()) < jobs:
        lines.append("nothing was started; sweep.skip_invalid=true trains the other runs")
    return lines


def _complain_once(errors: Iterable[Exception]) -> None:
    """Print each distinct error once, with the number of runs that it ended.

    Files that cannot be written for the same reason are one error.
    """
    alike: dict[str, list[Exception]] = {}
    for error in errors:
        reason = error.strerror if isinstance(error, OSError) else None
        alike.setdefault(reason or _explain(error)[0], []).append(error)
    for group in alike.values():
        message, code = _explain(group[0])
        if message.startswith(_BUG):
            traceback.print_exception(group[0])
        _complain(message + (f"  ({len(group)} runs)" if len(group) > 1 else ""), code)


@contextmanager
def _hydra_raising() -> Iterator[None]:
    """Make Hydra pass exceptions on instead of printing them and leaving."""
    before = os.environ.get(_FULL_ERROR)
    os.environ[_FULL_ERROR] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_FULL_ERROR]
        else:
            os.environ[_FULL_ERROR] = before


def _settle(ended: "RunResult | Exception", folder: Path) -> float:
    """Account for a run that has ended and return its objective."""
    if isinstance(ended, Exception):
        if SESSION.debugging:
            raise ended
        _write_down(ended, folder)
        return float("nan")
    if ended.status == "diverged":
        SESSION.codes.append(DIVERGED)
    return ended.objective


def _write_down(error: Exception, folder: Path) -> None:
    """Leave what went wrong in the job's folder for the summary, but not beside a result."""
    message, code = _explain(error)
    SESSION.codes.append(code)
    if _holds_a_run(folder):
        return
    message = message.replace(f"{folder}{os.sep}", "")  # so that the summary can count them
    text = json.dumps({"message": message, "exit_code": code}, indent=2)
    with suppress(OSError):  # a full disk, most likely what is being reported
        write_whole(folder / ERROR_FILE, text + "\n")


def _launch(argv: list[str]) -> None:
    """Check the configurations that `argv` asks for, then let Hydra run them."""
    import hydra
    from hydra._internal.utils import get_args_parser

    from snnjax.config.preflight import PRIMARY, VERSION_BASE, preflight
    from snnjax.config.sources import folder, register

    register()
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)  # for `package.module:attribute`; `python -m` does so too
    given = get_args_parser().parse_args(argv)
    asks = any(getattr(given, name) for name in _INFORMATION)
    if not (asks or given.config_path):
        alone = preflight(given.overrides, given.multirun, given.config_dir, given.config_name)
        if alone is not None:
            _check_folder(alone)
    sys.argv[1:] = argv
    hydra.main(str(folder("conf")), PRIMARY, VERSION_BASE)(run_job)()


def _check_folder(composed: Any) -> None:
    """Refuse the folder of a single run that holds another one, before Hydra writes into it."""
    folder = Path(str(composed.hydra.run.dir))
    if folder.exists():
        from snnjax.recorder import read_result

        read_result(from_hydra(composed), folder)


def _account() -> int:
    """Print the summary of a multirun and return the gravest exit code."""
    codes = list(SESSION.codes)
    if SESSION.sweep is not None:
        from snnjax.summary import print_summary, read_jobs

        jobs = read_jobs(SESSION.sweep)
        print_summary(jobs, SESSION.sweep)
        codes += [job.exit_code for job in jobs]  # also of jobs that ran in other processes
    return next((code for code in (FAILED, REFUSED, DIVERGED) if code in codes), DONE)


def _explain(error: Exception) -> tuple[str, int]:
    """Return the message for the user and the exit code."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from snnjax.data.catalog import DataError

    if isinstance(error, ConfigError | DataError):
        return str(error), REFUSED
    if isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
        from snnjax.config.preflight import summarize

        return summarize(error), REFUSED
    if isinstance(error, OSError):
        name, reason = error.filename, error.strerror or str(error)
        return f"{name}: {reason}" if name else reason, FAILED
    return f"{_BUG} {type(error).__name__}: {error}", FAILED


def _complain(message: str, code: int) -> int:
    for line in message.splitlines() or [""]:
        print(f"snnjax: error: {line}", file=sys.stderr, flush=True)
    return code
