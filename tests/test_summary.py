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


def test_a_sweep_over_both_tasks_names_the_metric_of_each_run(tmp_path: Path) -> None:
    values = {("digits", 0): 0.5, ("digits", 1): 0.7, ("boston", 0): 3.0, ("boston", 1): 4.0}
    for number, ((data, seed), value) in enumerate(values.items()):
        metric = "rmse" if data == "boston" else "accuracy"
        write(tmp_path / str(number), [f"data={data}", f"seed={seed}"], result(metric, value))
    write(tmp_path / "4", ["data=boston", "seed=2"], result("rmse", None, "diverged"))
    write(tmp_path / "5", ["data=boston", "seed=3"], None)
    lines = [" ".join(line.split()) for line in printed(tmp_path).splitlines()]
    assert "run data seed status best epoch validation test seconds" in lines
    assert "0 digits 0 done 4 accuracy 0.5000 accuracy 0.5000 2.0" in lines
    assert "2 boston 0 done 4 rmse 3.0000 rmse 3.0000 2.0" in lines
    assert "4 boston 2 diverged 4 2.0" in lines
    assert "digits 2 of 2 accuracy 0.6000 ± 0.1414 accuracy 0.6000 ± 0.1414" in lines
    assert "boston 2 of 4 rmse 3.5000 ± 0.7071 rmse 3.5000 ± 0.7071" in lines


def test_a_diverged_run_does_not_make_a_sweep_mixed(tmp_path: Path) -> None:
    write(tmp_path / "0", ["seed=0"], result("accuracy", 0.5))
    broken = {"status": "diverged", "metrics": {"test": {"loss": 9.0, "accuracy": None}}}
    write(tmp_path / "1", ["seed=1"], broken)
    assert "validation accuracy" in printed(tmp_path)


OWN = {
    "seed": 3,
    "data": {"name": "wine", "validation": "default"},
    "model": {"name": "snn", "depth": 8, "dropout": 0.001, "width": 16},
    "training": {"patience": None},
    "logging": {"every": 1},
}


def write_configs(folder: Path, composed: Mapping[str, Any] | str) -> None:
    (folder / "config.json").write_text(json.dumps(OWN))
    text = composed if isinstance(composed, str) else json.dumps(composed)  # which is YAML
    (folder / ".hydra" / "config.yaml").write_text(text)


@pytest.mark.parametrize(
    ("given", "changed", "told"),
    [
        ("seed=4", {"seed": 4}, "3"),
        ("model=msra", {"model": OWN["model"] | {"name": "msra"}}, "snn"),
        ("model.dropout=0.5", {"model": OWN["model"] | {"dropout": 0.5}}, "0.001"),
        ("training.patience=3", {"training": {"patience": 3}}, "null"),
        ("training=debug", {"training": {"patience": 3}}, ""),
        ("+experiment=htru2", {"data": {"name": "htru2", "validation": "default"}}, ""),
    ],
)
def test_a_result_is_told_with_the_values_it_belongs_to(
    tmp_path: Path, given: str, changed: Mapping[str, Any], told: str
) -> None:
    write(tmp_path / "0", [given, "model.width=16"], result("accuracy", 0.5))
    write_configs(tmp_path / "0", {**OWN, **changed})
    (job,) = read_jobs(tmp_path)
    assert job.status == "done"
    key = given.lstrip("+").partition("=")[0]
    assert job.overrides == {key: told, "model.width": "16"}


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ("model.dropout=1e-3", {"model": OWN["model"] | {"dropout": "1e-3"}}),
        ("model.dropout=0.0010", {}),
        ("model.depth=${seed}", {"model": OWN["model"] | {"depth": "${seed}"}}),
        ("+experiment=quickstart", {"logging": {"every": 9}}),
        ("sweep.skip_invalid=true", {"sweep": {"skip_invalid": True}}),
    ],
)
def test_values_of_the_same_run_are_told_as_typed(
    tmp_path: Path, given: str, changed: Mapping[str, Any]
) -> None:
    write(tmp_path / "0", [given], result("accuracy", 0.5))
    write_configs(tmp_path / "0", {**OWN, **changed})
    assert list(read_jobs(tmp_path)[0].overrides.values()) == [given.partition("=")[2]]


def test_a_run_without_a_result_is_told_with_what_was_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "0", ["seed=4"], None)
    write_configs(tmp_path / "0", {**OWN, "seed": 4})
    assert read_jobs(tmp_path)[0].overrides == {"seed": "4"}


def test_damaged_files_of_hydra_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "0", ["seed=4"], result("accuracy", 0.5))
    write_configs(tmp_path / "0", "a: [1\nb: 2")
    assert read_jobs(tmp_path)[0].overrides == {"seed": "4"}
    (tmp_path / "0" / ".hydra" / "overrides.yaml").write_text("'")
    assert read_jobs(tmp_path)[0].overrides == {}


def test_a_run_in_the_folder_of_the_sweep_hides_no_other(tmp_path: Path) -> None:
    write(tmp_path, ["seed=9"], result("accuracy", 0.5))
    write(tmp_path / "a" / "0", ["seed=0"], result("accuracy", 0.5))
    assert [job.folder for job in read_jobs(tmp_path)] == [tmp_path, tmp_path / "a" / "0"]


def test_no_file_of_a_run_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of runs are read in a second for that."""
    read: list[Path] = []
    plain = Path.read_text

    def read_text(path: Path, *arguments: Any, **keywords: Any) -> str:
        read.append(path)
        return plain(path, *arguments, **keywords)

    for number in range(20):
        folder = tmp_path / str(number)
        write(folder, [f"seed={number}", "model.depth=8"], result("accuracy", 0.5))
        write_configs(folder, {**OWN, "seed": number})
    monkeypatch.setattr(Path, "read_text", read_text)
    assert len(read_jobs(tmp_path)) == 20
    assert len(read) == len(set(read)) <= 3 * 20
