"""The checkpoints of a run or a sweep: which there are, what they hold, which are of no use."""

import contextlib
import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from snnjax.checkpoint.store import TEMPORARY, DamagedError, read_index
from snnjax.file_names import CHECKPOINTS_FOLDER, RESULT_FILE
from snnjax.sinks.base import warn
from snnjax.sinks.jsonl import is_locked, lock_alone

_LOCK = ".lock"
_TRIES = 10  # to lock a file that others remove meanwhile
_LEVELS = 4  # above a run in which the folder of its sweep is looked for
FINAL = "final"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as its index tells of it.

    Attributes:
        path: Its folder.
        index: What is in the index.
    """

    path: Path
    index: Mapping[str, Any]

    @property
    def members(self) -> Sequence[Mapping[str, Any]]:
        """Of each row of the arrays whose it is: fingerprint, folder, epoch, sha256 of data."""
        members: Sequence[Mapping[str, Any]] = self.index["members"]
        return members

    def place(self, fingerprint: str, folder: Path | None = None) -> int | None:
        """Return the row of a run, None if it is not among them.

        Args:
            fingerprint: Of the run.
            folder: Its own, where a run of another folder is another run.
        """
        home = self.path.parent.parent
        for number, own in enumerate(self.members):
            if own["fingerprint"] == fingerprint and (
                folder is None or _is_same(home / own["folder"], folder)
            ):
                return number
        return None


def shelf_of(folder: Path) -> Path:
    """Return where the checkpoints of a run, or of a sweep, lie."""
    return folder / CHECKPOINTS_FOLDER


def other_shelves(run: Path, home: Path) -> list[Path]:
    """Return where checkpoints of a run may lie beside those of its home.

    A sweep keeps those of its runs in its own folder, a run that is trained alone in its own; so a
    sweep may have been begun by another launcher than it goes on with.

    Args:
        run: The folder of the run.
        home: That of the sweep it is trained in, or its own where it is trained alone.
    """
    if not _is_same(run, home):
        return [shelf_of(run)]
    above = Path(os.path.abspath(run)).parents[:_LEVELS]
    return [shelf_of(folder) for folder in above if shelf_of(folder).is_dir()]


def list_checkpoints(shelf: Path, *, quiet: bool = False) -> list[Checkpoint]:
    """Return the checkpoints with an index, the newest first; what lacks one is warned of."""
    found = []
    for path in _folders(shelf):
        if path.name == FINAL or TEMPORARY in path.name:
            continue
        try:
            found.append(Checkpoint(path, read_index(path)))
        except FileNotFoundError:
            continue  # removed meanwhile
        except DamagedError as error:
            if not quiet:
                warn(f"{path}: a damaged checkpoint is left out: {error}")
    return sorted(found, key=lambda one: -int(one.index["saved_ns"]))


@contextlib.contextmanager
def claim(shelf: Path, writer: str) -> Iterator[None]:
    """Hold what tells others that a writer is alive, whose unfinished files are not to be touched.

    Raises:
        OSError: It cannot be written.
    """
    path = shelf / (writer + _LOCK)
    file = _hold(path)
    try:
        yield
    finally:
        file.close()
        path.unlink(missing_ok=True)


def tidy(shelf: Path, keep: int) -> None:
    """Remove checkpoints that nothing can be resumed from any more, and those never finished.

    Each run that has not ended keeps the last `keep` that it is in. Never raises an error.
    """
    with contextlib.suppress(OSError):
        _remove_unfinished(shelf)
    seen: Counter[str] = Counter()
    for checkpoint in list_checkpoints(shelf, quiet=True):
        is_needed = False
        for member in checkpoint.members:
            run = member["fingerprint"]
            is_done = (shelf.parent / member["folder"] / RESULT_FILE).exists()
            is_needed |= not is_done and seen[run] < keep
            seen[run] += 1
        if not is_needed:
            remove(checkpoint.path)
    with contextlib.suppress(OSError):
        shelf.rmdir()  # only if nothing is left


def remove(path: Path) -> None:
    """Remove a checkpoint so that no half of it is found later; never raises an error."""
    doomed = path.with_name(path.name + TEMPORARY)
    with contextlib.suppress(OSError):
        os.replace(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def _hold(path: Path) -> IO[bytes]:
    """Open and lock a file, and see that it is still there: who tidies removes unlocked ones."""
    for _ in range(_TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                file: IO[bytes] = stack.enter_context(path.open("ab"))
                lock_alone(file)
                if _is_at(file, path):
                    stack.pop_all()
                    return file
            except (FileNotFoundError, BlockingIOError):
                continue  # others removed the empty folder, or are about to remove the file
    raise OSError(errno.ESTALE, "others remove it again and again", str(path))


def _remove_unfinished(shelf: Path) -> None:
    # Listed before the locks: who begins to write meanwhile is locked by then.
    unfinished = list(shelf.glob(f"*{TEMPORARY}*"))
    locks = shelf.glob(f"*{_LOCK}")
    alive = {lock.name.removesuffix(_LOCK) for lock in locks if not _remove_abandoned(lock)}
    for path in unfinished:
        if path.name.partition("-")[0] not in alive:
            shutil.rmtree(path, ignore_errors=True)


def _remove_abandoned(lock: Path) -> bool:
    """Remove the lock of a writer that is dead; return whether it is."""
    if is_locked(lock) is not False:
        return False
    try:
        # Locked while it is removed: its writer may have opened it and be about to lock it.
        with lock.open("r+b") as file:
            lock_alone(file)
            if not _is_at(file, lock):
                return False
            lock.unlink()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Tell whether an open file is the one at a path, which may be gone or be another's."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _is_same(one: Path, other: Path) -> bool:
    return os.path.abspath(one) == os.path.abspath(other)


def _folders(shelf: Path) -> list[Path]:
    try:
        return sorted(path for path in shelf.iterdir() if path.is_dir())
    except OSError:
        return []
