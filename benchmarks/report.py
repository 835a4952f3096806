"""How long `python -m snnjax.report` takes for many runs: without a table of runs, and with one.

    python benchmarks/report.py --runs 10000 --out benchmarks/results/report.json

Run folders are made up, as large as real ones of the UCI study: seven networks on the 121 data sets
with the printed accuracies and noise, 100 epochs each. Each start is a process of its own; what
it took of processors is told beside the time on the clock, which others on the machine lengthen.
"""

import argparse
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from snnjax import printed
from snnjax.config.schema import Config
from snnjax.config.split import to_dict
from snnjax.file_names import CONFIG_FILE, METRICS_FILE, RESULT_FILE

DEPTHS, RATES, SEEDS = (2, 4, 8, 16), (0.01, 0.1, 1.0), range(100)
EPOCHS, SMOOTHING = 100, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to make run folders, and leave them")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        make(folder / "sweep", given.runs)
        times = measure(folder / "sweep", folder / "report", given.repeats)
    text = json.dumps({"runs": given.runs, **times, "machine": machine()}, indent=2) + "\n"
    print(text, end="")
    if given.out:
        given.out.write_text(text)


def measure(sweep: Path, out: Path, repeats: int) -> dict[str, Any]:
    """Time starts in turns: none of the table there, all of it, and all but one run of it."""
    command = [sys.executable, "-m", "snnjax.report", str(sweep), "--out", str(out)]
    names = ("without_table", "with_table", "one_run_changed")
    seconds: dict[str, list[float]] = {name: [] for name in names}
    processor: dict[str, list[float]] = {name: [] for name in names}
    one = next(path for path in sweep.iterdir() if path.is_dir()) / RESULT_FILE
    for _ in range(repeats):
        (sweep / "runs.parquet").unlink(missing_ok=True)
        for name in names:
            if name == "one_run_changed":
                os.utime(one)
            before, began = _processor_seconds(), time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(round(time.perf_counter() - began, 2))
            processor[name].append(round(_processor_seconds() - before, 2))
    return {
        "seconds": {name: statistics.median(taken) for name, taken in seconds.items()},
        "processor_seconds": {name: statistics.median(own) for name, own in processor.items()},
        "all_seconds": seconds,
        "all_processor_seconds": processor,
        "load": os.getloadavg()[0],
        "page_bytes": (out / "report.html").stat().st_size,
        "table_bytes": (sweep / "runs.parquet").stat().st_size,
    }


def _processor_seconds() -> float:
    """Return what processes that have ended took of processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make(sweep: Path, count: int) -> None:
    """Make so many run folders of the UCI study, unless they are there."""
    sweep.mkdir(parents=True, exist_ok=True)
    (sweep / "multirun.yaml").write_text("{}\n")
    base = to_dict(Config())
    generator = np.random.default_rng(0)
    for number, run in enumerate(itertools.islice(_runs(), count)):
        folder = sweep / str(number)
        if not (folder / RESULT_FILE).exists():
            folder.mkdir(exist_ok=True)
            _write(folder, base, *run, generator)


def _runs() -> Iterator[tuple[Any, ...]]:
    accuracies, rows = printed.uci_accuracies(), printed.uci_test_rows()
    for seed in SEEDS:
        for name, method in itertools.product(accuracies.index, accuracies.columns):
            value = accuracies.at[name, method]
            for depth, rate in itertools.product(DEPTHS, RATES):
                yield seed, name, method, depth, rate, value, int(rows.get(name, 100))


def _write(
    folder: Path, base: dict[str, Any], seed: int, name: str, method: str, depth: int, rate: float,
    accuracy: float, rows: int, generator: np.random.Generator,
) -> None:  # fmt: skip
    config = base | {
        "seed": seed,
        "data": base["data"] | {"name": name},
        "model": base["model"] | {"name": method, "depth": depth},
        "optimizer": base["optimizer"] | {"learning_rate": rate},
        "training": base["training"]
        | {"epochs": EPOCHS, "smoothing": SMOOTHING, "monitor": "accuracy"},
        "sweep": base["sweep"] | {"study": "uci"},
    }
    chance = np.clip(np.nan_to_num(accuracy, nan=0.5), 0.02, 0.98) - 0.02 * (depth == 16)
    curve = generator.binomial(rows, chance, EPOCHS) / rows
    test = generator.binomial(rows, chance) / rows
    best = int(curve.argmax()) + 1
    lines = [
        json.dumps({"epoch": e + 1, "step": 4 * e, "split": split, "accuracy": v, "loss": 1 - v})
        for e, v in enumerate(curve.tolist())
        for split in ("train", "validation")
    ]
    status = "diverged" if rate == 1.0 and generator.random() < 0.3 else "done"
    metrics = {
        split: {"loss": 1 - value, "accuracy": value, "macro_f1": value, "roc_auc": value}
        for split, value in (("train", 1.0), ("validation", float(curve.max())), ("test", test))
    }
    result = {
        "status": status, "fingerprint": f"{seed:016x}", "metrics": metrics, "best_epoch": best,
        "scored_epoch": best, "epochs": EPOCHS, "seconds": 2.5, "training_seconds": 2.0,
        "compile_seconds": 0.1, "strategy": {"map": "map", "population": 84, "chunk_epochs": 64},
        "device": {"platform": "cpu", "kind": "cpu", "devices": 1, "cores": 2},
        "versions": {"snnjax": "0.1.0", "python": "3.11", "jax": "0.10.2", "code": "0" * 12},
        "data": {"name": name, "sha256": "0" * 64, "train_rows": 2 * rows,
                 "validation_rows": rows, "test_rows": rows},
    }  # fmt: skip
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2))
    (folder / METRICS_FILE).write_text("\n".join(lines) + "\n")
    (folder / RESULT_FILE).write_text(json.dumps(result, indent=2))


def machine() -> dict[str, Any]:
    """Describe the machine."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": platform.system(),
    }


if __name__ == "__main__":
    main()
