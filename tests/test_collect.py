"""What sweeps have left, in one table: written run folders, no training."""

import json
from pathlib import Path

import pandas as pd
import pytest

from snnjax.collect import main
from snnjax.config.schema import Config, DataConfig
from snnjax.config.split import fingerprint, to_dict
from snnjax.listing import list_runs


def make_run(sweep: Path, seed: int, status: str) -> None:
    """Write what a run that ended in this way leaves behind."""
    config = Config(seed=seed, data=DataConfig(name="sklearn_wine"))
    folder = sweep / str(seed)
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(f"- seed={seed}\n")
    (folder / "config.json").write_text(json.dumps(to_dict(config)))
    if status == "failed":
        (folder / "error.json").write_text(json.dumps({"message": "broken", "exit_code": 1}))
    if status in ("done", "diverged"):
        metrics = {split: {"loss": 1.0, "accuracy": seed / 10} for split in ("train", "validation")}
        result = {"status": status, "fingerprint": fingerprint(config), "metrics": metrics}
        result |= {"best_epoch": 3, "epochs": 5, "seconds": 1.0, "data": {"sha256": "0"}}
        (folder / "result.json").write_text(json.dumps(result))


def make_sweep(sweep: Path, *states: str) -> Path:
    """Write a sweep; of runs that are left there is nothing but the list."""
    sweep.mkdir()
    for seed, state in enumerate(states):
        if state != "left":
            make_run(sweep, seed, state)
    list_runs(sweep, [(n, sweep / str(n), [f"seed={n}"]) for n in range(len(states))])
    return sweep


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (("done", "done"), 0),
        (("done", "diverged"), 3),
        (("done", "diverged", "failed"), 1),
        (("done", "left"), 1),
        (("left", "left"), 1),
    ],
)
def test_every_run_is_in_the_table_and_the_code_is_that_of_training(tmp_path, states, code):
    sweep = make_sweep(tmp_path / "sweep", *states)
    assert main([str(sweep)]) == code
    table = pd.read_csv(sweep / "runs.csv")
    found = {Path(row.folder).name: row.status for row in table.itertuples()}
    assert found == {str(n): state for n, state in enumerate(states)}
    if "done" not in states:
        return
    done = table[table["status"] == "done"]
    assert (done["validation.accuracy"] == done["seed"] / 10).all()


def test_several_sweeps_make_one_table(tmp_path, capsys):
    one = make_sweep(tmp_path / "one", "done", "left")
    other = make_sweep(tmp_path / "other", "done")
    file = tmp_path / "new" / "all.parquet"
    assert main([str(one), str(other), "--out", str(file)]) == 1
    assert len(pd.read_parquet(file)) == 3
    out = capsys.readouterr().out
    assert "2 runs: 1 done, 1 left" in out
    assert "ended without a result" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{sweep}", "--out", "table.xls"], "--out=table.xls: not the name of a table"),
        (["{sweep}/nothing"], "no runs below this folder"),
    ],
)
def test_mistakes_are_told(tmp_path, capsys, arguments, said):
    sweep = make_sweep(tmp_path / "sweep", "done")
    assert main([argument.format(sweep=sweep) for argument in arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (sweep / "runs.csv").exists()
