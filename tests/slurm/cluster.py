"""Sweeps on a cluster: started, watched from outside, disturbed, compared with a local one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import snnjax
from snnjax.status import read_states

ROOT = Path(snnjax.__file__).parent.parent
DATA = ("-m", "data.name=sklearn_digits", "model.depth=2", "model.width=8", "hydra.sweep.dir=out")
SHORT = (*DATA, "model=snn,msra", "seed=0,1", "training.epochs=3")
# Up to twenty seconds of one core for each of two runs.
LONG = (*DATA, "seed=0,1", "training.epochs=6000", "training.batch_size=8")
QUIET = ("logging.wandb.mode=disabled", "logging.progress=plain")
SLURM = ("hydra/launcher=slurm", "hydra.launcher.tasks=2", "hydra.launcher.time=10")
# Without this line, which is not among Slurm's defaults, preempted jobs are sent SIGTERM only.
WARNS = "SlurmctldParameters=preempt_send_user_signal"
PATIENCE = 600  # seconds after which a test gives up waiting


def start(folder: Path, *arguments: str, sweep: Sequence[str] = LONG) -> subprocess.Popen[str]:
    """Start a sweep in a session of its own, so that signals to it reach nothing else."""
    folder.mkdir(exist_ok=True)
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"}
    return subprocess.Popen(
        [sys.executable, "-m", "snnjax.train", *sweep, *QUIET, *arguments],
        cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def finished(folder: Path, *arguments: str, sweep: Sequence[str] = LONG, code: int = 0) -> str:
    """Start a sweep, let it end and return what it said."""
    return ended(start(folder, *arguments, sweep=sweep), code)


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """Let a sweep end and return what it said."""
    try:
        out, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == code, out
    return out


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something."""
    give_up = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(0.2)


def check_equal(one: Path, other: Path) -> None:
    """Compare all runs of two sweeps: metrics to the last bit, and how they ended."""
    names = sorted(path.parent.name for path in one.glob("*/result.json"))
    assert names == sorted(path.parent.name for path in other.glob("*/result.json"))
    assert names
    for name in names:
        metrics = [(folder / name / "metrics.jsonl").read_bytes() for folder in (one, other)]
        assert metrics[0] == metrics[1]
        results = [
            json.loads((folder / name / "result.json").read_bytes()) for folder in (one, other)
        ]
        for key in ("status", "fingerprint", "metrics", "best_epoch", "epochs"):
            assert results[0][key] == results[1][key]


def result(folder: Path) -> dict[str, Any]:
    """Return the result of a run."""
    read: dict[str, Any] = json.loads((folder / "result.json").read_bytes())
    return read


class Cluster:
    """A cluster that is up, and the sweep in a folder that is trained there."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.work, self.sweep = folder, work, work / "out"

    def start(self, *arguments: str, sweep: Sequence[str] = LONG) -> subprocess.Popen[str]:
        """Start the sweep; it is waited for."""
        return start(self.work, *SLURM, *arguments, sweep=sweep)

    def submit(self, *arguments: str, sweep: Sequence[str] = LONG) -> str:
        """Submit the sweep and return what was said."""
        return finished(self.work, *SLURM, "hydra.launcher.detach=true", *arguments, sweep=sweep)

    def states(self) -> Counter[str]:
        """Count the runs by their states."""
        return Counter(read_states(self.sweep).values())

    def epochs(self, run: int) -> int:
        """Return how many lines of metrics a run has reported."""
        path = self.sweep / str(run) / "metrics.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def until_training(self, *runs: int) -> None:
        """Wait until runs have reported some epochs."""
        until(lambda: all(self.epochs(run) > 50 for run in runs), f"runs {runs} train")

    def jobs(self) -> list[tuple[str, str]]:
        """Return the jobs in the queue and their states."""
        lines = self.ask("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return [(line.split()[0], line.split()[1]) for line in lines]

    def tell_to_save(self, job: str) -> None:
        """Send what a batch script asks for before its time is up."""
        self.ask("scancel", "--signal=USR1", job)

    def preempt(self, *_: str) -> None:
        """Submit a short job of the partition that takes the node of all others."""
        self.ask("sbatch", "--partition=high", "--exclusive", "--output=/dev/null",
                 "--wrap=sleep 2")  # fmt: skip

    def until_idle(self) -> None:
        """Wait until no job is in the queue."""
        until(lambda: not self.jobs(), "the queue is empty")

    def job_of(self, run: int) -> str:
        """Return the task that a run was submitted in last."""
        lines = (self.sweep / "slurm" / "submitted.jsonl").read_text().splitlines()
        array = json.loads(lines[-1])
        (job,) = [job for job, names in zip(array["jobs"], array["runs"], strict=True)
                  if str(run) in names]  # fmt: skip
        return str(job)

    def submissions(self) -> list[list[list[str]]]:
        """Return the runs of each task of each array."""
        lines = (self.sweep / "slurm" / "submitted.jsonl").read_text().splitlines()
        return [json.loads(line)["runs"] for line in lines]

    def ask(self, *command: str) -> str:
        """Run a command of Slurm and return what it prints."""
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def log(self, job: str) -> str:
        """Return what a task has printed in all its starts."""
        paths = sorted((self.sweep / "slurm").glob(f"{job}_*_log.*"))
        return "".join(path.read_text() for path in paths)

    def resumed_epoch(self, run: int) -> int | None:
        """Return after which epoch a run went on, None if it was trained at a stretch."""
        epoch: int | None = result(self.sweep / str(run)).get("checkpoint", {}).get("resumed_epoch")
        return epoch

    def restart_controller(self) -> None:
        """End slurmctld and start it again from its saved state."""
        pid = int((self.folder / "slurmctld.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        until(lambda: not Path(f"/proc/{pid}").exists(), "slurmctld ends")
        subprocess.run(["slurmctld"], check=True)
