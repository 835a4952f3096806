"""How long the program takes to its help page and to the first step of a small sweep.

    python benchmarks/start_up.py --out benchmarks/results/start_up.json

Cold is the first start with an empty cache folder, warm the same command again: there the
programs come from disk. The first step is taken as soon as every program is ready, so what counts
is the time from the start of Python to there. Starts alternate, cold and warm.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe, spread

SWEEP = [
    *("data.name=sklearn_wine", "model.depth=8", "model.width=32", "seed=0,1"),
    "logging=quiet",
]

# Trains the sweep and notes when its first population begins to compute.
_CHILD = """
import json, sys, time
wall = time.perf_counter()
import snnjax.sweep
marks = []
prepare = snnjax.sweep._prepare

def prepare_and_watch(runs):
    prepare(runs)
    from snnjax import population
    original = population._run

    def run(*arguments):
        marks.append((time.perf_counter() - wall, time.process_time()))
        return original(*arguments)

    population._run = run

snnjax.sweep._prepare = prepare_and_watch
from snnjax.app import main
code = main()
print(json.dumps(marks[0]))
sys.exit(code)
"""


def help_page() -> dict[str, float]:
    """Time `--help`."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "snnjax.train", "--help"]
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_seconds": time.perf_counter() - began, "cpu_seconds": used}


def start(environment: dict[str, str], folder: Path) -> dict[str, float]:
    """Start the sweep once; return seconds to its first step and those spent compiling.

    Raises:
        SystemExit: It did not end well.
    """
    command = [sys.executable, "-c", _CHILD, "-m", *SWEEP, f"hydra.sweep.dir={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    wall, cpu = json.loads(done.stdout.splitlines()[-1])
    runs = (json.loads(path.read_text()) for path in folder.glob("*/result.json"))
    compiling = max(run["compile_seconds"] for run in runs)
    return {"wall_seconds": wall, "cpu_seconds": cpu, "compile_seconds": compiling}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the results to this file")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    kinds: dict[str, list[dict[str, float]]] = {"help": [], "cold": [], "warm": []}
    help_page()  # Python compiles what it imports once after an installation
    for _ in range(arguments.repeats):
        kinds["help"].append(help_page())
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "SNNJAX_CACHE": str(Path(folder, "cache"))}
            for kind in ("cold", "warm"):
                kinds[kind].append(start(environment, Path(folder, kind)))
                print(kind, kinds[kind][-1], flush=True)
    results = {
        kind: {name: spread([one[name] for one in times]) for name in times[0]}
        for kind, times in kinds.items()
    }
    pairs = zip(kinds["warm"], kinds["cold"], strict=True)
    ratios = [warm["compile_seconds"] / cold["compile_seconds"] for warm, cold in pairs]
    results["compile_warm_to_cold"] = spread(ratios)
    text = json.dumps({"machine": describe(), "sweep": SWEEP, "results": results}, indent=2)
    print(json.dumps(results, indent=2))
    if arguments.out is not None:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
