"""What logging a sweep of 500 runs to wandb costs, offline: a run per job, or one per population.

    python benchmarks/wandb_runs.py --out benchmarks/results/wandb_runs.json

Whole commands with programs from disk: the sweep without wandb, with a wandb run per job, and with
one per population, in turns. The network is small, so that the difference is what wandb takes.
"""

import argparse
import json
import tempfile
from pathlib import Path

from cases import WARM
from contestants import snnjax
from machine import core_count, cpu_name, spread, versions

RUNS = 500
SWEEP = [
    *("data.name=sklearn_wine", "model.depth=2", "model.width=16", f"seed=range({RUNS})"),
    "training.epochs=20",
]
LOGGING = {
    "disabled": ["logging.wandb.mode=disabled"],
    "per job": ["logging.wandb.mode=offline", "logging.wandb.per=job"],
    "per population": ["logging.wandb.mode=offline", "logging.wandb.per=population"],
}
WANTED_SECONDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    machine = {"cpu": cpu_name(), "cores": core_count(), **versions()}
    print(json.dumps(machine))
    seconds: dict[str, list[float]] = {name: [] for name in LOGGING}
    with tempfile.TemporaryDirectory() as kept:
        for turn in range(arguments.turns):
            for name, overrides in LOGGING.items():
                measured = snnjax([*SWEEP, *overrides], RUNS, WARM)(Path(kept))
                seconds[name].append(measured["seconds"])
                print(f"turn {turn + 1}  {name}: {measured['seconds']:.1f} s", flush=True)
    without = seconds.pop("disabled")
    cost = {
        name: spread([one - other for one, other in zip(taken, without, strict=True)])
        for name, taken in seconds.items()
    }
    report = {
        "machine": machine,
        "runs": RUNS,
        "seconds_without": spread(without),
        "seconds_more": cost,
        "wanted_seconds": WANTED_SECONDS,
    }
    for name, more in cost.items():
        print(f"{name}: {more['median']:.1f} s more ({more['min']:.1f} to {more['max']:.1f})")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
