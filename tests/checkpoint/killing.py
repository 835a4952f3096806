"""Programs that are killed and started again, and what is left of them in the end."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np

import snnjax
from snnjax.checkpoint import load_states

ROOT = Path(snnjax.__file__).parent.parent
# The program, saving as often as it can; on request it is killed inside the write of a checkpoint.
PROGRAM = """
import os, random, signal, sys, threading
from snnjax import app
from snnjax.checkpoint import keeper
keeper._PARTS, write = 0.0, keeper.write
seed, saves = int(os.environ["KILL_SEED"]), int(os.environ["KILL_SAVES"])
wait = random.Random(seed).uniform(0, 0.1)

def kill_while_writing(*arguments):
    global saves
    saves -= 1
    if saves == 0:
        threading.Timer(wait, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return write(*arguments)

keeper.write = kill_while_writing
sys.exit(app.main())
"""
QUIET = ("logging.wandb.mode=disabled", "logging.progress=none", "checkpoint.final=true")


def start(folder: Path, *arguments: str, seed: int = 0, saves: int = -1) -> subprocess.Popen[str]:
    """Start a training that saves all the time; in the write of save `saves` it is killed."""
    env = {
        **os.environ, "PYTHONPATH": str(ROOT), "KILL_SEED": str(seed), "KILL_SAVES": str(saves)
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments, *QUIET, "checkpoint.every=0.02"],
        cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def killed(folder: Path, *arguments: str, seed: int, span: float) -> str:
    """Start a training, kill it at a moment that the seed draws, and return what it said.

    Two of three are killed at any time within `span` seconds after the first epoch was reported,
    the others inside the write of a checkpoint.
    """
    draw = random.Random(seed)
    inside = draw.random() < 1 / 3
    process = start(folder, *arguments, seed=seed, saves=draw.randint(2, 5) if inside else -1)
    before = total_lines(folder)
    while process.poll() is None and total_lines(folder) == before:
        time.sleep(0.005)
    if not inside:
        time.sleep(draw.uniform(0, span))
        process.kill()
    out, complaint = process.communicate(timeout=120)
    return out + complaint


def finished(folder: Path, *arguments: str) -> str:
    """Start a training, let it end, and return what it complained of."""
    process = start(folder, *arguments)
    _, complaint = process.communicate(timeout=300)
    assert process.returncode == 0, complaint
    return complaint


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
