"""What every sink learns about a run, what it is told, and the interface it answers to."""

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

RESERVED = frozenset({"epoch", "step", "split"})

DIAGNOSTICS = "diagnostics"
"""The `split` of lines that say what was seen inside a network."""

Histogram = tuple[Any, Any]
"""Counts, and one edge more."""


@dataclass(frozen=True)
class RunInfo:
    """What a sink learns when the run starts.

    Attributes:
        name: Short name of the run, such as "digits-snn-s0".
        folder: The run folder; everything a sink leaves behind lies in it.
        epochs: Planned number of epochs; early stopping may end sooner.
        monitor: The metric that decides which epoch is the best one.
        maximize: Whether a higher value of it is better.
        split: The split it is watched on: "validation", or "train" where there is none.
        config: The resolved configuration as plain dictionaries.
        fingerprint: Hash of the configuration; equal fingerprint means same run.
        start_epoch: Epochs done before, when the run goes on from a checkpoint; 0 for a fresh one.
        sweep: The folder of the multirun that the run belongs to; None for a run alone.
        smoothing: Epochs that the watched metric is averaged over.
        min_gain: How much better it must be than the best.
    """

    name: str
    folder: Path
    epochs: int
    monitor: str
    maximize: bool
    split: str
    config: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    start_epoch: int = 0
    sweep: Path | None = None
    smoothing: int = 1
    min_gain: float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """The metrics of one split after one epoch: one line of `metrics.jsonl`.

    Attributes:
        epoch: Epochs done, so that the first trained epoch is 1.
        step: Optimizer steps done.
        split: "train", "validation", "test", or `DIAGNOSTICS`.
        metrics: Value of each metric by its name.
        histograms: For sinks that can show them.

    Raises:
        ValueError: A metric has the name of one of the other columns.
    """

    epoch: int
    step: int
    split: str
    metrics: Mapping[str, float]
    histograms: Mapping[str, Histogram] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if clash := RESERVED.intersection(self.metrics):
            raise ValueError(f"metric name {min(clash)!r} is a column of its own; rename it")


class Sink(Protocol):
    """A place to which a run reports: constructing it starts it, then these three in order."""

    def write(self, evaluation: Evaluation) -> None:
        """Take one evaluation; the split that is watched comes last in each epoch."""

    def finish(self, result: Mapping[str, Any]) -> None:
        """Take the content of `result.json`, once, and return without waiting for anything."""

    def close(self) -> None:
        """Wait, within a limit, for what is still under way and let go of everything."""


def say(message: str) -> None:
    """Print a line on stdout; a console that went away must not end the run."""
    try:
        print(message, flush=True)
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  for good


def warn(message: str) -> None:
    """Say on stderr what went wrong beside the run while the run itself goes on."""
    with contextlib.suppress(OSError, ValueError):  # a closed stderr must not end the run either
        print(f"snnjax: {message}", file=sys.stderr, flush=True)
