"""Work, memory and hours of sweeps, against what is counted by hand, traced, and trained."""

import json
from collections import Counter
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from conftest import QUIET

from snnjax import compilation
from snnjax.config.errors import ConfigError
from snnjax.config.optimization import AdamConfig, SgdConfig
from snnjax.config.overrides import check_overrides
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.data.load import load
from snnjax.experiment import Means, Run
from snnjax.plan.__main__ import main
from snnjax.plan.estimate import Estimate, Place
from snnjax.plan.groups import group
from snnjax.plan.jobs import Jobs, read_jobs
from snnjax.plan.machines import Asked, place_of, rates_of
from snnjax.plan.measured import rates_from
from snnjax.plan.rates import write
from snnjax.plan.work import FEATURES, PER_DISPATCH, Work, total, work_of
from snnjax.shapes import problem_of
from snnjax.step import init_state
from snnjax.sweep import run_sweep

WINE = Config(
    data=DataConfig(name="sklearn_wine"),
    model=ModelConfig(depth=1, width=8),
    training=TrainingConfig(epochs=3, batch_size=50),
    logging=QUIET,
)


def test_the_work_of_a_run_is_what_one_counts_by_hand():
    data = load(WINE.data)
    rows = {name: len(own) for name, own in data.rows.items()}
    assert rows == {"train": 121, "validation": 21, "test": 36}
    work = work_of(split(WINE)[0], problem_of([data]), data, epochs=3)
    weights = 13 * 8 + 8 * 3
    # Three batches of 50 an epoch; forward, the weights' gradient, and that of the last inputs.
    assert work.training == 3 * 3 * 50 * (2 * weights + 2 * weights + 2 * 8 * 3)
    # Splits in blocks: validation 21 in one of 21, the others in as many of these as they need.
    evaluated = 3 * 21 + 121 // 256 * 256 + -(-121 // 32) * 32 + 21 + 36
    assert work.evaluation == pytest.approx(2 * weights * evaluated, rel=0.1)
    amounts = dict(zip(FEATURES, work.amounts, strict=True))
    assert (amounts["epochs"], amounts["steps"], amounts["layer_steps"]) == (3, 9, 18)
    assert sum(amounts[n] for n in FEATURES if n.startswith("flops")) == pytest.approx(
        work.training + work.evaluation
    )


def test_members_in_lockstep_take_their_steps_together():
    draw = np.random.default_rng(0)
    works = [(Work(draw.random(len(FEATURES)), 0, 0), count) for count in (3, 1, 2)]
    each = np.repeat([own.amounts for own, _ in works], [3, 1, 2], axis=0)
    assert total(works) == pytest.approx(each.sum(0))
    alone = len(PER_DISPATCH)
    by_four = total(works, lanes=4)
    assert by_four[:alone] == pytest.approx((each[:4].max(0) + each[4:].max(0))[:alone])
    assert by_four[alone:] == pytest.approx(each.sum(0)[alone:])


def estimate_of(rates, *configs: tuple[Config, int], **place: int) -> Estimate:
    groups, failed = group(configs)
    assert not failed
    runs = sum(count for _, count in configs)
    return Estimate(Jobs([*configs], failed, runs, len(configs)), [groups], rates, Place(**place))


@pytest.mark.parametrize(
    "config",
    [
        replace(WINE, optimizer=AdamConfig()),
        replace(WINE, optimizer=SgdConfig(momentum=0.9)),
        replace(WINE, model=replace(WINE.model, norm="batch", activation="relu", width=32)),
    ],
    ids=["adam", "momentum", "batch norm"],
)
def test_the_memory_of_members_is_that_of_their_states(rates, config):
    estimate = estimate_of(rates, (config, 8))
    (one, *_) = estimate.populations
    program, member = split(config)
    problem = problem_of([load(config.data)])
    state = jax.eval_shape(partial(init_state, program, problem), member)
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    network = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state.network))
    memory = estimate.memory_of(one)
    assert memory.params == memory.best
    # Beside them are single numbers: of padding, of steps.
    assert 0 <= network - memory.params // one.size <= 16
    assert 0 <= held - network - memory.optimizer // one.size <= 16


def test_time_is_the_sum_of_its_parts(rates):
    estimate = estimate_of(rates, (WINE, 8))
    work = work_of(split(WINE)[0], problem_of([load(WINE.data)]), load(WINE.data), 3)
    one = 9e-3 + (work.training + work.evaluation) * 1e-9 + 0.01 + 3 * 0.001
    assert estimate.training_seconds == pytest.approx(8 * one)
    assert estimate.compile_seconds == pytest.approx(1 + (2 + 2 * 0.5) + 1)
    assert estimate.start_seconds == pytest.approx(5 + 8 * 0.1)
    assert estimate.disk[0] == pytest.approx(8 * (1e5 + 3 * 1e3))


@pytest.mark.parametrize(("nodes", "cores"), [(1, 1), (1, 4), (3, 2)])
def test_tasks_share_all_runs(rates, nodes, cores):
    deep = replace(WINE, model=replace(WINE.model, depth=2))
    estimate = estimate_of(rates, (WINE, 40), (deep, 30), nodes=nodes, cores=cores)
    assert sum(task.runs for task in estimate.tasks) == estimate.runs == 70
    assert len(estimate.tasks) <= nodes
    longest = max(task.seconds for task in estimate.tasks)
    assert longest >= estimate.training_seconds / (nodes * cores)
    assert longest <= (estimate.training_seconds + estimate.compile_seconds) * (1 + 1e-9)


def test_batches_follow_one_another(rates):
    groups, _ = group([(WINE, 40)])
    jobs = Jobs([(WINE, 40)] * 2, Counter(), 80, 1, (1, 1))
    assert jobs.batches() == [[(WINE, 40)]] * 2
    place = Place(nodes=2, cores=2)
    both, one = (Estimate(jobs, [groups] * n, rates, place) for n in (2, 1))
    assert both.stages == [*one.stages, *one.stages]
    begin = one.start_seconds
    assert 3600 * both.hours - begin == pytest.approx(2 * (3600 * one.hours - begin))


def test_accelerators_train_in_lockstep(rates):
    estimate = estimate_of(rates, (WINE, 100), gpus=1, memory=10**9)
    assert len(estimate.populations) == 1
    seconds = estimate.training_seconds - 100 * (0.01 + 3 * 0.001)
    flops = sum(estimate.flops)
    assert seconds == pytest.approx(9e-3 + flops * 1e-9)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"nodes": "0"}, "nodes=0: out of range; allowed: integers from 1"),
        ({"rate": "fast"}, "rate=fast: out of range; allowed: numbers above 0"),
        ({"gpus": "2"}, "gpus=2: nothing is known of such accelerators"),
        ({"gpus": "2", "rate": "1e13"}, "gpus=2: how much memory"),
    ],
)
def test_machines_that_are_not_known_are_refused(rates, tmp_path, own, said):
    file = tmp_path / "calibration.json"
    write(file, rates)
    with pytest.raises(ConfigError, match=said):
        place_of(asked := Asked.read(own, file), rates_of(asked))


def test_a_rate_is_enough_for_accelerators(rates, tmp_path):
    file = tmp_path / "calibration.json"
    write(file, rates)
    asked = Asked.read({"gpus": "2", "nodes": "3", "rate": "1e13", "memory": "80"}, file)
    known = rates_of(asked)
    assert known.seconds["flops_32"] == 1e-13
    assert (known.seconds["steps"], known.run) == (0, rates.run)
    place = place_of(asked, known)
    assert (place.tasks, place.workers, place.memory) == (6, 1, 80 * 10**9)


def test_the_command_prints_what_a_sweep_takes(rates, tmp_path, capsys):
    file = tmp_path / "calibration.json"
    write(file, rates)
    told = ["+sweep=quickstart", "nodes=2", "--calibration", str(file)]
    assert main(told) == 0
    assert "6 of 2 trials on 1 data set" in capsys.readouterr().out
    assert main([*told, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["runs"], content["networks"]) == (6, 2)
    assert main(["model.widht=3", "--calibration", str(file)]) == 2
    assert "did you mean model.width?" in capsys.readouterr().err


@pytest.mark.slow
def test_a_trained_sweep_is_what_was_told(rates, tmp_path, monkeypatch):
    """Populations and programs are those of the account; its own seconds give its time."""
    for name, empty in {"_known": {}, "_begun": []}.items():  # as in a process of its own
        monkeypatch.setattr(compilation, name, empty)
    overrides = ["data.name=sklearn_wine,sklearn_iris", "model.depth=1,2", "seed=0,1,2"]
    overrides += ["model.width=8", "training.epochs=5", "logging=quiet"]
    told = read_jobs(check_overrides(overrides), True)
    configs = [c for c, _ in read_jobs(check_overrides(overrides), True, alike=False).kinds]
    runs = [
        Run(replace(config, logging=QUIET), tmp_path / str(n)) for n, config in enumerate(configs)
    ]
    account = run_sweep(runs, tmp_path, Means(workers=1)).account
    groups, _ = group(told.kinds)
    estimate = Estimate(told, [groups], rates, Place())
    assert account["populations"] == len(estimate.populations)
    assert account["programs"] == estimate.compilations.total()
    for run in runs:
        (run.folder / ".hydra").mkdir()
    measured = Estimate(told, [groups], rates_from(tmp_path, rates), Place())
    spent = [json.loads(path.read_text()) for path in tmp_path.glob("*/result.json")]
    seconds = sum(result["training_seconds"] for result in spent)
    assert measured.training_seconds == pytest.approx(seconds, rel=0.5)
