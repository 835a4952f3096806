"""Checkpoints: what is killed goes on where it was, and networks outlive their run."""

from snnjax.checkpoint.final import load_problem, load_states
from snnjax.checkpoint.resume import Kept, refusals
from snnjax.checkpoint.runs import KeptRun, find_runs, keep_final, open_keeper
from snnjax.checkpoint.shelf import shelf_of, tidy

__all__ = [
    "Kept",
    "KeptRun",
    "find_runs",
    "keep_final",
    "load_problem",
    "load_states",
    "open_keeper",
    "refusals",
    "shelf_of",
    "tidy",
]
