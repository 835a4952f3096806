"""What is asked of Slurm for each task: checked before anything is written."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

from snnjax import guard
from snnjax.slurm.settings import Settings
from tests.slurm.pretence import make_runs, train


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["hydra.launcher.time=soon"], "hydra.launcher.time=soon: allowed: integers from 1"),
        (
            ["hydra.launcher.extra={mail-type: FAIL}", "hydra.launcher.warning=3600"],
            "hydra.launcher.warning=3600: allowed: seconds below 3600 "
            "(hydra.launcher.time=60: minutes)",
        ),
    ],
)
def test_settings_are_checked_before_anything_is_written(tmp_path, arguments, refusal):
    done = subprocess.run(
        [sys.executable, "-m", "snnjax.train", "-m", "seed=0,1", "hydra/launcher=slurm",
         *arguments, f"hydra.sweep.dir={tmp_path / 'out'}"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"snnjax: error: {refusal}" in done.stderr
    assert not (tmp_path / "out" / "0").exists()


def test_what_else_is_asked_of_sbatch_is_passed_on():
    asked = Settings(extra={"mail-type": "FAIL"}).for_submitit("snnjax")
    assert asked["additional_parameters"] == {"requeue": True, "mail-type": "FAIL"}


def test_a_warning_that_is_shorter_than_saving_is_told(tmp_path, slurm, capsys):
    runs = make_runs(tmp_path)
    slurm.lost, slurm.alive = [0, 1], True
    guard.forget()
    train(runs, tmp_path, detach=True, warning=20)  # as long as checkpoint.grace
    assert "hydra.launcher.warning" not in capsys.readouterr().err
    train(runs, tmp_path, detach=True, warning=19)
    told = capsys.readouterr().err
    assert "hydra.launcher.warning=19: Slurm may end a task before it has saved" in told
    assert "checkpoint.grace=20" in told
