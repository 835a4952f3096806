"""Where runs go on: the newest checkpoint that each is in, if it is of this run, code and data."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnjax.checkpoint.leaves import Shapes, shapes_in
from snnjax.checkpoint.shelf import Checkpoint, list_checkpoints, other_shelves
from snnjax.checkpoint.store import DamagedError, Leaves, read
from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config
from snnjax.config.split import fingerprint
from snnjax.file_names import METRICS_FILE
from snnjax.recorder import code_digest, other_versions
from snnjax.sinks import read_evaluations
from snnjax.sinks.base import warn

_SUFFIX = (
    "; train it from the start with checkpoint.resume=false, or choose another folder with "
    "hydra.run.dir or hydra.sweep.dir"
)
_PADDED = (
    ", and its runs begin anew: networks for several data sets were padded to fit all of them; "
    "with the launcher that began the sweep they would go on"
)


@dataclass(frozen=True)
class Wanted:
    """A run that may go on.

    Attributes:
        config: Its configuration.
        folder: Its folder.
        sha256: Of its data.
        splits: What it reports of every epoch.
    """

    config: Config
    folder: Path
    sha256: str
    splits: Collection[str]


@dataclass
class Kept:
    """What was found of runs, by their place among those that were asked for.

    Attributes:
        epochs: Behind each that goes on.
        leaves: Its state.
        seconds: Spent training and compiling by earlier starts until then.
        refused: Why a run cannot be trained in this folder.
        shelves: Of other launchers, on which some were found; what is of no use there any more
            is to be removed when they have ended.
    """

    epochs: dict[int, int] = field(default_factory=dict)
    leaves: dict[int, Leaves] = field(default_factory=dict)
    seconds: dict[int, tuple[float, float]] = field(default_factory=dict)
    refused: dict[int, ConfigError] = field(default_factory=dict)
    shelves: set[Path] = field(default_factory=set)

    def of(self, numbers: Sequence[int]) -> "Kept":
        """Return what was found of some runs, by their place among these."""

        def some(found: Mapping[int, Any]) -> dict[int, Any]:
            return {place: found[n] for place, n in enumerate(numbers) if n in found}

        found = (some(self.epochs), some(self.leaves), some(self.seconds), some(self.refused))
        return Kept(*found, self.shelves)


def refusals(shelf: Path, configs: Sequence[Config]) -> dict[int, ConfigError]:
    """Return which runs were begun by other source code or libraries, by their place.

    Args:
        shelf: Where their checkpoints are.
        configs: The runs.
    """
    checkpoints = list_checkpoints(shelf, quiet=True)
    if not checkpoints:
        return {}
    newest: dict[str, Checkpoint] = {}
    for checkpoint in checkpoints:
        for member in checkpoint.members:
            newest.setdefault(member["fingerprint"], checkpoint)
    refused = {}
    for number, config in enumerate(configs):
        checkpoint_of = newest.get(fingerprint(config)) if config.checkpoint.resume else None
        if checkpoint_of and (reason := _other_code(checkpoint_of, config)):
            refused[number] = ConfigError(reason)
    return refused


def find(shelf: Path, wanted: Sequence[Wanted], shapes: Callable[[], Shapes]) -> Kept:
    """Find and read where runs go on; those of which nothing is found start anew.

    A checkpoint that is damaged, that does not fit or whose metrics are lost is left out with a
    warning, in favour of the one before. Those of a sweep that was begun by another launcher lie
    elsewhere, see `shelf.other_shelves`.

    Args:
        shelf: Where their checkpoints are.
        wanted: Runs of one program.
        shapes: What the arrays of one of them look like; asked for only if there is a checkpoint.
    """
    kept = Kept()
    open_ = {n: fingerprint(own.config) for n, own in enumerate(wanted) if _resumes(own)}
    others = {n: other_shelves(wanted[n].folder, shelf.parent) for n in open_}
    shelves = dict.fromkeys([shelf, *(path for own in others.values() for path in own)])
    checkpoints = [own for path in shelves for own in list_checkpoints(path)] if open_ else []
    for checkpoint in sorted(checkpoints, key=lambda own: -int(own.index["saved_ns"])):
        home = checkpoint.path.parent
        folders = {
            n: None if home == shelf else wanted[n].folder
            for n in open_
            if home == shelf or home in others[n]
        }
        places = ((n, checkpoint.place(open_[n], folder)) for n, folder in folders.items())
        rows = {n: row for n, row in places if row is not None}
        if not rows:
            continue
        for number in list(rows):
            own, row = wanted[number], rows[number]
            if reason := _refusal(checkpoint, row, own):
                kept.refused[number] = ConfigError(reason)
            elif not _has_metrics(own, checkpoint.members[row]["epoch"]):
                warn(f"{own.folder / METRICS_FILE}: lacks epochs before {checkpoint.path}")
            else:
                continue
            del rows[number]
        if rows and home != shelf:
            kept.shelves.add(home)
        if rows:
            _take(kept, checkpoint, rows, shapes(), is_other=home != shelf)
        open_ = {n: f for n, f in open_.items() if n not in kept.epochs and n not in kept.refused}
    return kept


def _take(
    kept: Kept,
    checkpoint: Checkpoint,
    rows: Mapping[int, int],
    shapes: Shapes,
    *,
    is_other: bool,
) -> None:
    """Read the rows of runs out of a checkpoint, or warn why they cannot be used."""
    if shapes_in(checkpoint.index) != shapes:
        why = _PADDED if is_other else ""
        warn(
            f"{checkpoint.path}: the arrays have other shapes now; this checkpoint is left out{why}"
        )
        return
    try:
        leaves = read(checkpoint.path, checkpoint.index)
    except DamagedError as error:
        warn(f"{checkpoint.path}: a damaged checkpoint is left out: {error}")
        return
    for number, row in rows.items():
        member = checkpoint.members[row]
        kept.epochs[number] = int(member["epoch"])
        kept.seconds[number] = (float(member["seconds"]), float(member["compile_seconds"]))
        # A copy: the others' rows need not stay in memory.
        kept.leaves[number] = {name: _row(leaf, row) for name, leaf in leaves.items()}


def _row(leaf: NDArray[Any], row: int) -> NDArray[Any]:
    return np.array(leaf[row])


def _resumes(own: Wanted) -> bool:
    return own.config.checkpoint.resume


def _refusal(checkpoint: Checkpoint, row: int, own: Wanted) -> str | None:
    """Say why a run cannot go on from a checkpoint that it is in."""
    if own.sha256 != checkpoint.members[row]["sha256"]:
        then = checkpoint.members[row]["sha256"]
        return (
            f"{checkpoint.path}: was trained on other data (sha256 {then[:12]}, now "
            f"{own.sha256[:12]}){_SUFFIX}"
        )
    return _other_code(checkpoint, own.config)


def _other_code(checkpoint: Checkpoint, config: Config) -> str | None:
    if config.sweep.mix_versions:
        return None
    other = other_versions(checkpoint.index["versions"], code_digest(config))
    return other and f"{checkpoint.path.parent}: was written by other {other}{_SUFFIX}"


def _has_metrics(own: Wanted, epoch: int) -> bool:
    """Tell whether metrics.jsonl has every epoch that a checkpoint has behind it."""
    try:
        lines = read_evaluations(own.folder / METRICS_FILE)
    except (OSError, ValueError):
        return epoch == 0
    seen = {(line.epoch, line.split) for line in lines}
    return all((n, split) in seen for n in range(1, epoch + 1) for split in own.splits)
