"""The list of a sweep's runs, the numbers that jobs keep, and the account of a start."""

import errno
import json
import threading
from pathlib import Path

import pytest

from snnjax import listing
from snnjax.listing import job_numbers, list_runs, listed_runs, state_of, write_account
from snnjax.sinks.jsonl import lock_alone


def put_list(sweep: Path, *overrides: list[str], first: int = 0) -> None:
    runs = [(n, sweep / str(n), own) for n, own in enumerate(overrides, start=first)]
    list_runs(sweep, runs)


def grid(*seeds: int) -> list[list[str]]:
    return [[f"model={model}", f"seed={seed}"] for model in ("snn", "msra") for seed in seeds]


def test_what_is_listed_stays_and_is_listed_once(tmp_path):
    put_list(tmp_path, ["seed=0"], ["seed=1"])
    put_list(tmp_path, ["seed=1"], ["seed=2"], first=1)
    assert listed_runs(tmp_path) == [tmp_path / name for name in "012"]
    lines = (tmp_path / "runs.jsonl").read_text().splitlines()
    assert json.loads(lines[2]) == {"run": "2", "number": 2, "overrides": ["seed=2"]}
    assert [path.name for path in tmp_path.iterdir()] == ["runs.jsonl"]


def test_there_may_be_no_list_or_a_torn_one(tmp_path):
    assert listed_runs(tmp_path) == []
    put_list(tmp_path, ["seed=0"])
    with (tmp_path / "runs.jsonl").open("a") as file:
        file.write('{"run": "1", "over\n[]\n7\n')
    assert listed_runs(tmp_path) == [tmp_path / "0"]
    put_list(tmp_path, ["seed=1"], first=1)
    assert listed_runs(tmp_path) == [tmp_path / "0", tmp_path / "1"]


def test_lists_written_at_once_are_all_kept(tmp_path):
    def add(number: int) -> None:
        put_list(tmp_path, [f"seed={number}"], first=number)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(path.name) for path in listed_runs(tmp_path)) == [*range(20)]


def test_jobs_are_numbered_as_hydra_does_at_first(tmp_path):
    assert job_numbers(tmp_path, grid(0, 1), 0) == [0, 1, 2, 3]
    assert job_numbers(tmp_path, grid(0, 1), 7) == [7, 8, 9, 10]


@pytest.mark.parametrize(
    ("seeds", "numbers"),
    [
        ((0, 1), [0, 1, 2, 3]),
        ((0, 1, 2), [0, 1, 4, 2, 3, 5]),
        ((1,), [1, 3]),
        ((1, 0), [1, 0, 3, 2]),
        ((0, 2), [0, 1, 2, 3]),  # another sweep, whose results are not to be mixed in
    ],
)
def test_runs_keep_their_numbers_when_others_are_added(tmp_path, seeds, numbers):
    put_list(tmp_path, *grid(0, 1))
    assert job_numbers(tmp_path, grid(*seeds), 0) == numbers


def test_logging_and_the_like_do_not_make_another_job(tmp_path):
    put_list(tmp_path, *grid(0, 1))
    jobs = [
        [*job, "logging=quiet", "sweep.mix_versions=true", "data.root=x"] for job in grid(0, 1, 2)
    ]
    assert job_numbers(tmp_path, jobs, 0) == [0, 1, 4, 2, 3, 5]
    others = [[*job, "training.epochs=3"] for job in grid(0, 1, 2)]
    assert job_numbers(tmp_path, others, 0) == [0, 1, 2, 3, 4, 5]


def test_jobs_that_are_alike_are_numbered_apart(tmp_path):
    put_list(tmp_path, ["seed=0"], ["seed=0"])
    assert job_numbers(tmp_path, [["seed=0"], ["seed=0"]], 0) == [0, 1]


def test_the_account_of_a_start(tmp_path):
    write_account(tmp_path, ["done", "skipped", "done", "failed"], {"seconds": 1.5})
    assert json.loads((tmp_path / "sweep.json").read_text()) == {
        "runs": 4, "done": 2, "skipped": 1, "failed": 1, "seconds": 1.5,
    }  # fmt: skip


def test_a_list_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    put_list(tmp_path, ["seed=0"])

    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", fill)
    with pytest.raises(OSError, match="No space"):
        put_list(tmp_path, ["seed=1"], first=1)
    assert listed_runs(tmp_path) == [tmp_path / "0"]
    assert len([*tmp_path.iterdir()]) == 1


RESULT, ERROR = json.dumps({"status": "diverged"}), json.dumps({"message": "no disk"})


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, "left"),
        ({"config.json": "{}", "metrics.jsonl": ""}, "left"),
        ({"result.json": RESULT}, "diverged"),
        ({"result.json": "{}"}, "done"),
        ({"result.json": "[torn"}, "failed"),
        ({"error.json": ERROR}, "failed"),
        ({"error.json": ERROR, "metrics.jsonl": ""}, "failed"),
    ],
)
def test_the_state_of_a_run_that_no_process_is_at(tmp_path, files, state):
    assert state_of(tmp_path / "missing") == "left"
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert state_of(tmp_path) == state


def test_a_locked_run_is_running_whatever_its_age_and_its_error(tmp_path):
    (tmp_path / "error.json").write_text(ERROR)
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        lock_alone(file)
        assert state_of(tmp_path, now=1e12) == "running"
    assert state_of(tmp_path) == "failed"


def test_without_locks_a_run_that_wrote_lately_is_running(tmp_path, monkeypatch):
    (tmp_path / "metrics.jsonl").write_text("")
    written = (tmp_path / "metrics.jsonl").stat().st_mtime
    assert state_of(tmp_path, written) == "left"
    monkeypatch.setattr(listing, "is_locked", lambda path: None)
    assert state_of(tmp_path, written + 119) == "running"
    assert state_of(tmp_path, written + 121) == "left"
