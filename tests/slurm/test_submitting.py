"""Between looking for what is left and writing down what was submitted nothing may interfere."""

import os
import signal
import subprocess
import threading

import pytest

from snnjax import interruption
from snnjax.experiment import Means
from snnjax.slurm import launch, submission
from snnjax.slurm.settings import Settings
from snnjax.sweep import SweepInterrupted
from tests.slurm.pretence import make_runs, train


def test_ctrl_c_while_submitting_still_tells_the_number(tmp_path, slurm, capsys, monkeypatch):
    slurm.lost, slurm.alive = [0, 1], True

    def submit(*arguments):
        done = slurm.submit(*arguments)
        os.kill(os.getpid(), signal.SIGINT)
        return done

    monkeypatch.setattr(launch, "submit", submit)
    with interruption.heard(), pytest.raises(SweepInterrupted):
        train(make_runs(tmp_path), tmp_path)
    out = capsys.readouterr().out
    assert "job 1: 4 runs in 2 tasks" in out
    assert "scancel 1" in out


def test_ctrl_c_does_not_reach_sbatch():
    command = ["sh", "-c", "kill -INT $$; echo lives"]
    assert subprocess.run(command, capture_output=True, check=False).stdout == b""
    with submission.undisturbed():
        assert subprocess.run(command, capture_output=True, check=False).stdout == b"lives\n"
    assert subprocess.run(command, capture_output=True, check=False).stdout == b""


def test_two_that_start_at_once_submit_once(tmp_path, slurm):
    slurm.lost, slurm.alive = [0, 1], True
    runs = make_runs(tmp_path)
    other = threading.Thread(target=train, args=(runs, tmp_path), kwargs={"detach": True})
    with submission.alone(tmp_path):
        other.start()
        other.join(0.5)
        assert other.is_alive()
        slurm.submit(runs, [(0, 1), (2, 3)], tmp_path, Means(), Settings())
    other.join()
    assert slurm.arrays == [[(0, 1), (2, 3)]]
