"""Which runs are trained together: by program, by the shapes of their data, in equal parts."""

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig, WandbConfig
from snnjax.config.split import split
from snnjax.data.catalog import DataError
from snnjax.experiment import Means, Run
from snnjax.grouping import plan
from snnjax.step import parameter_count

BASE = Config(
    data=DataConfig(name="sklearn_wine"),
    model=ModelConfig(depth=2, width=12, dropout=0.1),
    training=TrainingConfig(epochs=6, batch_size=32),
)
ONE = Means(workers=1)


def planned(configs, left=None, means=ONE):
    runs = [Run(config, Path(str(number))) for number, config in enumerate(configs)]
    return plan(runs, range(len(runs)) if left is None else left, means)


def numbers(result):
    return sorted(sorted(population.numbers) for population in result.populations)


def data(name, **keywords):
    return replace(BASE, data=DataConfig(name=name, **keywords))


@pytest.fixture(autouse=True)
def one_turn(monkeypatch):
    monkeypatch.setattr("snnjax.strategy._TURNS", 1)


def test_numbers_folds_and_data_sets_of_similar_size_are_trained_together():
    configs = [
        BASE,
        replace(BASE, seed=5),
        data("sklearn_wine", fold=1),
        data("sklearn_wine", validation=0.3),
        data("sklearn_iris"),
        data("sklearn_breast_cancer"),
        replace(BASE, training=replace(BASE.training, epochs=9)),
    ]
    assert numbers(planned(configs)) == [[0, 1, 2, 3, 4, 5, 6]]


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, model=replace(BASE.model, dropout=0.0)),
        replace(BASE, model=replace(BASE.model, depth=3)),
        replace(BASE, training=replace(BASE.training, patience=3)),
        data("sklearn_wine", validation=0.0),
        data("sklearn_digits"),
        data("sklearn_diabetes"),
    ],
    ids=["no dropout", "depth", "patience", "no validation rows", "features", "regression"],
)
def test_what_changes_the_program_is_trained_apart(other):
    assert numbers(planned([BASE, other, BASE])) == [[0, 2], [1]]


def test_populations_have_equal_sizes_and_the_longest_come_first():
    configs = [replace(BASE, seed=n) for n in range(10)]
    long = [replace(data("sklearn_digits"), seed=n) for n in range(3)]
    result = planned([*configs, *long], means=Means(members=4, workers=1))
    assert numbers(result) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [10, 11, 12]]
    assert {population.together().size for population in result.populations} == {3, 4}
    costs = [population.cost for population in result.populations]
    assert costs == sorted(costs, reverse=True)
    assert set(result.populations[0].numbers) == {10, 11, 12}


def test_all_workers_have_something_to_do(monkeypatch):
    monkeypatch.setattr("snnjax.strategy._TURNS", 4)
    configs = [replace(BASE, seed=n) for n in range(64)]
    assert len(planned(configs, means=Means(workers=2)).populations) == 8
    assert len(planned(configs[:3], means=Means(workers=2)).populations) == 3


def test_large_networks_make_small_populations(monkeypatch):
    configs = [replace(BASE, seed=n) for n in range(10)]
    weights = parameter_count(split(BASE)[0], planned(configs).populations[0].together().problem)
    monkeypatch.setattr("snnjax.grouping.most_weights", lambda: 3 * weights)
    assert {len(population.numbers) for population in planned(configs).populations} == {3, 1}
    monkeypatch.setattr("snnjax.grouping.most_weights", lambda: weights // 2)
    assert len(planned(configs).populations) == 10


def test_what_is_left_has_the_shapes_of_the_whole_sweep():
    configs = [BASE, data("sklearn_breast_cancer")]
    whole = planned(configs).populations[0].together().layout.problem
    assert planned(configs, left=[0]).populations[0].together().layout.problem == whole
    assert planned(configs[:1]).populations[0].together().layout.problem != whole


def test_what_is_left_is_trained_by_programs_of_the_same_size():
    configs = [replace(BASE, seed=n) for n in range(10)]
    means = Means(members=4, workers=1)
    left = planned(configs, left=[1, 7], means=means).populations
    assert [population.numbers for population in left] == [(1, 7)]
    whole = planned(configs, means=means).populations
    assert {p.together().size for p in left} == {p.together().size for p in whole} == {4}


@pytest.mark.slow
def test_a_table_leaves_the_device_with_the_last_population_that_uses_it():
    configs = [
        replace(data(name), seed=n) for name in ("sklearn_digits", BASE.data.name) for n in (0, 1)
    ]
    populations = planned(configs, means=Means(members=1, workers=1)).populations
    assert [population.numbers for population in populations] == [(0,), (1,), (2,), (3,)]
    tables = [weakref.ref(population.together().layout) for population in populations]
    assert tables[0]() is tables[1]() is not tables[2]() is tables[3]()
    for last in range(4):
        populations[last].release()
        gc.collect()
        assert [table() is not None for table in tables] == {
            0: [True] * 4, 1: [False] * 2 + [True] * 2, 2: [False] * 2 + [True] * 2, 3: [False] * 4
        }[last]  # fmt: skip


def test_a_wandb_run_of_a_population_has_one_project():
    def with_project(project, per="population"):
        wandb = WandbConfig(per=per, project=project)
        return replace(BASE, logging=replace(BASE.logging, wandb=wandb))

    configs = [with_project("a"), with_project("b"), replace(with_project("a"), seed=1)]
    assert numbers(planned(configs)) == [[0, 2], [1]]
    assert numbers(planned([with_project("a", "job"), with_project("b", "job")])) == [[0, 1]]


def test_a_network_of_ones_own_shares_no_table_with_padded_ones(monkeypatch):
    """Even where its data set has the very sizes that others are padded to."""
    monkeypatch.setattr("snnjax.shapes._FEATURES", (13,))
    monkeypatch.setattr("snnjax.shapes._CLASSES", (3,))
    own = replace(BASE, model=replace(BASE.model, name="plain:Net"))
    monkeypatch.setattr("snnjax.grouping.check", lambda config, data: None)
    monkeypatch.setattr("snnjax.grouping.can_pad", lambda program: program.model.name == "snn")
    monkeypatch.setattr("snnjax.grouping.parameter_count", lambda program, problem: 1)
    result = planned([data("sklearn_iris"), BASE, own])
    assert numbers(result) == [[0, 1], [2]]
    assert [p.together().problem.is_padded for p in result.populations if 2 in p.numbers] == [False]


def test_what_does_not_fit_its_data_fails_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SNNJAX_DATA", str(tmp_path))
    configs = [
        BASE,
        replace(BASE, training=replace(BASE.training, monitor="rmse")),
        data("letter", root=str(tmp_path)),
        replace(BASE, model=replace(BASE.model, activation="nowhere:nothing")),
        replace(BASE, seed=1),
    ]
    result = planned(configs)
    assert numbers(result) == [[0, 4]]
    assert {number: type(error) for number, error in result.failed.items()} == {
        1: ConfigError,
        2: DataError,
        3: ConfigError,
    }


def test_lanes_that_are_asked_for_are_filled(monkeypatch):
    """16 runs for two workers would be populations of two, of whose eight lanes six were idle."""
    monkeypatch.setattr("snnjax.strategy._TURNS", 4)
    configs = [replace(BASE, seed=seed) for seed in range(16)]
    sizes = [len(p.numbers) for p in planned(configs, means=Means(workers=2, lanes=8)).populations]
    assert sizes == [8, 8]
    sizes = [len(p.numbers) for p in planned(configs, means=Means(workers=2)).populations]
    assert sizes == [2] * 8
