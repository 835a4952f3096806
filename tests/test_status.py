"""The state of a sweep, told from folders in every state a run can be in."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import snnjax
from snnjax.status import describe, main, read_states

ROOT = Path(snnjax.__file__).parent.parent
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
def sweep(tmp_path: Path) -> Path:
    """Return a sweep of seven runs: two an hour since an hour and a half ago."""
    folder = tmp_path / "sweep"
    add(folder / "0", began=5400, metrics=("", 3700), result=(DONE, 3600))
    add(folder / "1", began=5300, metrics=("", 1900), result=(DIVERGED, 1800))
    add(folder / "2", began=1800, metrics=("", 10), error=(ERROR, 5))
    add(folder / "3", began=1700, metrics=("", 30))
    add(folder / "4", began=1700, metrics=("", 121))
    add(folder / "5", began=1700)
    add(folder / "6")
    return folder


def test_each_run_is_in_one_state(sweep: Path) -> None:
    states = read_states(sweep, NOW)
    expected = ["done", "diverged", "failed", "running", "left", "left", "left"]
    assert {path.name: state for path, state in states.items()} == dict(
        zip("0123456", expected, strict=True)
    )


def test_counts_and_the_time_left(sweep: Path) -> None:
    # two ended in the hour between the start of the first and the end of the last; four remain
    assert describe(sweep, read_states(sweep, NOW)) == (
        f"{sweep}: 7 runs: 1 done, 1 diverged, 1 failed, 1 running, 3 left; about 2:00:00 left"
    )


def test_no_time_is_told_for_a_sweep_that_is_not_running(sweep: Path) -> None:
    later = read_states(sweep, NOW + 1000)
    assert describe(sweep, later).endswith("1 failed, 4 left")


def test_no_time_is_told_before_the_first_result(tmp_path: Path) -> None:
    add(tmp_path / "0", began=100, metrics=("", 1))
    add(tmp_path / "1", began=100, metrics=("", 1))
    assert describe(tmp_path, read_states(tmp_path, NOW)) == f"{tmp_path}: 2 runs: 2 running"


def test_a_result_without_a_beginning_gives_no_pace(tmp_path: Path) -> None:
    add(tmp_path / "0", result=(DONE, 50))
    add(tmp_path / "1", metrics=("", 1))
    text = describe(tmp_path, read_states(tmp_path, NOW))
    assert text == f"{tmp_path}: 2 runs: 1 done, 1 running"


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


def test_recent_means_recent_by_the_clock(tmp_path: Path) -> None:
    add(tmp_path / "0", metrics=("", 0))
    os.utime(tmp_path / "0" / "metrics.jsonl")
    assert list(read_states(tmp_path).values()) == ["running"]
    old = time.time() - 1000
    os.utime(tmp_path / "0" / "metrics.jsonl", (old, old))
    assert list(read_states(tmp_path).values()) == ["left"]


def test_works_as_a_program_without_jax_and_numpy(sweep: Path) -> None:
    code = (  # what is None in sys.modules cannot be imported
        "import runpy, sys\n"
        "sys.modules.update(dict.fromkeys(('jax', 'numpy', 'hydra', 'omegaconf')))\n"
        f"sys.argv = ['status', {str(sweep)!r}]\n"
        "runpy.run_module('snnjax.status', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{sweep}: 7 runs: 1 done, 1 diverged, 1 failed, ")
