"""What is asked of Slurm's commands, with stand-ins for them."""

from pathlib import Path

import pytest

from snnjax.config.errors import ConfigError
from snnjax.slurm import queue


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
