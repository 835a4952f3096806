"""The runs of a population: where they go on, who keeps them, and what is kept at their end."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnjax.checkpoint.final import write_final
from snnjax.checkpoint.keeper import PopulationKeeper, Who, submit
from snnjax.checkpoint.leaves import named, shapes_of
from snnjax.checkpoint.resume import Kept, Wanted, find
from snnjax.checkpoint.shelf import shelf_of
from snnjax.checkpoint.template import template_of
from snnjax.config.schema import CheckpointConfig, Config
from snnjax.config.split import fingerprint, split
from snnjax.data.dataset import Dataset
from snnjax.sinks.base import warn

if TYPE_CHECKING:
    from snnjax.shapes import Problem
    from snnjax.training import MemberState

Spent = Callable[..., tuple[float, ...]]


@dataclass(frozen=True)
class KeptRun:
    """A run as it is kept.

    Attributes:
        config: Its configuration.
        folder: Its folder.
        data: Its data set.
    """

    config: Config
    folder: Path
    data: Dataset

    def wanted(self) -> Wanted:
        """Return what its checkpoint must fit."""
        splits = ("train", "validation") if len(self.data.rows["validation"]) else ("train",)
        return Wanted(self.config, self.folder, self.data.sha256, splits)


def find_runs(runs: Sequence[KeptRun], problem: "Problem", folder: Path) -> Kept:
    """Find and read where the runs of one program go on.

    Args:
        runs: The runs.
        problem: The shapes that their networks are made for.
        folder: That of the sweep, or of a run alone.
    """

    def shapes() -> Any:
        return shapes_of(template_of(*_pieces(runs[0].config, problem)))

    return find(shelf_of(folder), [run.wanted() for run in runs], shapes)


def open_keeper(
    runs: Sequence[KeptRun],
    folder: Path,
    versions: Mapping[str, str],
    kept: Kept,
    spent: Spent,
    before: Callable[[], None] = lambda: None,
) -> PopulationKeeper:
    """Return what keeps a population while it trains.

    Args:
        runs: The members.
        folder: That of the sweep, or of a run alone.
        versions: What they are made by.
        kept: Where they go on.
        spent: Shares out what a population has taken: `Ledger.share_until_now`.
        before: Writes what else must be there when a run goes on.
    """
    names = [
        Who(fingerprint(run.config), os.path.relpath(run.folder, folder), run.data.sha256)
        for run in runs
    ]
    config = _common([run.config.checkpoint for run in runs])
    return PopulationKeeper(config, shelf_of(folder), names, versions, kept, spent, before)


def keep_final(
    runs: Mapping[int, KeptRun],
    problem: "Problem",
    state: "MemberState",
    versions: Mapping[str, str],
) -> None:
    """Keep the networks of members that have ended in their folders, where that is asked for.

    Args:
        runs: By their place in the state.
        problem: The shapes that their networks are made for.
        state: Of the population.
        versions: What they are made by.
    """
    asked = {place: run for place, run in runs.items() if run.config.checkpoint.final}
    leaves = {name: np.asarray(leaf) for name, leaf in named(state).items()} if asked else {}
    for place, run in asked.items():
        own = {name: leaf[place : place + 1] for name, leaf in leaves.items()}
        try:
            submit(write_final, run.folder, run.config, problem, own, versions).result()
        except Exception as error:  # a full disk, as a rule; the result is worth more
            reason = str(error).partition("\n")[0][:300]
            warn(f"{shelf_of(run.folder)}: the networks are not kept ({reason})")


def _pieces(config: Config, problem: "Problem") -> tuple[Any, "Problem", Any]:
    program, member = split(config)
    return program, problem, member


def _common(configs: Sequence[CheckpointConfig]) -> CheckpointConfig:
    """Return what the members of a population ask for: the most careful of each."""
    spans = [config.every for config in configs if config.every is not None]
    return replace(
        configs[0],
        every=min(spans, default=None),
        keep=max(config.keep for config in configs),
        grace=min(config.grace for config in configs),
    )
