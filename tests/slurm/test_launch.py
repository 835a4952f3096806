"""A sweep handed to Slurm, with a stand-in for Slurm: what is submitted, awaited, told."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from conftest import QUIET, ROOT

from snnjax import guard, interruption
from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.experiment import Means, Run
from snnjax.slurm import launch, queue, submission, waiting
from snnjax.slurm.launch import train_by_slurm
from snnjax.slurm.settings import Settings
from snnjax.slurm.submission import Submission, submitted
from snnjax.sweep import SweepInterrupted, run_sweep

Trainer = Callable[[Sequence[Run], tuple[int, ...]], None]


def make_runs(folder: Path, count: int = 4) -> list[Run]:
    configs = [
        Config(
            seed=seed,
            data=DataConfig(name="sklearn_wine"),
            model=ModelConfig(depth=2, width=8),
            training=TrainingConfig(epochs=2, batch_size=64),
            logging=QUIET,
        )
        for seed in range(count)
    ]
    return [Run(config, folder / str(number)) for number, config in enumerate(configs)]


class Pretence:
    """Slurm that trains what is submitted at once, but for the tasks that are to be lost."""

    def __init__(self, folder: Path, lost: Sequence[int] = (), alive: bool = False) -> None:
        self.folder, self.lost, self.alive = folder, lost, alive
        self.arrays: list[list[tuple[int, ...]]] = []

    def submit(self, runs, parts, sweep, means, settings) -> Submission:
        array = len(self.arrays) + 1
        self.arrays.append([*parts])
        jobs = [f"{array}_{task}" for task in range(len(parts))]
        names = [[submission.name_of(runs[n], sweep) for n in part] for part in parts]
        for task, part in enumerate(parts):
            if task not in self.lost:
                run_sweep(runs, sweep, means, part)
        done = Submission(jobs, names)
        (sweep / "slurm").mkdir(exist_ok=True, parents=True)
        with (sweep / "slurm" / "submitted.jsonl").open("a") as file:
            file.write(json.dumps({"jobs": jobs, "runs": names}) + "\n")
        return done

    def in_queue(self, jobs) -> set[str]:
        return {job for job in jobs if self.alive and int(job.partition("_")[2]) in self.lost}


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Pretence:
    pretence = Pretence(tmp_path)
    monkeypatch.setattr(launch, "submit", pretence.submit)
    monkeypatch.setattr(queue, "in_queue", pretence.in_queue)
    monkeypatch.setattr(waiting, "in_queue", pretence.in_queue)
    monkeypatch.setattr(waiting, "_SECONDS", 0.01)
    return pretence


def train(runs, folder, **settings):
    return train_by_slurm(runs, folder, Means(), Settings(tasks=2, **settings))


def test_all_is_submitted_once_and_its_objectives_are_those_of_a_local_sweep(tmp_path, slurm):
    swept = train(make_runs(tmp_path / "far"), tmp_path / "far")
    here = run_sweep(make_runs(tmp_path / "near"), tmp_path / "near", Means(workers=1))
    assert [end.objective for end in swept.ended] == [end.objective for end in here.ended]
    assert [end.status for end in swept.ended] == ["done"] * 4
    assert swept.account["tasks"] == 2
    again = train(make_runs(tmp_path / "far"), tmp_path / "far")
    assert [end.status for end in again.ended] == ["skipped"] * 4
    assert len(slurm.arrays) == 1


def test_what_a_lost_task_leaves_is_submitted_again_alone(tmp_path, slurm, capsys):
    slurm.lost = [1]
    swept = train(make_runs(tmp_path), tmp_path)
    statuses = [end.status for end in swept.ended]
    assert sorted(statuses) == ["done", "done", "left", "left"]
    assert "2 runs have not ended, but no job is left" in capsys.readouterr().out
    slurm.lost = []
    assert {end.status for end in train(make_runs(tmp_path), tmp_path).ended} == {"done", "skipped"}
    again = sorted(number for part in slurm.arrays[1] for number in part)
    assert again == [number for number, status in enumerate(statuses) if status == "left"]


def test_what_is_in_the_queue_is_not_submitted_again(tmp_path, slurm):
    slurm.lost, slurm.alive = [0, 1], True
    first = train(make_runs(tmp_path), tmp_path, detach=True)
    assert [end.status for end in first.ended] == ["left"] * 4
    train(make_runs(tmp_path), tmp_path, detach=True)
    assert len(slurm.arrays) == 1
    train(make_runs(tmp_path, 5), tmp_path, detach=True)  # one more
    assert slurm.arrays[1:] == [[(4,)]]


def test_interrupted_waiting_says_how_to_look_and_to_cancel(tmp_path, slurm, capsys, monkeypatch):
    slurm.lost, slurm.alive = [1], True
    monkeypatch.setattr(waiting, "_sleep", lambda seconds: interruption.ask() or _check())
    with pytest.raises(SweepInterrupted):
        train(make_runs(tmp_path), tmp_path)
    out = capsys.readouterr().out
    assert f"python -m snnjax.status {tmp_path}" in out
    assert "scancel 1" in out


def _check() -> None:
    try:
        interruption.check()
    finally:
        interruption.withdraw()


def test_a_failed_run_is_told_and_tried_again(tmp_path, slurm):
    runs = make_runs(tmp_path)
    slurm.lost = [0, 1]
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "error.json").write_text('{"message": "no", "exit_code": 1}')
    swept = train(runs, tmp_path)
    assert [end.status for end in swept.ended] == ["left", "left", "failed", "left"]
    assert sorted(n for part in slurm.arrays[0] for n in part) == [0, 1, 2, 3]


def test_a_list_that_cannot_be_read_is_no_list(tmp_path):
    assert [*submitted(tmp_path)] == []
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "submitted.jsonl").write_text('{"jobs": ["7_0"], "runs": [["0"]]}\n{"jo')
    assert [array.number for array in submitted(tmp_path)] == ["7"]


def fake(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_jobs_in_the_queue_are_those_that_slurm_lists(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    fake(tmp_path, "squeue", "echo 12_0; echo 12_3; echo 99")
    assert queue.in_queue(["12_0", "12_1", "12_3", "9"]) == {"12_0", "12_3"}
    fake(tmp_path, "squeue", "echo slurm_load_jobs error >&2; exit 1")
    assert queue.in_queue(["12_0"]) is None
    assert queue.in_queue([]) == set()


def test_a_task_is_put_back_by_its_number_in_the_array(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    fake(tmp_path, "scontrol", f'echo "$@" > {tmp_path}/asked')
    assert queue.requeue()
    assert (tmp_path / "asked").read_text().split() == ["requeue", "12"]
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert queue.requeue()
    assert (tmp_path / "asked").read_text().split() == ["requeue", "12_3"]
    fake(tmp_path, "scontrol", "exit 1")
    assert not queue.requeue()


def test_what_is_preempted_still_counts_as_running(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    form = "JobId=12 JobState={} PreemptEligibleTime=2026-01-02T03:04:00 PreemptTime={} Nice=0"
    for state, time, expected in (
        ("RUNNING", "2026-01-02T03:04:05", True),
        ("RUNNING", "None", False),  # somebody else's SIGTERM
        ("COMPLETING", "None", False),  # cancelled, or put back already
        ("COMPLETING", "2026-01-02T03:04:05", False),  # the grace is over, Slurm puts it back
    ):
        fake(tmp_path, "scontrol", f"echo '{form.format(state, time)}'")
        assert queue.is_preempted() == expected
    fake(tmp_path, "scontrol", "exit 1")
    assert not queue.is_preempted()


def test_without_slurm_the_launcher_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="there is no sbatch on this machine"):
        queue.require()


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
