"""Sweeps that are stopped: each run goes on, whatever population it finds itself in."""

import json
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import QUIET, slow_but

from snnjax import experiment, sweep
from snnjax.checkpoint import keeper, load_problem
from snnjax.config.optimization import PlateauConfig
from snnjax.config.schema import CheckpointConfig, Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.experiment import Means, Run

from .conftest import checkpoints
from .killing import check_equal

CHUNK = 64


def make_runs(folder: Path, count: int, *, epochs: tuple[int, ...] = (400, 150), every=1e-6):
    """Make runs that end at different times."""
    return [
        Run(
            Config(
                seed=seed,
                data=DataConfig(name="sklearn_wine"),
                model=ModelConfig(depth=2, width=8, dropout=0.1),
                schedule=PlateauConfig(patience=5),
                training=TrainingConfig(epochs=epochs[seed % len(epochs)], batch_size=32),
                logging=QUIET,
                checkpoint=CheckpointConfig(every=every, final=True),
            ),
            folder / str(seed),
        )
        for seed in range(count)
    ]


def results(folder: Path) -> dict[str, dict[str, object]]:
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/result.json")}


def check_all_equal(one: Path, other: Path, count: int) -> None:
    for seed in range(count):
        check_equal(one / str(seed), other / str(seed))


@pytest.mark.parametrize("lanes", slow_but([1, 2], 0))
def test_a_stopped_sweep_goes_on(tmp_path, stopped_at, lanes):
    means = Means(members=4, workers=1, lanes=lanes)
    sweep.run_sweep(make_runs(tmp_path / "whole", 4, every=None), tmp_path / "whole", means)
    part = tmp_path / "part"
    stopped_at(lambda: sweep.run_sweep(make_runs(part, 4), part, means), 200)
    assert checkpoints(part)
    ended = sweep.run_sweep(make_runs(part, 4), part, means).ended
    assert [end.status for end in ended] == ["done"] * 4
    check_all_equal(tmp_path / "whole", part, 4)
    assert {result["checkpoint"]["resumed_epoch"] for result in results(part).values()} != {None}
    assert not (part / "checkpoints").exists()


def test_runs_go_on_in_other_populations(tmp_path, stopped_at, monkeypatch):
    """Stopped in pairs, then four together with two new ones, which begin at the first epoch."""
    together = Means(members=6, workers=1)
    sweep.run_sweep(make_runs(tmp_path / "whole", 6, every=None), tmp_path / "whole", together)
    part, pairs = tmp_path / "part", Means(members=2, workers=1)
    for _ in range(2):
        stopped_at(lambda: sweep.run_sweep(make_runs(part, 4), part, pairs), 70)
    begun = {
        member["epoch"]
        for path in checkpoints(part)
        for member in json.loads((path / "index/metadata").read_text())["members"]
    }
    assert len(begun) > 1
    ended = sweep.run_sweep(make_runs(part, 6), part, together).ended
    assert {end.status for end in ended} <= {"done", "skipped"}
    check_all_equal(tmp_path / "whole", part, 6)
    resumed = {name: own["checkpoint"]["resumed_epoch"] for name, own in results(part).items()}
    assert resumed["4"] is resumed["5"] is None
    assert any(resumed.values())


def test_runs_on_padded_data_go_on(tmp_path, stopped_at):
    """Sets of different widths share a network, whose state knows what is padding."""

    def runs(folder, every=1e-6):
        names = ("sklearn_iris", "sklearn_wine")
        return [
            replace(run, config=replace(run.config, data=DataConfig(name=name)))
            for run, name in zip(
                make_runs(folder, 2, epochs=(400,), every=every), names, strict=True
            )
        ]

    whole, part, means = tmp_path / "whole", tmp_path / "part", Means(members=2, workers=1)
    sweep.run_sweep(runs(whole, None), whole, means)
    stopped_at(lambda: sweep.run_sweep(runs(part), part, means), 200)
    sweep.run_sweep(runs(part), part, means)
    check_all_equal(whole, part, 2)
    assert load_problem(part / "0").is_padded
    assert any(result["checkpoint"]["resumed_epoch"] for result in results(part).values())


def test_halves_of_a_population_are_kept_as_their_own(tmp_path, stopped_at, monkeypatch):
    """As where memory does not suffice for all members at once."""
    from snnjax import population

    fit, means = population._fit, Means(members=4, workers=1)

    def halved(whole, audience):
        few = len(whole.members) <= 2
        return fit(whole, audience) if few else population._train_halves(whole, audience)

    sweep.run_sweep(make_runs(tmp_path / "whole", 4, every=None), tmp_path / "whole", means)
    monkeypatch.setattr(population, "_fit", halved)
    part = tmp_path / "part"
    stopped_at(lambda: sweep.run_sweep(make_runs(part, 4), part, means), 370)
    stopped_at(lambda: sweep.run_sweep(make_runs(part, 4), part, means), 130)
    sweep.run_sweep(make_runs(part, 4), part, means)
    check_all_equal(tmp_path / "whole", part, 4)


def test_only_the_last_are_kept_while_a_sweep_trains(tmp_path, monkeypatch):
    """And nothing afterwards."""
    seen = []
    write = keeper.write

    def count(path, *arguments):
        size = write(path, *arguments)
        seen.append(len(checkpoints(tmp_path)))
        return size

    def at_once(function, *arguments):
        done = Future()
        done.set_result(function(*arguments))
        return done

    monkeypatch.setattr(keeper, "write", count)
    monkeypatch.setattr(keeper, "submit", at_once)
    means = Means(members=2, workers=1)
    sweep.run_sweep(make_runs(tmp_path, 2), tmp_path, means)
    assert max(seen) == 3  # two, and the one just written
    assert len(seen) == 400 // CHUNK + 150 // CHUNK  # not where they end
    assert not (tmp_path / "checkpoints").exists()


def test_one_run_that_is_refused_leaves_the_others_alone(tmp_path, stopped_at):
    runs = make_runs(tmp_path, 3)
    stopped_at(lambda: sweep.run_sweep(runs[:1], tmp_path, Means()), 70)
    for path in checkpoints(tmp_path):
        index = json.loads((path / "index/metadata").read_text())
        index["versions"]["jax"] = "0.0.1"
        (path / "index/metadata").write_text(json.dumps(index))
    first, *others = sweep.run_sweep(runs, tmp_path, Means()).ended
    assert "was written by other versions of libraries (jax 0.0.1, now" in str(first)
    assert [end.status for end in others] == ["done"] * 2
    anew = [
        replace(runs[0], config=replace(runs[0].config, checkpoint=CheckpointConfig(resume=False)))
    ]
    (end,) = sweep.run_sweep(anew, tmp_path, Means()).ended
    assert end.status == "done"


def test_what_a_killed_program_left_is_removed(tmp_path):
    runs = make_runs(tmp_path, 2)
    sweep.run_sweep(runs, tmp_path, Means())
    shelf = tmp_path / "checkpoints"
    (shelf / "0a0a0a0a-000001.orbax-checkpoint-tmp").mkdir(parents=True)
    (shelf / "0a0a0a0a.lock").touch()
    sweep.run_sweep(runs, tmp_path, Means())
    assert not shelf.exists()


def train_alone(runs: list[Run]) -> None:
    for run in runs:
        experiment.run(run.config, run.folder)


def without_padding_of_others(folder: Path, count: int) -> list[Run]:
    """Make runs on one data set: alone and together their networks have the same shapes."""
    return make_runs(folder, count, epochs=(200,))


def test_a_sweep_that_populations_began_goes_on_run_by_run(tmp_path, stopped_at, monkeypatch):
    monkeypatch.setattr("snnjax.strategy._TURNS", 1)  # both in one population
    make, means = without_padding_of_others, Means(members=2, workers=1)
    train_alone(make(tmp_path / "whole", 2))
    part = tmp_path / "part"
    stopped_at(lambda: sweep.run_sweep(make(part, 2), part, means), 100)
    assert checkpoints(part)
    train_alone(make(part, 2))
    check_all_equal(tmp_path / "whole", part, 2)
    resumed = {result["checkpoint"]["resumed_epoch"] for result in results(part).values()}
    assert None not in resumed
    assert min(resumed) >= CHUNK
    assert not (part / "checkpoints").exists()


def test_a_sweep_that_was_begun_run_by_run_goes_on_in_populations(tmp_path, stopped_at):
    make, means = without_padding_of_others, Means(members=2, workers=1)
    sweep.run_sweep(make(tmp_path / "whole", 2), tmp_path / "whole", means)
    part = tmp_path / "part"
    stopped_at(lambda: train_alone(make(part, 1)), 100)
    assert checkpoints(part / "0")
    sweep.run_sweep(make(part, 2), part, means)
    check_all_equal(tmp_path / "whole", part, 2)
    found = results(part)
    assert found["0"]["checkpoint"]["resumed_epoch"] >= CHUNK
    assert found["1"].get("checkpoint", {}).get("resumed_epoch") is None
    assert not checkpoints(part / "0")[:-1]  # but for the networks that are kept


def test_an_equal_run_in_another_folder_is_another_run(tmp_path, stopped_at):
    """A checkpoint above a run is that of its sweep only if it says so."""
    part = tmp_path / "part"
    stopped_at(lambda: train_alone(without_padding_of_others(part, 1)), 100)
    (part / "0").rename(tmp_path / "0")
    (tmp_path / "checkpoints").symlink_to(tmp_path / "0" / "checkpoints")
    other = replace(without_padding_of_others(part, 1)[0], folder=tmp_path / "1")
    train_alone([other])
    assert results(tmp_path)["1"].get("checkpoint", {}).get("resumed_epoch") is None


@pytest.mark.slow
def test_networks_that_were_padded_for_other_sets_begin_anew(
    tmp_path, stopped_at, capsys, monkeypatch
):
    monkeypatch.setattr("snnjax.strategy._TURNS", 1)  # both in one population

    def make(folder: Path) -> list[Run]:
        wine, other = make_runs(folder, 2, epochs=(200,))
        data = DataConfig(name="sklearn_breast_cancer")
        return [wine, replace(other, config=replace(other.config, data=data))]

    part = tmp_path / "part"
    stopped_at(lambda: sweep.run_sweep(make(part), part, Means(members=2, workers=1)), 100)
    train_alone(make(part)[:1])
    assert "with the launcher that began the sweep they would go on" in capsys.readouterr().err
    assert results(part)["0"].get("checkpoint", {}).get("resumed_epoch") is None
