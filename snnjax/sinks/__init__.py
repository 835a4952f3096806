"""Where a run reports to: `metrics.jsonl`, the console, Weights & Biases."""

from snnjax.sinks.base import DIAGNOSTICS, Evaluation, RunInfo, Sink, say
from snnjax.sinks.composite import Sinks, open_sinks
from snnjax.sinks.jsonl import read_evaluations

__all__ = [
    "DIAGNOSTICS",
    "Evaluation",
    "RunInfo",
    "Sink",
    "Sinks",
    "open_sinks",
    "read_evaluations",
    "say",
]
