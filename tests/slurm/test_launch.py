"""A sweep handed to Slurm, with a stand-in for Slurm: what is submitted, awaited, told."""

import pytest

from snnjax import interruption
from snnjax.experiment import Means
from snnjax.slurm import waiting
from snnjax.slurm.submission import submitted
from snnjax.sweep import SweepInterrupted, run_sweep
from tests.slurm.pretence import make_runs, train


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
