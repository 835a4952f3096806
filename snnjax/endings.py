"""How runs end: what the user is told, what is left in a run folder, the program's exit code."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from snnjax import interruption
from snnjax.config.errors import ConfigError
from snnjax.file_names import ERROR_FILE, RESULT_FILE
from snnjax.whole_file import write_whole

if TYPE_CHECKING:
    from snnjax.experiment import RunResult

DONE, FAILED, REFUSED, DIVERGED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes of the program; of several runs the `gravest` counts."""

FULL_ERROR = "HYDRA_FULL_ERROR"
"""The variable of Hydra that asks for tracebacks."""

_BUG = "unexpected"  # such an error is ours and is shown with its traceback


@dataclass
class Session:
    """What `main` wants to know after Hydra, which returns nothing.

    Attributes:
        codes: An exit code for every run that did not just succeed in this process.
        run: The folder of a run alone.
        sweep: The folder of a finished multirun.
        debugging: Whether the user wants tracebacks (HYDRA_FULL_ERROR=1).
        is_detached: Whether the runs of the multirun are left to others.
    """

    codes: list[int] = field(default_factory=list)
    run: Path | None = None
    sweep: Path | None = None
    debugging: bool = False
    is_detached: bool = False

    def begin(self, debugging: bool) -> None:
        """Forget what an earlier call left behind."""
        self.codes, self.run, self.sweep, self.debugging = [], None, None, debugging
        self.is_detached = False


SESSION = Session()


def told(command: Callable[[], int]) -> int:
    """Run a command and return its exit code; what goes wrong is told in one line each.

    HYDRA_FULL_ERROR=1 lets errors through, with their tracebacks.
    """
    SESSION.begin(debugging=os.environ.get(FULL_ERROR) == "1")
    try:
        code = command()
        sys.stdout.flush()  # so that nobody reading is noticed here, not at the exit
    except KeyboardInterrupt:
        return complain("interrupted", interruption.exit_code())
    except BrokenPipeError:
        return _nobody_reads()
    except Exception as error:
        if SESSION.debugging:
            raise
        complain_once([error])
        return explain(error)[1]
    return code


def _nobody_reads() -> int:
    """Let nothing more be printed into a pipe that was closed, and return the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def gravest(codes: Collection[int]) -> int:
    """Return the exit code of several runs: failed counts before refused before diverged."""
    return next((code for code in (FAILED, REFUSED, DIVERGED) if code in codes), DONE)


def settle(ended: "RunResult | Exception", folder: Path) -> float:
    """Account for a run that has ended and return its objective, NaN of one that failed.

    A failure is noted in the run's folder.

    Raises:
        Exception: That which the run failed with, where the user wants tracebacks.
    """
    if isinstance(ended, Exception):
        if SESSION.debugging:
            raise ended
        _write_down(ended, folder)
        return float("nan")
    if ended.status == "diverged":
        SESSION.codes.append(DIVERGED)
    return ended.objective


def complain_once(errors: Iterable[Exception]) -> None:
    """Print each distinct error once, with the number of runs that it ended.

    Files that cannot be written for the same reason are one error.
    """
    alike: dict[str, list[Exception]] = {}
    for error in errors:
        reason = error.strerror if isinstance(error, OSError) else None
        alike.setdefault(reason or explain(error)[0], []).append(error)
    for group in alike.values():
        message, code = explain(group[0])
        if message.startswith(_BUG):
            traceback.print_exception(group[0])
        complain(message + (f"  ({len(group)} runs)" if len(group) > 1 else ""), code)


def explain(error: Exception) -> tuple[str, int]:
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


def complain(message: str, code: int) -> int:
    """Print an error for the user, each of its lines marked as one; return the exit code."""
    for line in message.splitlines() or [""]:
        print(f"snnjax: error: {line}", file=sys.stderr, flush=True)
    return code


def holds_result(folder: Path) -> bool:
    """Tell whether a folder holds a result, which an error must not be laid beside."""
    return (folder / RESULT_FILE).exists()


def _write_down(error: Exception, folder: Path) -> None:
    """Leave what went wrong in the job's folder for the summary, but not beside a result."""
    message, code = explain(error)
    SESSION.codes.append(code)
    if holds_result(folder):
        return
    message = message.replace(f"{folder}{os.sep}", "")  # so that the summary can count them
    text = json.dumps({"message": message, "exit_code": code}, indent=2)
    with suppress(OSError):  # a full disk, most likely what is being reported
        write_whole(folder / ERROR_FILE, text + "\n")
