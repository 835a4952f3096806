"""How far the planner is off: what it says of small sweeps, beside what they take.

    python benchmarks/planner.py --out benchmarks/results/planner.json

Each sweep is a command line of its own, trained twice: with an empty cache of programs, and again
with other seeds, so that nothing is to be compiled. What counts is the CPU time of its processes,
so that a busy neighbour decides little. The machine is calibrated before, unless --calibration
names a file.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe, spread

from snnjax.config.overrides import check_overrides
from snnjax.plan.calibrate import calibrate
from snnjax.plan.describe import facts
from snnjax.plan.estimate import Estimate, Place
from snnjax.plan.groups import group
from snnjax.plan.jobs import read_jobs
from snnjax.plan.rates import Rates, read

UCI = ("experiment=uci", "logging.progress=none")
SWEEPS = {
    "wine, depth 8, width 32": (
        *("data.name=wine", "model.depth=8", "model.width=32", "training.epochs=100"),
        "optimizer.learning_rate=0.01,0.1",
    ),
    "abalone, depth 8, width 256": (
        *("data.name=abalone", "model.depth=8", "model.width=256", "training.epochs=10"),
        "optimizer.learning_rate=0.01,0.1",
    ),
    "three networks on three sets, depth 4, width 64": (
        *("data.name=wine,abalone,letter", "model=snn,highway,batchnorm", "model.depth=4"),
        *("model.width=64", "training.epochs=10"),
    ),
}
SEEDS = 8


def cpu_seconds(overrides: list[str], folder: Path, cache: Path) -> float:
    """Return the CPU seconds of one sweep and of what it started.

    Raises:
        SystemExit: It failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "SNNJAX_CACHE": str(cache), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "snnjax.train", "-m", *overrides, f"hydra.sweep.dir={folder}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(overrides: tuple[str, ...], turns: int) -> dict:
    """Train a sweep in turns, cold and warm."""
    cold, warm, accounts = [], [], []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as folder:
            for number, found in enumerate((cold, warm)):
                sweep = Path(folder, str(number))
                own = [*UCI, *overrides, f"seed=range({SEEDS * number},{SEEDS * (number + 1)})"]
                found.append(cpu_seconds(own, sweep, Path(folder, "cache")))
                accounts.append(json.loads((sweep / "sweep.json").read_bytes()))
    return {
        "cold": spread(cold),
        "warm": spread(warm),
        "compiling": spread([a - b for a, b in zip(cold, warm, strict=True)]),
        "runs": accounts[0]["runs"],
        "populations": accounts[0]["populations"],
        "compilations": accounts[0]["compilations"],
    }


def estimate(overrides: tuple[str, ...], rates: Rates) -> dict:
    """Return what the planner says of a sweep."""
    own = check_overrides([*UCI, *overrides, f"seed=range({SEEDS})"])
    jobs = read_jobs(own, multirun=True)
    batches = [group(batch)[0] for batch in jobs.batches()]
    cores = len(os.sched_getaffinity(0))
    return facts(Estimate(jobs, batches, rates, Place(cores=cores)))


def compare(measured: dict, said: dict) -> dict:
    """Return by how much the estimate is off: 0.1 where it says a tenth too much."""
    seconds = said["seconds"]
    warm = seconds["start"] + seconds["training"]
    pairs = {"cold": warm + seconds["compiling"], "warm": warm, "compiling": seconds["compiling"]}
    return {
        name: {"said": round(own, 2), "error": round(own / measured[name]["median"] - 1, 3)}
        for name, own in pairs.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="write the results to this file")
    parser.add_argument("--calibration", type=Path, help="of this machine")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    load = round(os.getloadavg()[0], 2)
    rates = read(arguments.calibration) if arguments.calibration else calibrate(print)
    results = {}
    content = {"machine": describe(), "calibration": vars(rates), "seeds": SEEDS}
    content["load_before_calibration"] = load
    for name, overrides in SWEEPS.items():
        load = round(os.getloadavg()[0], 2)
        measured, said = measure(overrides, arguments.turns), estimate(overrides, rates)
        results[name] = {
            "overrides": overrides,
            "load_before": load,
            "measured_cpu_seconds": measured,
            "estimate": compare(measured, said),
            "counted": {key: said[key] for key in ("runs", "populations", "compilations", "flops")},
        }
        errors = ", ".join(f"{k} {v['error']:+.0%}" for k, v in results[name]["estimate"].items())
        print(f"{name}: {errors}", flush=True)
        arguments.out.write_text(json.dumps({**content, "sweeps": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
