"""Programs that are killed and started again, and what is left of them in the end."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

import snnjax
from snnjax.checkpoint import load_states
from snnjax.checkpoint.shelf import list_checkpoints
from snnjax.checkpoint.store import TEMPORARY
from snnjax.file_names import CHECKPOINTS_FOLDER

ROOT = Path(snnjax.__file__).parent.parent
# The program, saving as often as it can, and saying where each of its runs begins; on request it
# is killed inside the write of a checkpoint: within as long as the write before that one took.
PROGRAM = """
import os, random, signal, sys, threading, time
from snnjax import app
from snnjax.checkpoint import keeper
from snnjax.sinks.jsonl import MetricsFile
keeper._PARTS, write, begin = 0.0, keeper.write, MetricsFile.__init__
seed, saves, took = int(os.environ["KILL_SEED"]), int(os.environ["KILL_SAVES"]), 0.0

def kill_while_writing(*arguments):
    global saves, took
    saves -= 1
    if saves == 0:
        wait = random.Random(seed).uniform(0, took)
        threading.Timer(wait, os.kill, (os.getpid(), signal.SIGKILL)).start()
    began = time.perf_counter()
    size = write(*arguments)
    took = time.perf_counter() - began
    return size

def tell(self, run):
    begin(self, run)
    line = f"begins {run.start_epoch} {os.path.abspath(run.folder)}{os.linesep}"
    os.write(1, line.encode())  # at once: several threads begin runs

keeper.write, MetricsFile.__init__ = kill_while_writing, tell
sys.exit(app.main())
"""
QUIET = ("logging.wandb.mode=disabled", "logging.progress=none", "checkpoint.final=true")


@dataclass(frozen=True)
class Death:
    """How a start ended, and what it left.

    Attributes:
        code: The exit code.
        began: By run folder the epoch after which it went on.
        kept: By run folder the epoch of its newest checkpoint on disk.
        is_writing: Whether a checkpoint lies there whose write was under way.
    """

    code: int
    began: Mapping[Path, int]
    kept: Mapping[Path, int]
    is_writing: bool


def start(folder: Path, *arguments: str, seed: int = 0, saves: int = -1) -> subprocess.Popen[str]:
    """Start a training that saves all the time; in the write of save `saves` it is killed."""
    env = {
        **os.environ, "PYTHONPATH": str(ROOT), "KILL_SEED": str(seed), "KILL_SAVES": str(saves)
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments, *QUIET, "checkpoint.every=0.02"],
        cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def killed(folder: Path, *arguments: str, seed: int, span: float) -> Death:
    """Start a training, kill it at a moment that the seed draws, and return how that was.

    Two of three are killed at any time within `span` seconds after the first epoch was reported,
    the others inside the write of a checkpoint.
    """
    draw = random.Random(seed)
    inside = draw.random() < 1 / 3
    process = start(folder, *arguments, seed=seed, saves=draw.randint(3, 4) if inside else -1)
    wait_for_an_epoch(folder, process)
    if not inside:
        time.sleep(draw.uniform(0, span))
        process.kill()
    out, complaint = process.communicate(timeout=120)
    assert process.returncode in {0, -signal.SIGKILL}, complaint
    return Death(process.returncode, beginnings(out), newest(folder), is_writing(folder))


def wait_for_an_epoch(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a start adds to the metrics, which it may first cut back to its checkpoint."""
    least = total_lines(folder)
    while process.poll() is None and (now := total_lines(folder)) <= least:
        least = now
        time.sleep(0.005)


def beginnings(out: str) -> dict[Path, int]:
    """Return by run folder the epoch after which a program said that it goes on."""
    told = [line.split(maxsplit=2) for line in out.splitlines() if line.startswith("begins ")]
    return {Path(folder): int(epoch) for _, epoch, folder in told}


def newest(folder: Path) -> dict[Path, int]:
    """Return by run folder the epoch of the newest whole checkpoint that the run is in."""
    epochs: dict[Path, int] = {}
    for shelf in folder.rglob(CHECKPOINTS_FOLDER):
        for checkpoint in reversed(list_checkpoints(shelf)):
            for member in checkpoint.members:
                run = Path(os.path.abspath(shelf.parent / member["folder"]))
                epochs[run] = int(member["epoch"])
    return epochs


def is_writing(folder: Path) -> bool:
    """Tell whether a killed program was writing a checkpoint.

    What it was removing has the same kind of name, but whole checkpoints of its own after it.
    """
    for path in folder.rglob(f"{CHECKPOINTS_FOLDER}/*{TEMPORARY}*"):
        name = path.name.partition(TEMPORARY)[0]
        writer = name.partition("-")[0]
        own = [other.name for other in path.parent.glob(f"{writer}-*")]
        is_last = not any(other > name for other in own if TEMPORARY not in other)
        if is_last and (path.parent / f"{writer}.lock").exists():
            return True
    return False


def finished(folder: Path, *arguments: str) -> dict[Path, int]:
    """Start a training, let it end, and return by run folder the epoch after which it went on."""
    process = start(folder, *arguments)
    out, complaint = process.communicate(timeout=300)
    assert process.returncode == 0, complaint
    return beginnings(out)


def total_lines(folder: Path) -> int:
    """Count the lines of all metrics below a folder."""
    paths = folder.rglob("metrics.jsonl")
    return sum(path.read_bytes().count(b"\n") for path in paths)


def check_equal(one: Path, other: Path) -> None:
    """Compare two run folders to the last bit: metrics, last network, best network, optimizer."""
    assert (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
    states = load_states(one), load_states(other)
    leaves = [jax.tree.leaves(state) for state in states]
    assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*leaves, strict=True))
    assert len(leaves[0]) > 10
