"""Runs that differ only in their seed as one group, and what to call the groups."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from snnjax.config.errors import ConfigError
from snnjax.config.fields import leaves
from snnjax.config.schema import Config
from snnjax.figures.pooling import Histogram, pool_histograms
from snnjax.figures.records import Array, Run
from snnjax.file_names import DIAGNOSTICS_FILE

SEED = "seed"

_ROLES = {leaf.path: leaf.role for leaf in leaves(Config)}
# What a network is called by comes first, then everything else as in the schema.
_FIRST = ("data.name", "model.name", "model.activation", "model.init", "model.norm")
_ORDER = {path: place for place, path in enumerate(dict.fromkeys((*_FIRST, *_ROLES)))}
_KEYS = [path.rpartition(".")[2] for path in _ROLES]
_ABSENT = object()


@dataclass(frozen=True)
class Group:
    """Runs whose configurations differ in the seed only.

    Attributes:
        label: What tells it from the other groups; empty of a group alone.
        settings: What its runs share, by dotted key.
        runs: One or more.
    """

    label: str
    settings: Mapping[str, Any]
    runs: tuple[Run, ...]

    @cached_property
    def epochs(self) -> Array:
        """All epochs at which any of the runs was looked at, (looks,)."""
        return np.unique(np.concatenate([_epochs(run) for run in self.runs]))

    @property
    def layers(self) -> list[str]:
        """The labels of the hidden layers."""
        return [str(name) for name in self.runs[0].record["layers"]]

    @property
    def kernels(self) -> list[str]:
        """The labels of the kernels, the output layer's last."""
        return [str(name) for name in self.runs[0].record["kernels"]]

    def holding(self, keys: Iterable[str]) -> "Group | None":
        """Return the group with those runs only that have all of `keys`, None without any."""
        wanted = list(keys)
        runs = tuple(run for run in self.runs if all(key in run.record for key in wanted))
        return replace(self, runs=runs) if runs else None

    def values(self, key: str) -> Array:
        """Return what was measured, (runs, looks, ...); NaN where a run was not looked at.

        Raises:
            ConfigError: The runs differ in the shape of what was measured.
        """
        rest = self.runs[0].record[key].shape[1:]
        found = np.full((len(self.runs), len(self.epochs), *rest), np.nan)
        for place, run in enumerate(self.runs):
            if run.record[key].shape[1:] != rest:
                name, shape = run.folder / DIAGNOSTICS_FILE, run.record[key].shape[1:]
                problem = f"{key} has shape {shape} at each look"
                raise ConfigError(f"{name}: {problem}; expected {rest} as in {self.runs[0].folder}")
            found[place, np.searchsorted(self.epochs, _epochs(run))] = run.record[key]
        return found

    def histograms(self, quantity: str, look: int) -> list[Histogram]:
        """Return for each layer or kernel the histograms of all runs at a look, added up."""
        rows = [np.flatnonzero(_epochs(run) == self.epochs[look]) for run in self.runs]
        there = [
            (run.record, row[-1]) for run, row in zip(self.runs, rows, strict=True) if len(row)
        ]
        counts = np.stack([record[f"{quantity}_histogram"][row] for record, row in there], 1)
        edges = np.stack([record[f"{quantity}_edges"][row] for record, row in there], 1)
        return [pool_histograms(*own) for own in zip(counts, edges, strict=True)]


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Return runs in groups, in the order of their first runs, each with its label."""
    together: dict[str, list[Run]] = {}
    shared: dict[str, Mapping[str, Any]] = {}
    for run in runs:
        settings = {key: value for key, value in run.settings.items() if _is_setting(key)}
        identity = json.dumps(settings, sort_keys=True, default=str)
        together.setdefault(identity, []).append(run)
        shared.setdefault(identity, settings)
    distinct = list(shared.values())
    named = zip(_labels(distinct), distinct, together.values(), strict=True)
    return [Group(label, own, tuple(members)) for label, own, members in named]


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys whose values differ, in the order of the schema."""
    keys = dict.fromkeys(key for own in settings for key in own)
    several = [key for key in keys if len({_plain(own, key) for own in settings}) > 1]
    return sorted(several, key=_place)


def telling(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return differing keys, without those that tell nothing apart that earlier ones do not."""
    kept: list[str] = []
    classes = 1
    for key in differing(settings):
        count = len({tuple(_plain(own, k) for k in (*kept, key)) for own in settings})
        if count > classes:
            kept, classes = [*kept, key], count
    return kept


def label_of(settings: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Return what some keys are set to, in words such as `tanh, uniform, depth 5`."""
    return ", ".join(word for key in keys if (word := _word(key, settings.get(key, _ABSENT))))


def _labels(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = telling(settings)
    lacking = ", ".join(f"no {_short(key)}" for key in keys)
    labels = [label_of(own, keys) or lacking for own in settings]
    return [
        label if labels.count(label) == 1 else f"{label} ({place + 1})".strip()
        for place, label in enumerate(labels)
        if len(settings) > 1
    ] or [""]


def _word(key: str, value: Any) -> str:
    """Return one setting in words: a name says enough by itself, a number needs its key."""
    name = _short(key)
    if value is _ABSENT:
        return ""
    if value is None or value is False or value == "none":
        return f"no {name}"
    if value is True:
        return name
    if isinstance(value, int | float):
        return f"{name} {value:.6g}"
    if not isinstance(value, str):
        return f"{name} {value}"
    text = value.replace("_", " ")
    is_name = key.endswith(".name") or key in ("model.activation", "model.init")
    return text if is_name and value != "default" else f"{name} {text}"


def _short(key: str) -> str:
    """Return the last part of a key, with the part before where others end alike."""
    section, _, last = key.rpartition(".")
    is_alone = _KEYS.count(last) <= 1 or section == "model"
    words = last if is_alone and last != "name" else key.replace(".name", "").replace(".", " ")
    return words.replace("_", " ")


def _is_setting(key: str) -> bool:
    return key != SEED and _ROLES.get(key) != "run"


def _place(key: str) -> int:
    return _ORDER.get(key, len(_ORDER))


def _plain(settings: Mapping[str, Any], key: str) -> str:
    value = settings.get(key, _ABSENT)
    return "" if value is _ABSENT else json.dumps(value, sort_keys=True, default=str)


def _epochs(run: Run) -> Array:
    return np.atleast_1d(run.record["epoch"]).astype(np.float64)
