"""A multirun trained as populations: the numbers of single runs, every failure its own."""

import gc
import json
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import QUIET, slow_but

from snnjax import compilation, experiment, sweep
from snnjax.config.optimization import SgdConfig
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.data.catalog import DataError
from snnjax.experiment import Means, Run

BASE = Config(
    data=DataConfig(name="sklearn_wine"),
    model=ModelConfig(depth=2, width=12, dropout=0.1),
    optimizer=SgdConfig(learning_rate=0.05),
    training=TrainingConfig(epochs=6, batch_size=32, patience=3),
    logging=QUIET,
)


def make_runs(folder: Path, *configs: Config) -> list[Run]:
    return [Run(config, folder / str(number)) for number, config in enumerate(configs)]


def read(folder: Path):
    return json.loads((folder / "result.json").read_text())


def numbers(folder: Path):
    result = read(folder)
    return (
        result["metrics"],
        result["best_epoch"],
        result["epochs"],
        (folder / "metrics.jsonl").read_text(),
    )


def train_all(folder: Path, runs: list[Run], **means):
    return sweep.run_sweep(runs, folder, Means(**means)).ended


def grid() -> list[Config]:
    return [
        replace(BASE, seed=seed, optimizer=SgdConfig(learning_rate=rate), model=model)
        for model in (BASE.model, replace(BASE.model, activation="relu", init="he_normal"))
        for rate in (0.02, 0.1)
        for seed in (0, 1)
    ]


@pytest.mark.parametrize(("members", "workers"), slow_but([(3, 1), (3, 2), (64, 1), (64, 2)], 1, 2))
def test_a_sweep_gives_the_numbers_of_single_runs(tmp_path, workers, members):
    runs = make_runs(tmp_path / "together", *grid())
    ended = train_all(tmp_path, runs, members=members, workers=workers)
    assert [end.status for end in ended] == ["done"] * 8
    for run, end in zip(runs, ended, strict=True):
        alone = tmp_path / "alone" / run.folder.name
        assert experiment.run(run.config, alone).objective == end.objective
        assert numbers(alone) == numbers(run.folder)


def test_a_sweep_leaves_the_console_to_its_progress(tmp_path, capsys):
    loud = replace(BASE, logging=replace(QUIET, progress="plain"))
    train_all(tmp_path, make_runs(tmp_path, loud, replace(loud, seed=1)), workers=2)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) >= 2
    assert all("runs" in line for line in printed)


def test_a_second_start_trains_only_what_is_left(tmp_path):
    runs = make_runs(tmp_path, *grid())
    train_all(tmp_path, runs[:5])
    before = {run.folder: (run.folder / "result.json").stat().st_mtime_ns for run in runs[:5]}
    ended = train_all(tmp_path, runs)
    assert [end.status for end in ended] == ["skipped"] * 5 + ["done"] * 3
    assert before == {path: (path / "result.json").stat().st_mtime_ns for path in before}


def test_what_fails_fails_alone(tmp_path):
    """A diverging member, a data set that cannot be had, a folder that cannot be written."""
    (tmp_path / "3").write_text("a file where a folder should be")
    runs = make_runs(
        tmp_path,
        BASE,
        replace(BASE, optimizer=SgdConfig(learning_rate=1e6)),
        replace(BASE, data=DataConfig(name="letter", root=str(tmp_path / "nowhere"))),
        replace(BASE, seed=1),
        replace(BASE, seed=2),
    )
    done, diverged, no_data, no_folder, last = train_all(tmp_path, runs)
    assert [done.status, diverged.status, last.status] == ["done", "diverged", "done"]
    assert isinstance(no_data, DataError)
    assert isinstance(no_folder, OSError)
    assert read(tmp_path / "1")["status"] == "diverged"
    assert not (tmp_path / "2").exists()


def test_a_disk_that_fills_up_ends_one_member(tmp_path, monkeypatch):
    from snnjax.sinks.jsonl import MetricsFile

    written = MetricsFile.write

    def fill(self, evaluation):
        if evaluation.epoch == 3 and "/1/" in str(self.path):
            raise OSError(28, "No space left on device")
        written(self, evaluation)

    monkeypatch.setattr(MetricsFile, "write", fill)
    runs = make_runs(tmp_path, BASE, replace(BASE, seed=1), replace(BASE, seed=2))
    first, full, last = train_all(tmp_path, runs)
    assert first.status == last.status == "done"
    assert isinstance(full, OSError)
    assert not (tmp_path / "1/result.json").exists()


@pytest.mark.parametrize("is_broken", [False, True], ids=["done", "failed"])
@pytest.mark.slow
def test_tables_are_on_the_device_only_while_they_are_used(tmp_path, monkeypatch, is_broken):
    """Even where an error is kept that was raised where the table was in hand."""
    tables, train = [], experiment.run_population

    def look(own, together, **keywords):
        gc.collect()
        tables.append(
            (weakref.ref(together.layout), sum(table() is not None for table, _ in tables))
        )
        if is_broken:
            raise RuntimeError(f"with {len(own)} runs")
        return train(own, together, **keywords)

    monkeypatch.setattr(sweep, "run_population", look)
    configs = [
        replace(BASE, data=DataConfig(name=name)) for name in ("sklearn_digits", "sklearn_wine")
    ]
    ended = train_all(tmp_path, make_runs(tmp_path, *configs), workers=1)
    assert [isinstance(end, RuntimeError) for end in ended] == [is_broken] * 2
    gc.collect()
    assert [(table(), before) for table, before in tables] == [(None, 0), (None, 0)]


def test_an_interruption_keeps_finished_runs(tmp_path, monkeypatch):
    runs = make_runs(tmp_path, *grid())

    trained = experiment.run_population

    def train_once(*arguments, **keywords):
        if any((run.folder / "result.json").exists() for run in runs):
            raise KeyboardInterrupt
        return trained(*arguments, **keywords)

    monkeypatch.setattr(sweep, "run_population", train_once)
    with pytest.raises(KeyboardInterrupt):
        train_all(tmp_path, runs, members=2, workers=1)
    monkeypatch.undo()
    finished = [run for run in runs if (run.folder / "result.json").exists()]
    assert 2 <= len(finished) < 8
    ended = train_all(tmp_path, runs)
    assert {end.status for end in ended} == {"done", "skipped"}


def test_threads_that_want_one_program_compile_it_once():
    import jax.numpy as jnp

    traced = []

    def function(x):
        traced.append(None)
        return x + 1

    def work():
        program, _ = compilation.compiled(function, (), (jnp.zeros(3),))
        assert float(program(jnp.zeros(3)).sum()) == 3

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(traced) == 1


def test_a_program_that_does_not_compile_is_tried_again():
    import jax.numpy as jnp

    def broken(x):
        raise RuntimeError("no")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no"):
            compilation.compiled(broken, (), (jnp.zeros(3),))


@pytest.fixture
def command(tmp_path):
    def call(*arguments):
        line = [sys.executable, "-m", "snnjax.train", "-m", "data.name=sklearn_wine", *arguments]
        options = ["training.epochs=3", "model.depth=2", "model.width=8", "logging=quiet"]
        return subprocess.run(
            [*line, *options, "hydra.sweep.dir=out"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.mark.slow
def test_both_launchers_give_the_same_run_folders(command, tmp_path):
    axes = ["model=snn,msra", "optimizer=momentum,nadam", "seed=0,1", "training.patience=2"]
    assert command(*axes).returncode == 0
    (tmp_path / "out").rename(tmp_path / "population")
    assert command(*axes, "hydra/launcher=basic").returncode == 0
    for number in range(8):
        one, other = tmp_path / f"population/{number}", tmp_path / f"out/{number}"
        names = {str(path.relative_to(one)) for path in one.rglob("*")}
        assert names == {str(path.relative_to(other)) for path in other.rglob("*")}
        assert numbers(one) == numbers(other)
        for file in ("config.json", ".hydra/config.yaml"):
            assert (one / file).read_text() == (other / file).read_text()


@pytest.mark.slow
def test_invalid_combinations_stop_a_sweep_before_it_starts(command, tmp_path):
    axes = ["optimizer.nesterov=false,true", "optimizer.momentum=0,0.9"]
    refused = command(*axes)
    assert refused.returncode == 2
    assert refused.stderr.count("optimizer.nesterov") == 1
    assert not list((tmp_path / "out").glob("*/result.json"))
    skipped = command(*axes, "sweep.skip_invalid=true")
    assert skipped.returncode == 2
    assert len(list((tmp_path / "out").glob("*/result.json"))) == 3
    assert "1 run failed" in skipped.stdout
