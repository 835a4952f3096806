"""The state of a sweep, told from folders in every state a run can be in."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from snnjax import listing
from snnjax.listing import list_runs
from snnjax.sinks.jsonl import lock_alone
from snnjax.status import describe, main, read_states, seconds_left

NOW = 1_700_000_000.0


def put(path: Path, content: str, seconds_ago: float = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (NOW - seconds_ago, NOW - seconds_ago))


def add(folder: Path, *, began: float | None = None, **files: tuple[str, float]) -> None:
    """Make a run folder with some of its files: content, and how many seconds ago written."""
    put(folder / ".hydra" / "overrides.yaml", "- seed=0\n")
    if began is not None:
        put(folder / "config.json", "{}", began)
    for name, (content, ago) in files.items():
        put(folder / (name + (".jsonl" if name == "metrics" else ".json")), content, ago)


DONE, DIVERGED = json.dumps({"status": "done"}), json.dumps({"status": "diverged"})
ERROR = json.dumps({"message": "no disk", "exit_code": 1})


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a sweep of seven runs on a file system without locks."""
    monkeypatch.setattr(listing, "is_locked", lambda path: None)
    folder = tmp_path / "sweep"
    add(folder / "0", began=5400, metrics=("", 3700), result=(DONE, 3600))
    add(folder / "1", began=3600, metrics=("", 1900), result=(DIVERGED, 1800))
    add(folder / "2", began=1800, metrics=("", 10), error=(ERROR, 5))
    add(folder / "3", began=1800, metrics=("", 30))
    add(folder / "4", began=1700, metrics=("", 121))
    add(folder / "5", began=1700)
    add(folder / "6")
    return folder


def test_each_run_is_in_one_state(sweep: Path) -> None:
    states = read_states(sweep, NOW)
    expected = ["done", "diverged", "running", "running", "left", "left", "left"]
    assert {path.name: state for path, state in states.items()} == dict(
        zip("0123456", expected, strict=True)
    )


def test_counts_and_the_time_left(sweep: Path) -> None:
    # one run in the hour since run 1 began; three are left and two have not got anywhere
    assert describe(sweep, read_states(sweep, NOW), NOW) == (
        f"{sweep}: 7 runs: 1 done, 1 diverged, 2 running, 3 left; about 5:00:00 left"
    )


def test_no_time_is_told_for_a_sweep_that_is_not_running(sweep: Path) -> None:
    later = read_states(sweep, NOW + 1000)
    assert describe(sweep, later, NOW + 1000).endswith("1 failed, 4 left")


def state(began: float, ended: float | None = None, share: float = 0.0) -> dict[str, float | None]:
    return {"began": began, "ended": ended, "share": share}


def lay(folder: Path, runs: list[dict[str, float | None]], left: int) -> dict[Path, str]:
    """Make runs that began and ended, or have done a share of 100 epochs; return all states."""
    states = {}
    for number, run in enumerate(runs):
        own = folder / str(number)
        put(own / "config.json", json.dumps({"training": {"epochs": 100}}), run["began"])
        states[own] = "running" if run["ended"] is None else "done"
        if run["ended"] is not None:
            put(own / "result.json", DONE, run["ended"])
        else:
            epochs = range(1, round(100 * run["share"]) + 1)
            lines = [json.dumps({"epoch": e, "loss": 0.5}) + "\n" for e in epochs]
            put(own / "metrics.jsonl", "".join(lines) + '{"epoch": 10')
    return states | {folder / f"left-{number}": "left" for number in range(left)}


@pytest.mark.parametrize(
    ("runs", "left", "seconds"),
    [
        # before the first result: half a run in 100 s
        ([state(100, share=0.5)], 1, 300),
        # a population of two, the second member not begun: half a run in 100 s
        ([state(100, share=0.5), state(100)], 0, 300),
        # two processes: two runs in 100 s, and half of two more in the next 50 s
        ([state(150, 50), state(150, 50), state(50, share=0.5), state(50, share=0.5)], 9, 500),
        # started again after a day, as fast as before: 100 s for a run
        ([state(90_000, 89_900), state(10, share=0.1)], 2, 290),
        # what was done long ago, and slowly, does not count
        ([state(99_000, 50_000), state(200, 100), state(100, share=0.5)], 1, 200),
        # a run that began before that counts for what it did since: 90 of its 240 s
        ([state(300, 60), state(150, 50), state(100, share=0.25)], 0, 0.75 * 150 / 1.625),
    ],
)
def test_the_time_left_is_judged_by_the_pace_of_late(
    tmp_path: Path, runs: list[dict[str, float | None]], left: int, seconds: float
) -> None:
    assert seconds_left(lay(tmp_path, runs, left), NOW) == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize("runs", [[], [state(200, 100)], [state(5)], [state(-5, share=0.5)]])
def test_no_time_is_told_while_nothing_tells(
    tmp_path: Path, runs: list[dict[str, float | None]]
) -> None:
    assert seconds_left(lay(tmp_path, runs, 3), NOW) is None


def test_a_result_without_a_beginning_gives_no_pace(tmp_path: Path) -> None:
    add(tmp_path / "0", result=(DONE, 50))
    add(tmp_path / "1", metrics=("", 1))
    with (tmp_path / "1/metrics.jsonl").open("ab") as file:
        lock_alone(file)
        text = describe(tmp_path, read_states(tmp_path, NOW), NOW)
    assert text == f"{tmp_path}: 2 runs: 1 done, 1 running"


def test_the_list_tells_of_runs_that_have_no_folder_yet(tmp_path: Path) -> None:
    add(tmp_path / "0", result=(DONE, 50))
    list_runs(tmp_path, [(number, tmp_path / str(number), []) for number in range(3)])
    assert describe(tmp_path, read_states(tmp_path)) == f"{tmp_path}: 3 runs: 1 done, 2 left"


def test_several_sweeps_and_exit_codes(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(sweep)]) == 0
    empty, missing = tmp_path / "empty", tmp_path / "missing"
    empty.mkdir()
    assert main([str(empty), str(sweep), str(missing)]) == 2
    told = capsys.readouterr()
    assert told.out.count(f"{sweep}: 7 runs: ") == 2
    assert told.err.splitlines() == [
        f"snnjax: error: {folder}: no runs below this folder" for folder in (empty, missing)
    ]
    with pytest.raises(SystemExit) as exit_:
        main([])
    assert exit_.value.code == 2


def test_works_as_a_program_without_jax_and_numpy(
    sweep: Path, run_code: Callable[..., Any]
) -> None:
    code = "import runpy; runpy.run_module('snnjax.status', run_name='__main__')"
    done, imported = run_code(code, str(sweep))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{sweep}: 7 runs: 1 done, 1 diverged, 1 failed, ")
    assert not imported & {"jax", "numpy", "hydra", "omegaconf"}
