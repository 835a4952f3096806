"""Measures what runs take beside their training: composing, folders, records, the disk."""

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from snnjax.config.overrides import check_overrides
from snnjax.plan.groups import group
from snnjax.plan.jobs import read_jobs
from snnjax.plan.rates import Rates
from snnjax.plan.work import total, work_of

# Sweeps of so many runs and epochs, of the smallest network on the smallest data.
_FEW, _MANY, _SHORT, _LONG = 32, 96, 2, 50
_SWEEP = (
    *("data.name=sklearn_wine", "model.depth=1", "model.width=8", "training.batch_size=256"),
    "logging.progress=none",
)
_BLOCK = 4096
_MEANS = ("hydra.launcher.workers=1", "hydra.launcher.members=8")

# The program; it writes down the CPU seconds of its process when the first run is trained.
_CHILD = """
import sys, time
import snnjax.app, snnjax.sweep
train, told = snnjax.sweep.run_sweep, sys.argv.pop(1)

def timed(*arguments):
    with open(told, "w") as file:
        file.write(str(time.process_time()))
    return train(*arguments)

snnjax.sweep.run_sweep = timed
snnjax.app.main()
"""


class _Taken(NamedTuple):
    """CPU seconds until the first run is trained and after that, and bytes on disk."""

    before: float
    after: float
    bytes: int


class FoldersError(RuntimeError):
    """A sweep that was to be measured failed."""


def with_folders(rates: Rates) -> Rates:
    """Return rates with what was measured of runs beside their training, on this machine's CPU.

    Raises:
        FoldersError: A sweep failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        _measure(cache, _FEW, _SHORT)  # compiles
        few = _measure(cache, _FEW, _SHORT)
        many = _measure(cache, _MANY, _SHORT)
        long = _measure(cache, _MANY, _LONG)
    trained = {epochs: _training_seconds(rates, epochs) for epochs in (_SHORT, _LONG)}
    runs, epochs = _MANY - _FEW, _MANY * (_LONG - _SHORT)
    report = (long.after - many.after) / epochs
    report -= (trained[_LONG] - trained[_SHORT]) / (_LONG - _SHORT)
    report = max(report, 0.0)
    run = max((many.after - few.after) / runs - trained[_SHORT] - _SHORT * report, 0.0)
    compose = max((many.before - few.before) / runs, 0.0)
    report_bytes = (long.bytes - many.bytes) / epochs
    begin = few.before - _FEW * compose + few.after
    begin -= _FEW * (run + trained[_SHORT] + _SHORT * report)
    return replace(
        rates,
        run=run,
        report=report,
        compose=compose,
        start=max(begin, 0.0),
        run_bytes=(many.bytes - few.bytes) / runs - _SHORT * report_bytes,
        report_bytes=report_bytes,
    )


def _overrides(runs: int, epochs: int) -> list[str]:
    return [*_SWEEP, f"training.epochs={epochs}", f"seed=range({runs})"]


def _training_seconds(rates: Rates, epochs: int) -> float:
    """Return what the networks of one run take by themselves."""
    (own,), _ = group(read_jobs(check_overrides(_overrides(1, epochs)), True).kinds)
    (entry,) = own.entries
    return rates.training(total([(work_of(own.kind.program, own.problem, entry.data, epochs), 1)]))


def _measure(cache: Path, runs: int, epochs: int) -> _Taken:
    sweep, told = cache.with_name(f"sweep-{runs}-{epochs}"), cache.with_name("seconds.json")
    environment = {**os.environ, "SNNJAX_CACHE": str(cache), "JAX_PLATFORMS": "cpu"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-c", _CHILD, str(told), "-m", *_overrides(runs, epochs), *_MEANS]
    command += [f"hydra.sweep.dir={sweep}", "sweep.mix_versions=true"]
    began = _children_seconds()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    end = _children_seconds() - began  # that of wandb, which it starts, included
    try:
        before = float(told.read_text())
    except (OSError, ValueError) as error:
        said = done.stderr.strip().splitlines() or ["nothing was said"]
        raise FoldersError(f"a sweep of {runs} runs failed: {said[-1]}") from error
    size = sum(map(_bytes, sweep.rglob("*")))
    # Each sweep is to be trained anew.
    sweep.rename(sweep.with_name(f"{sweep.name}-{told.stat().st_mtime_ns}"))
    told.unlink()
    return _Taken(before, end - before, size)


def _children_seconds() -> float:
    """Return the CPU seconds of all processes that have ended below this one."""
    times = os.times()
    return times.children_user + times.children_system


def _bytes(path: Path) -> int:
    """Return the whole blocks of a file or a folder, as most disks have them."""
    if path.is_symlink():
        return 0
    return _BLOCK * max(1, -(-path.stat().st_size // _BLOCK))
