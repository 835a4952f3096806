"""Jobs that are counted, against jobs that are all composed, and the sweep that is trained."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from snnjax.config.errors import ConfigError
from snnjax.config.overrides import check_overrides
from snnjax.config.split import split
from snnjax.experiment import Means, Run
from snnjax.grouping import bounds_of, plan
from snnjax.plan.groups import group, populations_of, table_bytes
from snnjax.plan.jobs import Jobs, read_jobs

SMALL = ("data.name=sklearn_wine,sklearn_iris", "model.depth=1,2", "model.width=8")
SWEEPS = {
    "numbers": (*SMALL, "seed=range(3)", "optimizer.learning_rate=0.1,0.01"),
    "numbers that are off": (*SMALL, "model.dropout=0,0.1,0.2", "training.patience=null,3"),
    "groups": (*SMALL, "model=snn,msra", "optimizer=sgd,adam", "seed=0,1"),
    "epochs": ("data.name=sklearn_iris", "training.epochs=3,4", "seed=0,1"),
    "folds": ("data.name=sklearn_iris,sklearn_digits", "data.fold=0,1", "data.validation=0,0.2"),
    "some that are invalid": (
        *SMALL,
        *(
            "optimizer.momentum=0,0.5,0.9",
            "optimizer.nesterov=true,false",
            "sweep.skip_invalid=true",
        ),
    ),
    "numbers that are out of range": (
        *("data.name=sklearn_iris", "seed=0,1", "optimizer.learning_rate=0.1,-1"),
        "sweep.skip_invalid=true",
    ),
    "prepared experiments": ("experiment=quickstart,uci", "data.name=wine", "seed=0,1"),
}


def read(name: str, **how: bool) -> Jobs:
    return read_jobs(check_overrides(SWEEPS[name]), True, **how)


def counted(jobs: Jobs) -> Counter:
    """Return how many jobs there are by all that costs."""
    found: Counter = Counter()
    for config, count in jobs.kinds:
        program, member = split(config)
        found[program, frozenset(member), config.data, config.training.epochs] += count
    return found


@pytest.mark.parametrize("name", SWEEPS)
def test_counting_jobs_is_composing_all_of_them(name):
    some, every = read(name), read(name, alike=False)
    assert counted(some) == counted(every)
    assert (some.runs, some.trials) == (every.runs, every.trials)
    assert some.invalid.total() == every.invalid.total()
    assert len(some.kinds) <= len(every.kinds) == every.runs - every.invalid.total()


def test_numbers_are_counted_and_not_composed():
    jobs = read("numbers")
    assert (jobs.runs, jobs.trials) == (24, 4)
    assert [count for _, count in jobs.kinds] == [6] * 4


def test_batches_are_counted_apart():
    overrides = [*SWEEPS["numbers"], "hydra.sweeper.max_batch_size=10"]
    jobs = read_jobs(check_overrides(overrides), True)
    assert [sum(count for _, count in batch) for batch in jobs.batches()] == [10, 10, 4]


def test_what_cannot_be_trained_is_refused():
    overrides = check_overrides(["model.form=conic", "model=snn,highway"])
    with pytest.raises(ConfigError, match=r"model\.form=conic"):
        read_jobs(overrides, True)


def test_a_sweep_file_needs_no_option():
    assert read_jobs(["+sweep=quickstart"]).runs == 6
    assert read_jobs(["seed=3"]).runs == 1


def of_all_runs(name: str) -> list[Run]:
    configs = (config for config, _ in read(name, alike=False).kinds)
    return [Run(config, Path(str(number))) for number, config in enumerate(configs)]


@pytest.mark.parametrize("name", ["numbers", "numbers that are off", "epochs", "folds"])
@pytest.mark.parametrize("members", [None, 3])
def test_populations_are_those_that_would_be_trained(name, members):
    means = Means(members=members, workers=1)
    runs = of_all_runs(name)
    trained = plan(runs, range(len(runs)), means)
    groups, failed = group(read(name).kinds)
    assert not failed
    told = populations_of(groups, bounds_of(means, 1))
    assert sorted(len(own.numbers) for own in trained.populations) == sorted(
        own.count for own in told
    )
    assert sorted(own.cost for own in trained.populations) == pytest.approx(
        sorted(own.cost for own in told)
    )
    assert sorted(own.together().size for own in trained.populations) == sorted(
        own.size for own in told
    )


def test_the_table_has_the_size_that_is_told():
    runs = of_all_runs("numbers")
    for own in plan(runs, range(len(runs)), Means(workers=1)).populations:
        layout = own.together().layout
        held = sum(
            leaf.nbytes
            for leaf in (layout.table.features, layout.table.targets, layout.table.indices)
        )
        assert table_bytes(layout.sets) == held


def test_data_that_cannot_be_read_are_told():
    kinds = read("epochs").kinds
    # There is no such fold.
    broken = [(replace(c, data=replace(c.data, fold=99)), n) for c, n in kinds]
    groups, failed = group([*kinds, *broken])
    assert sum(own.count for own in groups) == failed.total() == 4
    (message,) = failed
    assert message.startswith("data.fold=99")
