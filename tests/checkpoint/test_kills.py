"""Killed at any moment and started again: the same numbers, to the last bit, and nothing left."""

import signal
import subprocess
import time

import pytest

from snnjax.sinks.jsonl import read_evaluations

from .killing import check_equal, finished, killed, start, total_lines

RUN = (
    *("data.name=sklearn_wine", "model.depth=3", "model.width=16", "schedule=plateau"),
    *("training.batch_size=32", "hydra.run.dir=run"),
)
SWEEP = (
    *("-m", "data.name=sklearn_digits", "model.depth=3", "model.width=16", "schedule=plateau"),
    *("model=snn,batchnorm", "seed=range(4)", "optimizer=sgd,adam", "training.epochs=1500"),
    *("hydra.sweep.dir=run", "hydra.launcher.workers=2", "hydra.launcher.members=3"),
)


def check(tmp_path, arguments, *, kills, span):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    for seed in range(kills):
        killed(tmp_path / "killed", *arguments, seed=seed, span=span)
    finished(tmp_path / "killed", *arguments)
    finished(tmp_path / "whole", *arguments, "checkpoint.every=null")
    folders = [path.parent for path in (tmp_path / "whole").rglob("result.json")]
    for folder in folders:
        check_equal(folder, tmp_path / "killed" / folder.relative_to(tmp_path / "whole"))
    left = [path.name for path in (tmp_path / "killed").rglob("checkpoints/*")]
    assert left == ["final"] * len(folders)
    return len(folders)


def test_a_run_killed_twice(tmp_path):
    assert check(tmp_path, (*RUN, "training.epochs=2000"), kills=2, span=0.3) == 1


@pytest.mark.slow
def test_a_run_killed_twenty_times(tmp_path):
    assert check(tmp_path, (*RUN, "training.epochs=30000"), kills=20, span=1.5) == 1


@pytest.mark.slow
def test_a_sweep_killed_twenty_times(tmp_path):
    assert check(tmp_path, SWEEP, kills=20, span=4.0) == 16


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("-m", "seed=0,1,2")], ids=["run", "sweep"])
@pytest.mark.parametrize(
    ("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGUSR1", 138), ("SIGUSR2", 140)]
)
def test_what_a_signal_ends_goes_on(tmp_path, name, code, arguments):
    """It leaves within the grace, with the signal's code, and loses nothing that it reported."""
    settings = (*arguments, *RUN, "training.epochs=1000000", "hydra.sweep.dir=run")
    settings += ("checkpoint.every=1000", "checkpoint.grace=15")
    process = start(tmp_path, *settings)
    wait_for_lines(tmp_path, process, 1000)
    process.send_signal(getattr(signal, name))
    began = time.monotonic()
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == code
    assert time.monotonic() - began < 20
    assert "Traceback" not in complaint
    reported = {path: read_evaluations(path)[-1].epoch for path in tmp_path.rglob("metrics.jsonl")}
    again = start(tmp_path, *settings)
    wait_for_lines(tmp_path, again, total_lines(tmp_path) + 100)
    again.kill()
    again.communicate()
    for path, epoch in reported.items():
        lines = [line.epoch for line in read_evaluations(path) if line.split == "train"]
        assert lines == [*range(1, lines[-1] + 1)]
        assert lines[-1] >= epoch


def wait_for_lines(folder, process: subprocess.Popen, count: int) -> None:
    deadline = time.monotonic() + 120
    while total_lines(folder) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
