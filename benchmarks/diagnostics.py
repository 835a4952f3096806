"""What looking inside networks costs: the time of training with diagnostics over that without.

    python benchmarks/diagnostics.py --out benchmarks/results/diagnostics.json

The same trainings in turns, compiled before, on one thread of the machine; CPU time of the whole
process, because neighbours disturb it least. `auto` is the interval that a run chooses by itself.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from machine import describe, spread

from snnjax import population
from snnjax.arrays import lay_out
from snnjax.config.schema import Config, DiagnosticsConfig
from snnjax.config.split import split
from snnjax.config.strict import from_hydra
from snnjax.data.load import load
from snnjax.diagnostics.observer import Look, Watch

DEFAULT = ("activations", "gradients", "weights", "units", "theory")
CASES = {
    "letter, depth 8, width 256": {
        "data": {"name": "letter"}, "model": {"depth": 8, "width": 256}, "training": {"epochs": 24},
    },
    "letter, depth 8, width 32": {
        "data": {"name": "letter"}, "model": {"depth": 8, "width": 32}, "training": {"epochs": 100},
    },
    "letter, depth 20, width 100": {
        "data": {"name": "letter"}, "model": {"depth": 20, "width": 100},
        "training": {"epochs": 40},
    },
    "mnist, depth 8, width 256": {
        "data": {"name": "mnist"}, "model": {"depth": 8, "width": 256}, "training": {"epochs": 4},
    },
    "wine, depth 8, width 32": {
        "data": {"name": "wine"}, "model": {"depth": 8, "width": 32},
        "training": {"epochs": 400, "batch_size": 32},
    },
}  # fmt: skip
CHOICES = {
    "default": DiagnosticsConfig(measures=DEFAULT),
    "activations": DiagnosticsConfig(measures=("activations", "units")),
    "all": DiagnosticsConfig(measures=(*DEFAULT, "jacobians", "drift", "noise")),
}


def train(config: Config, watched: DiagnosticsConfig | None) -> tuple[float, int]:
    """Train a configuration and return the CPU seconds and the number of looks."""
    program, member = split(config)
    layout = LAYOUTS.setdefault(config.data, lay_out(load(config.data)))
    looks: list[Look] = []
    watch = None if watched is None else Watch(watched, looks.append)
    began = time.process_time()
    population.train(program, [member], layout, watch=watch)
    return time.process_time() - began, len(looks)


LAYOUTS: dict = {}


def measure(name: str, turns: int) -> dict:
    """Compare the choices with no diagnostics, turn by turn."""
    config = from_hydra(CASES[name])
    contestants = {"none": None, **CHOICES}
    for watched in contestants.values():  # compile
        train(config, watched)
    seconds: dict[str, list[float]] = {who: [] for who in contestants}
    looks = {}
    for _ in range(turns):
        for who, watched in contestants.items():
            took, looks[who] = train(config, watched)
            seconds[who].append(took)
    shares = {
        who: spread(
            [100 * (own / base - 1) for own, base in zip(took, seconds["none"], strict=True)]
        )
        for who, took in seconds.items()
        if who != "none"
    }
    return {
        "epochs": config.training.epochs,
        "cpu_seconds_without": round(statistics.median(seconds["none"]), 3),
        "looks": {who: looks[who] for who in CHOICES},
        "cost_percent": shares,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    given = parser.parse_args()
    results = {"machine": describe(), "cases": {}}
    for name in given.cases:
        results["cases"][name] = measure(name, given.turns)
        print(name, json.dumps(results["cases"][name]), flush=True)
        if given.out is not None:
            given.out.write_text(json.dumps(results, indent=2) + "\n")
