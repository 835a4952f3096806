"""What a sweep leaves in its own folder: the list of its runs, and the account of what it took."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snnjax.file_names import RUNS_FILE, SWEEP_FILE
from snnjax.whole_file import write_whole

if TYPE_CHECKING:
    from snnjax.sweep import Swept


def list_runs(sweep: Path, runs: Sequence[tuple[Path, Sequence[str]]]) -> None:
    """Write which runs belong to a sweep before the first is trained; those listed before stay.

    Args:
        sweep: Its folder.
        runs: Their folders and overrides.

    Raises:
        OSError: The list cannot be written.
    """
    listed = dict.fromkeys(_lines(sweep))
    listed |= dict.fromkeys(
        json.dumps({"run": os.path.relpath(folder, sweep), "overrides": [*overrides]})
        for folder, overrides in runs
    )
    write_whole(sweep / RUNS_FILE, "".join(f"{line}\n" for line in listed))


def listed_runs(sweep: Path) -> list[Path]:
    """Return the folders of the runs of a sweep; none where it has no list."""
    return [sweep / str(json.loads(line)["run"]) for line in _lines(sweep)]


def write_account(sweep: Path, swept: "Swept") -> None:
    """Write how a sweep ended and what it took: populations, workers, compilations, seconds.

    Raises:
        OSError: It cannot be written.
    """
    from snnjax.sweep import status_of

    ended = Counter(map(status_of, swept.ended))
    account = {"runs": len(swept.ended), **ended, **swept.account}
    write_whole(sweep / SWEEP_FILE, json.dumps(account, indent=2) + "\n")


def _lines(sweep: Path) -> Iterator[str]:
    path = sweep / RUNS_FILE
    if path.exists():
        yield from path.read_text(encoding="utf-8").splitlines()
