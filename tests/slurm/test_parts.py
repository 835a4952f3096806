"""How a sweep is divided among tasks, and what of it is asked of Slurm."""

import itertools
import random

import pytest

from snnjax import grouping, strategy
from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.experiment import Means, Run
from snnjax.slurm.parts import cut, divide
from snnjax.slurm.settings import Settings


def dearest(costs: list[float], pieces: list[tuple[int, int]]) -> float:
    return max(sum(costs[a:b]) for a, b in pieces)


def best(costs: list[float], pieces: int) -> float:
    """Try all ways to cut a row."""
    ways = itertools.combinations(range(1, len(costs)), min(pieces, len(costs)) - 1)
    return min(dearest(costs, list(itertools.pairwise([0, *way, len(costs)]))) for way in ways)


@pytest.mark.parametrize("seed", range(30))
def test_no_other_cut_has_a_cheaper_dearest_piece(seed):
    draw = random.Random(seed)
    costs = [draw.choice([0.1, 1.0, 3.0, draw.random()]) for _ in range(draw.randint(1, 9))]
    for count in range(1, 6):
        pieces = cut(costs, count)
        assert len(pieces) <= count
        assert [place for a, b in pieces for place in range(a, b)] == [*range(len(costs))]
        assert all(a < b for a, b in pieces)
        assert dearest(costs, pieces) == pytest.approx(best(costs, count), rel=1e-12)


def test_nothing_is_cut_into_nothing():
    assert cut([], 3) == []


def runs(tmp_path, *configs: Config) -> list[Run]:
    return [Run(config, tmp_path / str(number)) for number, config in enumerate(configs)]


def config(model: str = "snn", epochs: int = 5, seed: int = 0) -> Config:
    return Config(
        seed=seed,
        data=DataConfig(name="sklearn_wine"),
        model=ModelConfig(name=model, depth=2, width=8),
        training=TrainingConfig(epochs=epochs),
    )


def test_tasks_get_whole_programs_and_parts_of_the_same_cost(tmp_path):
    mixed = [config(model, seed=seed) for seed in range(8) for model in ("snn", "msra")]
    parts = divide(runs(tmp_path, *mixed), range(16), Means(workers=1, processes=2), 2)
    assert [sorted(task) for task in parts.tasks] == [[*range(0, 16, 2)], [*range(1, 16, 2)]]
    assert not parts.failed


def test_only_what_is_left_is_divided_and_each_once(tmp_path):
    left = [1, 2, 5, 6, 7, 9]
    sweep = runs(tmp_path, *(config(seed=seed) for seed in range(10)))
    parts = divide(sweep, left, Means(workers=1, processes=4), 4)
    assert sorted(number for task in parts.tasks for number in task) == left
    assert max(map(len, parts.tasks)) == 2  # of six equal runs, four tasks cannot do better


def test_where_members_are_computed_at_once_each_task_has_a_population(tmp_path, monkeypatch):
    for module in (grouping, strategy):
        monkeypatch.setattr(module, "is_one_cpu", lambda: False)
    sweep = runs(tmp_path, *(config(seed=seed) for seed in range(12)))
    means = Means(members=64, workers=1, processes=3)
    parts = divide(sweep, range(12), means, 3)
    assert [len(task) for task in parts.tasks] == [4, 4, 4]
    # What a task computes are its own runs, not idle places for those of the others.
    for task in parts.tasks:
        (population,) = grouping.plan(sweep, task, means).populations
        assert population.together().size == 4


def test_a_long_run_is_a_task_of_its_own(tmp_path):
    sweep = runs(tmp_path, *(config(seed=seed) for seed in range(4)), config(epochs=100))
    parts = divide(sweep, range(5), Means(workers=1, processes=2), 2)
    assert (4,) in parts.tasks


def test_what_cannot_be_trained_is_told_and_not_submitted(tmp_path):
    table = DataConfig(name="table", path=str(tmp_path / "none.csv"), targets=("a",))
    sweep = runs(tmp_path, config(), Config(data=table), config(seed=1))
    parts = divide(sweep, range(3), Means(workers=1, processes=2), 2)
    assert [*parts.failed] == [1]
    assert sorted(number for task in parts.tasks for number in task) == [0, 2]


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("tasks", 0, "integers from 1"),
        ("time", 1.5, "integers from 1"),
        ("gpus", -1, "integers from 0"),
        ("cpus", True, "integers from 1"),
        ("parallel", 0, "integers from 1"),
        ("partition", 3, "a name, or null"),
        ("memory", -1, "gigabytes above 0"),
        ("detach", "yes", "true and false"),
        ("setup", "module load cuda", "a list of shell commands"),
        ("extra", ["a"], "options of sbatch"),
    ],
)
def test_what_slurm_could_not_be_asked_for_is_refused(key, value, allowed):
    with pytest.raises(ConfigError, match=f"hydra.launcher.{key}=.*: allowed: {allowed}"):
        Settings(**{key: value}).check()


def test_what_is_asked_of_slurm():
    Settings().check()
    settings = Settings(
        partition="gpu", account="mine", constraint="a100", time=30, gpus=1, cpus=6, memory=1.5,
        parallel=2, setup=["module load cuda"], warning=60, extra={"mail-type": "FAIL"},
    )  # fmt: skip
    settings.check()
    asked = settings.for_submitit("name")
    expected = {
        "partition": "gpu", "account": "mine", "constraint": "a100", "time": 30,
        "gpus_per_node": 1, "cpus_per_task": 6, "mem": "1536M", "array_parallelism": 2,
        "setup": ["module load cuda"], "signal_delay_s": 60, "use_srun": True,
        "srun_args": ["--cpus-per-task=6"],
        "additional_parameters": {"requeue": True, "mail-type": "FAIL"},
    }  # fmt: skip
    assert expected.items() <= asked.items()
    assert "qos" not in asked
