"""What rows, classes and labels weigh in training: against PyTorch and scikit-learn."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from conftest import make_dataset
from scipy.special import expit, softmax
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from snnjax import population
from snnjax.arrays import Arrays, class_weights, lay_out
from snnjax.config.optimization import LossConfig, SgdConfig
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import Program, split
from snnjax.config.strict import convert
from snnjax.data.dataset import Dataset
from snnjax.evaluation import gather, weigh
from snnjax.metrics import average_loss
from snnjax.shapes import Problem, column_class, problem_of
from snnjax.step import apply, init_state, mean_loss, train_step
from snnjax.strategy import Strategy

STEPS, ROWS, USED, OUTPUTS = 50, 32, 27, 3
TOLERANCE = 3e-5  # of the largest distance that a weight has moved
LIST = (0.5, 2.0, 3.0)
MODEL = {
    "model": {"depth": 1, "width": 5, "activation": "tanh", "dropout": 0.0},
    "optimizer": {"name": "sgd", "learning_rate": 0.2, "momentum": 0.5},
}


@dataclass(frozen=True)
class Case:
    """Weights of the loss, and the same loss in PyTorch: of outputs, targets, weights of rows."""

    task: str
    weights: Any
    has_rows: bool
    theirs: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def data_of(case: Case) -> Dataset:
    """Make a set whose classes differ in size."""
    data = make_dataset(features=4, classes=OUTPUTS, task=case.task)
    if not case.has_rows:
        return data
    weights = np.random.default_rng(1).integers(0, 4, len(data.features)) / 2
    return replace(data, weights=weights.astype(np.float32))


def balanced(task: str) -> torch.Tensor:
    """Return scikit-learn's weights: (classes,), or of labels (2, labels)."""
    data = make_dataset(features=4, classes=OUTPUTS, task=task)
    targets = data.targets[data.rows["train"]]
    if task == "classification":
        weights = compute_class_weight("balanced", classes=np.arange(OUTPUTS), y=targets)
        return torch.tensor(weights)
    columns = []
    for column in targets.T:
        present = column[~np.isnan(column)]
        columns.append(compute_class_weight("balanced", classes=np.array([0.0, 1.0]), y=present))
    return torch.tensor(np.stack(columns, 1))


def classes(weights: torch.Tensor) -> Callable[..., torch.Tensor]:
    return lambda x, y, rows: torch.nn.CrossEntropyLoss(weight=weights.double())(x, y)


def classes_and_rows(x: torch.Tensor, y: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    weights = rows * balanced("classification")[y]
    return (weights * functional.cross_entropy(x, y, reduction="none")).sum() / weights.sum()


def labels(
    x: torch.Tensor, y: torch.Tensor, rows: torch.Tensor, by_kind: torch.Tensor | None = None
) -> torch.Tensor:
    mask = (~y.isnan()).double() * rows[:, None]
    known = y.nan_to_num()
    if by_kind is not None:
        mask = mask * torch.where(known > 0.5, by_kind[1], by_kind[0])
    loss = torch.nn.BCEWithLogitsLoss(weight=mask, reduction="sum")
    return loss(x, known) / mask.sum()


def smoothed(x: torch.Tensor, y: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return labels(x, 0.8 * y + 0.1, rows)


def squares(x: torch.Tensor, y: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return (rows * ((x - y) ** 2).mean(1)).sum() / rows.sum()


CASES = {
    "balanced": Case("classification", "balanced", False, classes(balanced("classification"))),
    "list": Case("classification", LIST, False, classes(torch.tensor(LIST))),
    "balanced and rows": Case("classification", "balanced", True, classes_and_rows),
    "regression": Case("regression", None, True, squares),
    "labels": Case("multilabel", None, False, labels),
    "labels and rows": Case("multilabel", None, True, labels),
    "balanced labels and rows": Case(
        "multilabel", "balanced", True, partial(labels, by_kind=balanced("multilabel"))
    ),
    "smoothed labels": Case("multilabel", None, False, smoothed),
}


QUICK = ("balanced and rows", "regression", "balanced labels and rows")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in CASES]
)
def test_50_steps(name: str) -> None:
    case, data = CASES[name], data_of(CASES[name])
    loss = {"class_weights": case.weights} | (
        {"label_smoothing": 0.2} if name.startswith("smoothed") else {}
    )
    program, member = split(convert(Config, MODEL | {"loss": loss}))
    layout = lay_out(data)
    arrays = Arrays(layout.table, layout.views[0])
    random = np.random.default_rng(2)
    chosen = random.choice(data.rows["train"], (STEPS, ROWS))
    begin, end, losses = trained(program, layout.problem, member, arrays, jnp.asarray(chosen))
    params = [torch.tensor(leaf, requires_grad=True) for leaf in flat(begin)]
    optimizer = torch.optim.SGD(params, lr=0.2, momentum=0.5)
    kind = torch.int64 if case.task == "classification" else torch.float64
    for rows, mine in zip(chosen[:, :USED], np.asarray(losses), strict=True):
        hidden = torch.tanh(torch.tensor(data.features[rows]).double() @ params[0] + params[1])
        weights = torch.ones(USED) if data.weights is None else torch.tensor(data.weights[rows])
        targets = torch.tensor(data.targets[rows]).to(kind)
        theirs = case.theirs(hidden @ params[2] + params[3], targets, weights.double())
        assert mine == pytest.approx(theirs.item(), rel=1e-4)
        optimizer.zero_grad()
        theirs.backward()
        optimizer.step()
    moved = max(
        np.abs(a - b.detach().numpy()).max() for a, b in zip(flat(begin), params, strict=True)
    )
    assert moved > 0.5
    for ours, other in zip(flat(end), params, strict=True):
        np.testing.assert_allclose(ours, other.detach(), rtol=0, atol=TOLERANCE * moved)


@partial(jax.jit, static_argnums=(0, 1))
def trained(program: Program, problem: Problem, member: Any, arrays: Arrays, rows: Any) -> Any:
    begin = init_state(program, problem, member)

    def step(state: Any, rows: jax.Array) -> Any:
        batch = weigh(program, arrays, rows, gather(arrays, rows, jnp.arange(ROWS) < USED))
        state, sums = train_step(program, problem, member, state, batch)
        return state, average_loss(sums)

    end, losses = jax.lax.scan(step, begin, rows)
    return begin.network.params, end.network.params, losses


def flat(params: Any) -> list[np.ndarray]:
    layers = (params["hidden"][0]["linear"], params["output"])
    return [np.asarray(layer[name], np.float64) for layer in layers for name in ("kernel", "bias")]


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_balanced_weights_are_scikit_learns(task: str) -> None:
    data = make_dataset(features=4, classes=OUTPUTS, task=task)
    np.testing.assert_allclose(class_weights(data), balanced(task))


def test_a_class_without_training_rows_leaves_the_others_as_they_are() -> None:
    data = make_dataset(classes=4)
    train = data.targets[data.rows["train"]]
    targets = np.where(data.targets == 2, 1, data.targets).astype(np.int32)
    wanted = compute_class_weight(
        "balanced", classes=np.array([0, 1, 3]), y=np.where(train == 2, 1, train)
    )
    found = class_weights(replace(data, targets=targets))
    np.testing.assert_allclose(found[[0, 1, 3]], wanted)
    assert found[2] == 1


def test_the_weighted_loss_is_scikit_learns() -> None:
    data = data_of(CASES["balanced and rows"])
    rows = data.rows["train"]
    program, member = split(convert(Config, MODEL))
    layout = lay_out(data)
    arrays, problem = Arrays(layout.table, layout.views[0]), layout.problem
    network = init_state(program, problem, member).network
    batch = weigh(program, arrays, rows, gather(arrays, rows, jnp.ones(len(rows), bool)))
    loss, _ = mean_loss(program, problem, *network, batch, member, None)
    probabilities = predicted(program, problem, network, batch.inputs)
    wanted = log_loss(data.targets[rows], probabilities, sample_weight=data.weights[rows])
    assert float(loss) == pytest.approx(wanted, rel=1e-5)


def predicted(program: Program, problem: Problem, network: Any, inputs: Any) -> np.ndarray:
    outputs, _ = apply(program, problem, network, jnp.asarray(inputs), None)
    return np.asarray(softmax(np.asarray(outputs, np.float64), 1))


def test_weighted_and_unweighted_sets_do_not_share() -> None:
    data = data_of(CASES["regression"])
    assert column_class(data) != column_class(replace(data, weights=None))


def test_rows_that_weigh_nothing_teach_nothing() -> None:
    data = data_of(CASES["regression"])
    program, member = split(convert(Config, MODEL))
    layout = lay_out(replace(data, weights=np.zeros_like(data.weights)))
    rows = jnp.zeros((STEPS, ROWS), jnp.int32)
    arrays = Arrays(layout.table, layout.views[0])
    begin, end, losses = trained(program, layout.problem, member, arrays, rows)
    for one, other in zip(flat(begin), flat(end), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.array_equal(losses, np.zeros(STEPS))


def config(seed: int) -> Config:
    return Config(
        seed=seed,
        model=ModelConfig(depth=1, width=12, dropout=0.1),
        optimizer=SgdConfig(learning_rate=0.05 + 0.03 * seed),
        loss=LossConfig(class_weights="balanced"),
        training=TrainingConfig(epochs=5, batch_size=32, patience=3, min_gain=1e-3),
    )


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 3])
def test_folds_in_one_population_have_the_weights_of_their_own_rows(lanes: int) -> None:
    folds = [make_dataset(features=6, counts=(200 - 3 * n, 50 + n, 47), seed=n) for n in range(3)]
    weights = [class_weights(data) for data in folds]
    assert not np.allclose(weights[0], weights[1])
    assert_as_alone(folds, lanes)


SETS = (
    make_dataset(features=5, classes=2, seed=1, task="multilabel"),
    make_dataset(rows=90, features=9, classes=4, counts=(30, 20, 40), seed=2, task="multilabel"),
)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 2])
def test_sets_of_different_labels_in_one_population_are_as_alone(lanes: int) -> None:
    """Padded labels are missing ones."""
    assert lay_out(*SETS).problem.is_padded
    assert column_class(SETS[0]) == column_class(SETS[1])
    assert_as_alone(list(SETS), lanes)


def test_a_run_on_labels_is_scored_over_those_that_are_there() -> None:
    program, member = split(config(0))
    assert_unweighted(program, SETS[1], population.train(program, [member], lay_out(SETS[1])))


def assert_as_alone(sets: list[Dataset], lanes: int) -> None:
    programs, members = zip(*(split(config(seed)) for seed in range(len(sets))), strict=True)
    records: list[Any] = []
    layout = lay_out(*sets)
    together = population.train(
        programs[0], members, layout, records.append,
        sets=range(len(sets)), strategy=Strategy(lanes),
    )  # fmt: skip
    for number, data in enumerate(sets):
        curve: list[Any] = []
        single = population.train(programs[0], [members[number]], lay_out(data), curve.append)
        (alone,), ours = single.outcomes, together.outcomes[number]
        assert (ours.epochs, ours.best_epoch) == (alone.epochs, alone.best_epoch)
        mine = [record.metrics for record in records if record.member == number]
        theirs = [record.metrics for record in curve]
        pairs = zip([*mine, ours.metrics, ours.areas], [*theirs, alone.metrics, alone.areas],
                    strict=True)  # fmt: skip
        for one, other in pairs:
            assert one.keys() == other.keys()
            for name in other:
                assert one[name] == pytest.approx(other[name], rel=2e-4, nan_ok=True)
        assert_unweighted(programs[0], data, single)


def assert_unweighted(program: Program, data: Dataset, trained: population.Trained) -> None:
    """Compare the reported metrics with scikit-learn's on the network's own outputs."""
    network = jax.tree.map(lambda leaf: leaf[0], trained.state.best)
    (outcome,), problem = trained.outcomes, problem_of([data])
    for name, rows in data.rows.items():
        metrics, targets = outcome.metrics[name], data.targets[rows]
        if data.task == "classification":
            wanted = log_loss(targets, predicted(program, problem, network, data.features[rows]))
            assert metrics["loss"] == pytest.approx(wanted, rel=1e-5)
            continue
        logits, _ = apply(program, problem, network, jnp.asarray(data.features[rows]), None)
        known = ~np.isnan(targets)
        scores = np.asarray(logits, np.float64)
        of_one = expit(scores[known])
        assert metrics["loss"] == pytest.approx(log_loss(targets[known], of_one), rel=1e-5)
        assert metrics["accuracy"] == pytest.approx(accuracy_score(targets[known], of_one > 0.5))
        areas = {
            task: roc_auc_score(targets[known[:, n], n], scores[known[:, n], n])
            for n, task in enumerate(data.tasks)
            if len(np.unique(targets[known[:, n], n])) == 2
        }
        assert {task: area for task, area in outcome.areas[name].items() if area == area} == (
            pytest.approx(areas)
        )
        assert metrics["roc_auc"] == pytest.approx(np.mean([*areas.values()]))
