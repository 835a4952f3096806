"""What stands below a figure: what is seen, and from how many runs, counted from the data."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from snnjax.figures.groups import SEED, Group, differing, label_of, telling

_TOLD = ("data.name", "model.name", "model.activation", "model.init", "model.depth", "model.width")
_SHOWN = 6  # keys, or seeds, that a caption lists


def caption(seen: Iterable[str], groups: Sequence[Group], of: int, keys: Sequence[str] = ()) -> str:
    """Return sentences: what is seen, which looks and runs it is from, what they have in common.

    Args:
        seen: Sentences that say what is drawn.
        groups: Those drawn.
        of: How many groups there were.
        keys: The arrays of diagnostics drawn, whose values that are not finite are counted.
    """
    drawn = f"{len(groups)} of {of} groups are drawn." if len(groups) < of else ""
    said = [*seen, runs_text(groups), drawn, _unseen(groups, keys)]
    return " ".join(line for line in [*said, _shared(groups)] if line)


def runs_text(groups: Sequence[Group]) -> str:
    """Return how many runs there are in each group, and their seeds."""
    alike = len({(len(group.runs), tuple(map(str, _seeds(group)))) for group in groups}) == 1
    if not alike:
        parts = "; ".join(f"{group.label}: {_runs(group)}" for group in groups)
        return f"From {sum(len(group.runs) for group in groups)} runs: {parts}."
    each = f"Each of {len(groups)} groups: " if len(groups) > 1 else "From "
    return f"{each}{_runs(groups[0])}."


def lines_text(groups: Sequence[Group]) -> str:
    """Return at how many epochs the runs were looked at, and what lines of several runs are."""
    epochs = np.unique(np.concatenate([group.epochs for group in groups]))
    looks = f"{len(epochs)} looks, epoch {epochs[0]:g} to {epochs[-1]:g}."
    if len(epochs) == 1:
        looks = f"One look, at epoch {epochs[0]:g}."
    if all(len(group.runs) == 1 for group in groups):
        return looks
    return f"{looks} Lines are medians of runs; shading, if nothing else is said, spans all runs."


def look_text(groups: Sequence[Group], look: int) -> str:
    """Return the epoch of a look, for each group if it is not the same for all."""
    epochs = [group.epochs[look] for group in groups]
    if len(set(epochs)) == 1:
        return f"epoch {epochs[0]:g}" + (" (before training)" if epochs[0] == 0 else "")
    each = zip(groups, epochs, strict=True)
    return "epochs " + ", ".join(f"{epoch:g} ({group.label})" for group, epoch in each)


def _runs(group: Group) -> str:
    seeds = _seeds(group)
    count = "1 run" if len(group.runs) == 1 else f"{len(group.runs)} runs"
    if any(seed is None for seed in seeds):
        return count
    shown = ", ".join(str(seed) for seed in seeds)
    if len(seeds) > _SHOWN and any(b - a != 1 for a, b in pairwise(seeds)):
        return f"{count} ({len(set(seeds))} different seeds)"
    if len(seeds) > _SHOWN:
        shown = f"{seeds[0]} to {seeds[-1]}"
    return f"{count} ({'seed' if len(seeds) == 1 else 'seeds'} {shown})"


def _seeds(group: Group) -> list[Any]:
    seeds = [run.settings.get(SEED) for run in group.runs]
    return seeds if any(not isinstance(seed, int) for seed in seeds) else sorted(seeds)


def _unseen(groups: Sequence[Group], keys: Sequence[str]) -> str:
    """Return how many of the runs have values that are not finite."""
    runs = [run for group in groups for run in group.runs]
    measured = [key for key in keys if not key.startswith(("fixed_", "predicted_"))]
    hidden = [
        run
        for run in runs
        if any(key in run.record and not np.isfinite(run.record[key]).all() for key in measured)
    ]
    if not hidden:
        return ""
    return f"Values that are not finite are left out, in {len(hidden)} of {len(runs)} runs."


def _shared(groups: Sequence[Group]) -> str:
    """Return what all groups have in common, and in what else than their labels they differ."""
    settings = [group.settings for group in groups]
    several = differing(settings)
    common = [key for key in _TOLD if key in settings[0] and key not in several]
    text = f"All: {label_of(settings[0], common)}." if common else ""
    others = [key for key in several if key not in telling(settings)]
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        text += f" The groups differ in {', '.join(others[:_SHOWN])}{more} too."
    return text.strip()
