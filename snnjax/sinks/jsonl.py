"""`metrics.jsonl`: one line of strict JSON per evaluation, complete up to the last one written."""

import contextlib
import errno
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from snnjax.file_names import METRICS_FILE, RESULT_FILE
from snnjax.sinks.base import RESERVED, Evaluation, RunInfo

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

# What file systems without locks answer; some network drives have none, and Windows has others.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


# Who asks whether a file is locked holds its lock for a moment; a run holds it for longer.
_TRIES, _TRY_SECONDS = 3, 0.02


def to_line(evaluation: Evaluation) -> str:
    """Write an evaluation as a line: epoch, step, split, then the metrics by name.

    JSON knows neither NaN nor infinity; both become null.
    """
    row: dict[str, Any] = {
        "epoch": evaluation.epoch,
        "step": evaluation.step,
        "split": evaluation.split,
    }
    for name in sorted(evaluation.metrics):
        value = float(evaluation.metrics[name])
        row[name] = value if math.isfinite(value) else None
    return json.dumps(row, allow_nan=False) + "\n"


def from_line(line: str | bytes) -> Evaluation:
    """Read a line back; null becomes NaN.

    Raises:
        ValueError: The line is torn, or is not an evaluation.
    """
    row = json.loads(line)
    if not isinstance(row, dict) or not row.keys() >= RESERVED:
        raise ValueError(f"not an evaluation: {line[:80]!r}")
    metrics = {k: math.nan if v is None else v for k, v in row.items() if k not in RESERVED}
    return Evaluation(row["epoch"], row["step"], row["split"], metrics)


def read_evaluations(path: Path) -> list[Evaluation]:
    """Read a whole `metrics.jsonl`; a last line torn by a killed run is left out.

    Raises:
        FileNotFoundError: There is none.
        ValueError: A line before the last one is not an evaluation.
    """
    lines = path.read_bytes().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    return [from_line(line) for line in lines]


def lock(file: int) -> None:
    """Wait for the lock of an open file and hold it until that is closed, where there are locks.

    Raises:
        OSError: It cannot be locked.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)


def lock_alone(file: IO[bytes]) -> None:
    """Lock an open file until it is closed; do nothing where there are no locks.

    Raises:
        BlockingIOError: It is locked already, by another process or by this one, and stays so.
    """
    if fcntl is None:
        return
    for tries_left in reversed(range(_TRIES + 1)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not tries_left:
                raise
            time.sleep(_TRY_SECONDS)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return


def is_locked(path: Path) -> bool | None:
    """Tell whether a process, this one included, holds the lock of a file; None where unknown."""
    if fcntl is None:
        return None
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return False


class MetricsFile:
    """The sink behind `metrics.jsonl`, the record of a run that the other sinks only mirror.

    Every line reaches the operating system as it is written, so a killed process loses none.
    A fresh run replaces a stale file; one that goes on from a checkpoint keeps the lines up to
    it (`earlier`) and drops those after it, which it computes again.

    The open file is also the lock of the run folder: two processes in one folder would mix their
    lines.

    Raises:
        FileExistsError: Another process ended this run meanwhile.
        OSError: The file cannot be written, or another process writes it (EBUSY). This one ends
            the run: there is no other record.
    """

    def __init__(self, run: RunInfo) -> None:
        self.path = run.folder / METRICS_FILE
        self.earlier: list[Evaluation] = []
        run.folder.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b")
        try:
            lock_alone(self._file)
        except BlockingIOError as error:
            self._file.close()
            reason = "another process is training in this folder"
            raise OSError(errno.EBUSY, reason, str(run.folder)) from error
        # Looked for before the lock was had, it may have come since.
        if (result := run.folder / RESULT_FILE).exists():
            self._file.close()
            raise FileExistsError(errno.EEXIST, "this run has ended", str(result))
        self._file.truncate(self._keep(run.start_epoch))

    def write(self, evaluation: Evaluation) -> None:
        """Append a line."""
        try:
            self._file.write(to_line(evaluation).encode())
            self._file.flush()
        except OSError as error:
            with contextlib.suppress(OSError):  # what did not fit would be tried, and fail, again
                self._file.close()
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def finish(self, result: Mapping[str, Any]) -> None:
        """Let the folder go: the result has a file of its own."""
        self._file.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _keep(self, start_epoch: int) -> int:
        """Collect the leading whole lines up to `start_epoch` and return their length in bytes."""
        length = 0
        self._file.seek(0)
        for line in self._file if start_epoch else ():
            try:
                evaluation = from_line(line)
            except ValueError:
                break
            if evaluation.epoch > start_epoch or not line.endswith(b"\n"):
                break
            self.earlier.append(evaluation)
            length += len(line)
        return length
