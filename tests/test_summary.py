import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from snnjax.summary import print_summary, read_jobs, varying


def write(folder: Path, overrides: list[str], result: Mapping[str, Any] | str | None) -> None:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text("".join(f"- {o}\n" for o in overrides))
    if result is not None:
        text = result if isinstance(result, str) else json.dumps(result)
        (folder / "result.json").write_text(text)


def result(metric: str, value: float | None, status: str = "done") -> dict[str, Any]:
    metrics = {"validation": {metric: value}, "test": {metric: value}}
    return {"status": status, "metrics": metrics, "best_epoch": 4, "seconds": 2.04}


def printed(sweep: Path) -> str:
    console = Console(file=StringIO(), width=120)
    print_summary(read_jobs(sweep), sweep, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_runs_in_the_order_they_were_started_with_what_varied(tmp_path: Path) -> None:
    for number in range(11):
        overrides = ["+experiment=quickstart", f"seed={number}", "model.depth=3"]
        write(tmp_path / str(number), overrides, result("accuracy", 0.9))
    jobs = read_jobs(tmp_path)
    assert [job.folder.name for job in jobs] == [str(number) for number in range(11)]
    assert varying(jobs) == ("seed",)
    assert jobs[0].overrides["experiment"] == "quickstart"


def test_means_and_deviations_are_over_finished_repetitions(tmp_path: Path) -> None:
    values = {("snn", 0): 0.5, ("snn", 1): 0.7, ("msra", 0): 0.4}
    for number, ((model, seed), value) in enumerate(values.items()):
        write(tmp_path / str(number), [f"model={model}", f"seed={seed}"], result("accuracy", value))
    diverged = result("accuracy", None, "diverged")
    write(tmp_path / "3", ["model=msra", "seed=1"], diverged)
    text = printed(tmp_path)
    assert "0.6000 ± 0.1414" in text
    (msra,) = [line for line in text.splitlines() if "1 of 2" in line]
    assert msra.split() == ["msra", "1", "of", "2", "0.4000", "0.4000"]


def test_regression_shows_the_root_mean_squared_error(tmp_path: Path) -> None:
    write(tmp_path / "0", ["seed=0"], result("rmse", 3.25))
    text = printed(tmp_path)
    assert "test rmse" in text
    assert "3.2500" in text
    assert "mean" not in text


@pytest.mark.parametrize("content", [None, "", "[1]", "{"])
def test_a_run_without_a_readable_result_failed(tmp_path: Path, content: str | None) -> None:
    write(tmp_path / "0", ["seed=0"], content)
    (job,) = read_jobs(tmp_path)
    assert (job.status, job.exit_code) == ("failed", 1)
    assert "1 run failed: ended without a result" in printed(tmp_path)


def test_the_reason_of_a_failure_is_told(tmp_path: Path) -> None:
    write(tmp_path / "0", ["seed=0"], None)
    error = {"message": "no disk [left]\nmore", "exit_code": 2}
    (tmp_path / "0" / "error.json").write_text(json.dumps(error))
    assert read_jobs(tmp_path)[0].exit_code == 2
    assert "1 run failed: no disk [left]\n" in printed(tmp_path)


def test_nothing_to_tell(tmp_path: Path) -> None:
    assert printed(tmp_path) == ""
