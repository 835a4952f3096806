"""Those that run a sweep: snnjax and the forms of PyTorch, each as a command of its own."""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cases import COLD, DROPOUT, WARM, Case, axes, learning_rates, load_rows, save_rows
from machine import as_users_have_it, core_count
from torch_sweep import Specification

ROOT = Path(__file__).resolve().parents[1]
ALONE = "one by one"
FORMS = ("processes", "eager", "eager_dataloader", "compile", "vmap")
_TRAIN = (sys.executable, "-m", "snnjax.train", "-m")

Measured = dict[str, Any]
Contestant = Callable[[Path], Measured]
"""Runs a sweep, given a folder for what may outlive it; returns seconds and what else is known."""


class CommandError(Exception):
    """A command of a contestant failed, or did not train what it should have."""


def network_overrides(case: Case) -> list[str]:
    """Return what the command line says of the network and its training."""
    return [
        "data=uci",
        "model=snn",
        f"model.depth={case.depth}",
        f"model.width={case.width}",
        f"model.dropout={DROPOUT}",
        "optimizer=sgd",
        f"training.epochs={case.epochs}",
        f"training.batch_size={case.batch_size}",
    ]


def sweep_overrides(case: Case) -> list[str]:
    """Return the command line of the case's sweep."""
    rates, seeds = axes(case.trials)
    return [
        *network_overrides(case),
        f"data.name={case.data}",
        f"optimizer.learning_rate={','.join(map(str, learning_rates(rates)))}",
        f"seed={','.join(map(str, range(seeds)))}",
    ]


def snnjax(
    overrides: Sequence[str], runs: int, start: str, device: str = "cpu", cache: str = "cache"
) -> Contestant:
    """Train a multirun with the compilation cache empty (`cold`) or filled (`warm`).

    A warm start without a cache is preceded by a cold one, which is not counted.

    Args:
        overrides: The command line.
        runs: How many runs it makes.
        start: `cold` or `warm`.
        device: `cpu` or `gpu`.
        cache: Name of the cache; a warm start profits from a cold one of the same name.
    """

    def run(kept: Path) -> Measured:
        folder = kept / cache
        if start == COLD:
            shutil.rmtree(folder, ignore_errors=True)
        elif not folder.exists():
            snnjax(overrides, runs, COLD, device, cache)(kept)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environment = {
            "JAX_COMPILATION_CACHE_DIR": str(folder),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        } | ({"JAX_PLATFORMS": "cpu"} if device == "cpu" else {})
        with tempfile.TemporaryDirectory() as scratch:
            sweep = Path(scratch) / "sweep"
            command = [*_TRAIN, *overrides, "logging=quiet", f"hydra.sweep.dir={sweep}"]
            seconds = seconds_of(command, environment, scratch)
            return {"seconds": seconds, **read_sweep(sweep, runs, device)}

    return run


def torch_form(case: Case, form: str) -> Contestant:
    """Train the case's sweep in a form of `torch_sweep`."""

    def run(kept: Path) -> Measured:
        rows = load_rows(case)
        rates, seeds = axes(case.trials)
        with tempfile.TemporaryDirectory() as folder:
            specification = Specification(
                form=form,
                rows=str(save_rows(rows, Path(folder) / "rows.npz")),
                outputs=rows["outputs"],
                depth=case.depth,
                width=case.width,
                dropout=DROPOUT,
                epochs=case.epochs,
                batch_size=case.batch_size,
                seeds=[seed for _ in range(rates) for seed in range(seeds)],
                learning_rates=[rate for rate in learning_rates(rates) for _ in range(seeds)],
                report=str(Path(folder) / "report.json"),
                threads=core_count(),
            )
            path = Path(folder) / "specification.json"
            path.write_text(json.dumps(asdict(specification)))
            program = str(Path(__file__).with_name("torch_sweep.py"))
            # As cold as ours: kernels of torch.compile are built within the measured time.
            environment = {"TORCHINDUCTOR_CACHE_DIR": str(Path(folder) / "inductor")}
            seconds = seconds_of([sys.executable, program, str(path)], environment, folder)
            report = json.loads(Path(specification.report).read_text())
        if (trained := len(report["curves"])) != case.trials:
            raise CommandError(f"{form} trained {trained} of {case.trials} trials")
        best = [min(curve) for curve in report["curves"]]  # by loss, as snnjax chooses its epoch
        return {
            "seconds": seconds,
            "training_seconds": round(report["training_seconds"], 3),
            "accuracy": round(statistics.median(accuracy for _, accuracy in best), 4),
        }

    return run


def seconds_of(command: Sequence[str], environment: Mapping[str, str], folder: str) -> float:
    """Run a command and return its wall time; what it started ends with it.

    Raises:
        CommandError: It failed; with the end of what it said.
    """
    output = Path(folder) / "output.txt"
    with output.open("w") as file:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=as_users_have_it(os.environ) | environment,
            start_new_session=True,
        )
        try:
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        seconds = time.perf_counter() - began
    if code:
        said = output.read_text()[-2000:]
        raise CommandError(f"exit code {code}: {' '.join(command)}\n{said}")
    return round(seconds, 3)


def read_sweep(sweep: Path, runs: int, device: str) -> Measured:
    """Read from the folder of a sweep what was trained and how.

    Raises:
        CommandError: Some of its runs are not done.
    """
    results = [json.loads(path.read_text()) for path in sweep.glob("*/result.json")]
    done = [result for result in results if result["status"] == "done"]
    if len(done) != runs:
        raise CommandError(f"{sweep}: {len(done)} of {runs} runs done")
    summary = _read_json(sweep / "sweep.json")
    accuracies = [(one["metrics"].get("validation") or {}).get("accuracy") for one in done]
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    return {
        "training_seconds": _training_seconds(done, device),
        "accuracy": round(statistics.median(known), 4) if known else None,
        "compilations": summary.get("compilations"),
        "strategy": _strategies(done),
    }


def _training_seconds(results: Sequence[Mapping[str, Any]], device: str) -> float:
    """Estimate the wall time spent training: each run tells its share of a worker's time."""
    workers = core_count() if device == "cpu" else 1
    return round(sum(result["training_seconds"] for result in results) / workers, 3)


def _strategies(results: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the distinct strategies that the results tell of, without their times."""
    texts = {
        json.dumps(
            {key: value for key, value in result["strategy"].items() if "seconds" not in key}
        )
        for result in results
    }
    return [json.loads(text) for text in sorted(texts)]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return content


def contestants_of(case: Case, peers: Sequence[str], device: str) -> dict[str, Contestant]:
    """Return all that take part in a case, in the order of their turns.

    On an accelerator the peer is snnjax itself, training one run after another.
    """
    overrides = sweep_overrides(case)
    ours = {start: snnjax(overrides, case.trials, start, device) for start in (COLD, WARM)}
    if device != "cpu":
        alone = [*overrides, "hydra/launcher=basic"]
        return ours | {ALONE: snnjax(alone, case.trials, WARM, device, "alone")}
    return ours | {form: torch_form(case, form) for form in peers}
