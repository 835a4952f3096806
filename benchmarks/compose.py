"""How long a sweep takes until it can be trained: composed, checked, every run with its folder.

    python benchmarks/compose.py --out benchmarks/results/compose.json

Each measurement is a command line of its own, from the start of Python to the moment at which
the sweep would be planned and compiled. Beside the wall time stands the process's CPU time, so
that a busy neighbour does not decide.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe, spread

JOBS = (1_000, 10_000)
AXES = {
    "seeds": ["seed=range({jobs})"],
    "groups and values": [
        "experiment=uci",
        "data.name=wine,iris,letter,abalone",
        "model=snn,msra",
        "model.depth=2,8",
        "optimizer.learning_rate=0.01,0.1",
        "seed=range({seeds})",
    ],
}
_SETTINGS = 32  # of the second kind of sweep, each with so many seeds

# Runs the program up to the place where training would begin, then says how long that took.
_CHILD = """
import json, sys, time
wall = time.perf_counter()
import snnjax.app, snnjax.sweep

def stop(runs, folder, means):
    print(json.dumps([len(runs), time.perf_counter() - wall, time.process_time()]))
    sys.stdout.flush()
    sys.exit(0)

snnjax.sweep.run_sweep = stop
snnjax.app.main()
"""


def measure(overrides: list[str], jobs: int) -> tuple[float, float]:
    """Return wall and CPU seconds of one command line.

    Raises:
        SystemExit: It did not come to `jobs` runs.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-c",
            _CHILD,
            "-m",
            *overrides,
            f"hydra.sweep.dir={folder}/sweep",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not done.stdout:
            raise SystemExit(done.stderr)
        runs, wall, cpu = json.loads(done.stdout.splitlines()[-1])
        folders = sum(1 for _ in Path(folder, "sweep").glob("*/.hydra/config.yaml"))
    if not jobs == runs == folders:
        raise SystemExit(f"{jobs} jobs, but {runs} runs and {folders} folders")
    return wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the results to this file")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    results = []
    for jobs in JOBS:
        for name, axes in AXES.items():
            seeds = jobs // _SETTINGS
            count = jobs if name == "seeds" else seeds * _SETTINGS
            overrides = [axis.format(jobs=jobs, seeds=seeds) for axis in axes]
            times = [measure(overrides, count) for _ in range(arguments.repeats)]
            wall, cpu = (spread(column) for column in zip(*times, strict=True))
            results.append({"sweep": name, "jobs": count, "wall_seconds": wall, "cpu_seconds": cpu})
            print(results[-1], flush=True)
    text = json.dumps({"machine": describe(), "results": results}, indent=2)
    if arguments.out is None:
        print(text)
    else:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
