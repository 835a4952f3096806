"""200 steps of everything that changes a step, against PyTorch or formulas written out, in float64.

What is tested is `step.train_step`: a network with one hidden layer, another batch at each step.
Weights may be apart by a share of how far training has moved them, which is what single precision
leaves; of every case the clipping or the projection is seen to take effect.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference as ref
import torch
from conftest import make_dataset, slow_but

from snnjax.config.schema import Config
from snnjax.config.split import Program, split
from snnjax.config.strict import convert
from snnjax.shapes import Problem, problem_of
from snnjax.step import Batch, Member, init_state, train_step

STEPS, ROWS = 200, 16
TOLERANCE = 3e-5

torch.set_num_threads(1)


@dataclass(frozen=True)
class Case:
    """Sections of the configuration, and the same by other means."""

    name: str
    sections: dict[str, dict[str, Any]]
    optimizer: Callable[..., Any]
    penalty: Callable[[Sequence[torch.Tensor]], Any] = lambda params: 0.0
    clip: Callable[[Sequence[torch.Tensor]], Any] = lambda params: None
    after: Callable[[Sequence[torch.Tensor], Sequence[torch.Tensor]], Any] = lambda p, before: None


def optimizer(name: str, theirs: Callable[..., Any], ours: str = "", **numbers: Any) -> Case:
    return Case(f"{name} {ours}".strip(), {"optimizer": {"name": name, **numbers}}, theirs)


def on_sgd(name: str, sections: dict[str, dict[str, Any]], **theirs: Any) -> Case:
    sgd = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.5}
    plain = partial(torch.optim.SGD, lr=0.1, momentum=0.5)
    return Case(name, {"optimizer": sgd, **sections}, plain, **theirs)


T = torch.optim
# The forms in which Keras differs from PyTorch, or is the first to have them.
KERAS = (
    optimizer(
        "sgd",
        ref.keras("SGD", learning_rate=0.05, momentum=0.8, nesterov=True),
        "nesterov, Keras",
        learning_rate=0.05,
        momentum=0.8,
        nesterov=True,
    ),
    optimizer(
        "adagrad",
        ref.keras("Adagrad", learning_rate=0.1, initial_accumulator_value=0.2, epsilon=0.01),
        "Keras",
        learning_rate=0.1,
        initial_accumulator_value=0.2,
        eps=0.01,
    ),
    optimizer(
        "rmsprop",
        ref.keras("RMSprop", learning_rate=0.002, rho=0.8, momentum=0.6, epsilon=1e-3),
        "Keras",
        learning_rate=0.002,
        decay=0.8,
        momentum=0.6,
        eps=1e-3,
        eps_in_sqrt=True,
    ),
    optimizer(
        "nadam",
        ref.keras("Nadam", learning_rate=0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-3),
        "Keras",
        learning_rate=0.01,
        b1=0.8,
        b2=0.95,
        eps=1e-3,
        momentum_decay=1.0,
    ),
    optimizer(
        "adadelta",
        ref.keras("Adadelta", learning_rate=0.5, rho=0.8, epsilon=1e-4),
        "Keras",
        learning_rate=0.5,
        rho=0.8,
        eps=1e-4,
    ),
    optimizer(
        "adamax",
        ref.keras("Adamax", learning_rate=0.01, beta_1=0.7, beta_2=0.9, epsilon=1e-8),
        "Keras",
        learning_rate=0.01,
        b1=0.7,
        b2=0.9,
    ),
    optimizer(
        "adamw",
        ref.keras("AdamW", learning_rate=0.01, weight_decay=0.5, epsilon=1e-8),
        "Keras",
        learning_rate=0.01,
        weight_decay=0.5,
    ),
    optimizer(
        "lion",
        ref.keras("Lion", learning_rate=0.002, beta_1=0.7, beta_2=0.9, weight_decay=0.3),
        "Keras",
        learning_rate=0.002,
        b1=0.7,
        b2=0.9,
        weight_decay=0.3,
    ),
)
CASES = (
    optimizer("sgd", partial(T.SGD, lr=0.1), learning_rate=0.1),
    optimizer(
        "sgd", partial(T.SGD, lr=0.05, momentum=0.9), "momentum", learning_rate=0.05, momentum=0.9
    ),
    optimizer(
        "sgd",
        partial(T.SGD, lr=0.05, momentum=0.8, nesterov=True),
        "nesterov",
        learning_rate=0.05,
        momentum=0.8,
        nesterov=True,
    ),
    optimizer(
        "adagrad",
        partial(T.Adagrad, lr=0.1, initial_accumulator_value=0.1, eps=1e-7),
        learning_rate=0.1,
    ),
    optimizer(
        "adagrad",
        ref.written(ref.adagrad, rate=0.1, start=0.0, eps=0.01),
        "from nothing, eps in the root",
        learning_rate=0.1,
        initial_accumulator_value=0.0,
        eps=0.01,
    ),
    optimizer("rmsprop", partial(T.RMSprop, lr=0.005, alpha=0.9, eps=1e-7), learning_rate=0.005),
    optimizer(
        "rmsprop",
        partial(T.RMSprop, lr=0.002, alpha=0.8, eps=0.01, momentum=0.7),
        "momentum",
        learning_rate=0.002,
        decay=0.8,
        eps=0.01,
        momentum=0.7,
    ),
    optimizer(
        "rmsprop",
        partial(T.RMSprop, lr=0.005, alpha=0.9, eps=0.01, centered=True),
        "centred",
        learning_rate=0.005,
        eps=0.01,
        centered=True,
    ),
    optimizer(
        "rmsprop",
        ref.written(ref.rmsprop, rate=0.005, decay=0.9, eps=0.01, centered=False, momentum=0.0),
        "eps in the root",
        learning_rate=0.005,
        eps=0.01,
        eps_in_sqrt=True,
    ),
    optimizer(
        "rmsprop",
        ref.written(ref.rmsprop, rate=0.002, decay=0.8, eps=1e-3, centered=True, momentum=0.6),
        "centred, eps in the root, momentum",
        learning_rate=0.002,
        decay=0.8,
        eps=1e-3,
        eps_in_sqrt=True,
        centered=True,
        momentum=0.6,
    ),
    optimizer("adam", partial(T.Adam, lr=0.01), learning_rate=0.01),
    optimizer(
        "adam",
        partial(T.Adam, lr=0.02, betas=(0.8, 0.95), eps=0.01),
        "other numbers",
        learning_rate=0.02,
        b1=0.8,
        b2=0.95,
        eps=0.01,
    ),
    optimizer("adamw", partial(T.AdamW, lr=0.01, weight_decay=0.01), learning_rate=0.01),
    optimizer(
        "adamw",
        partial(T.AdamW, lr=0.01, weight_decay=0.5),
        "strong decay",
        learning_rate=0.01,
        weight_decay=0.5,
    ),
    optimizer(
        "nadam",
        ref.written(ref.nadam, rate=0.01, b1=0.9, b2=0.999, eps=1e-7),
        "constant",
        learning_rate=0.01,
    ),
    optimizer(
        "nadam",
        partial(T.NAdam, lr=0.01, eps=1e-7, momentum_decay=0.004),
        "warmed up",
        learning_rate=0.01,
        momentum_decay=0.004,
    ),
    optimizer(
        "nadam",
        partial(T.NAdam, lr=0.01, betas=(0.8, 0.95), eps=0.01, momentum_decay=0.1),
        "warmed up, other numbers",
        learning_rate=0.01,
        b1=0.8,
        b2=0.95,
        eps=0.01,
        momentum_decay=0.1,
    ),
    optimizer("adamax", partial(T.Adamax, lr=0.01), learning_rate=0.01),
    optimizer(
        "adamax",
        partial(T.Adamax, lr=0.01, betas=(0.7, 0.9), eps=0.01),
        "other numbers",
        learning_rate=0.01,
        b1=0.7,
        b2=0.9,
        eps=0.01,
    ),
    optimizer("adadelta", partial(T.Adadelta, lr=1.0, rho=0.95, eps=1e-6)),
    optimizer(
        "adadelta",
        partial(T.Adadelta, lr=0.5, rho=0.8, eps=1e-4),
        "other numbers",
        learning_rate=0.5,
        rho=0.8,
        eps=1e-4,
    ),
    optimizer(
        "lion",
        ref.written(ref.lion, rate=0.002, b1=0.9, b2=0.99, decay=0.0),
        learning_rate=0.002,
    ),
    optimizer(
        "lion",
        ref.written(ref.lion, rate=0.002, b1=0.7, b2=0.9, decay=0.3),
        "decay",
        learning_rate=0.002,
        b1=0.7,
        b2=0.9,
        weight_decay=0.3,
    ),
    optimizer(
        "muon",
        ref.written(
            ref.muon, rate=0.01, beta=0.95, eps=1e-8, decay=0.0, b1=0.9, b2=0.999, nesterov=True
        ),
        learning_rate=0.01,
    ),
    optimizer(
        "muon",
        ref.written(
            ref.muon, rate=0.01, beta=0.8, eps=1e-6, decay=0.2, b1=0.8, b2=0.99, nesterov=False
        ),
        "decay, no nesterov",
        learning_rate=0.01,
        beta=0.8,
        eps=1e-6,
        weight_decay=0.2,
        adam_b1=0.8,
        adam_b2=0.99,
        nesterov=False,
    ),
    optimizer(
        "optax",
        partial(T.RAdam, lr=0.02, betas=(0.8, 0.95), eps=1e-6),
        "radam",
        function="radam",
        learning_rate=0.02,
        arguments={"b1": 0.8, "b2": 0.95, "eps": 1e-6},
    ),
    *KERAS,
    on_sgd(
        "l1",
        {"regularization": {"l1": 0.02}},
        penalty=lambda params: 0.02 * sum(p.abs().sum() for p in params if p.ndim == 2),
    ),
    on_sgd(
        "l2",
        {"regularization": {"l2": 0.02}},
        penalty=lambda params: 0.02 * sum((p * p).sum() for p in params if p.ndim == 2),
    ),
    on_sgd(
        "decay",
        {"regularization": {"decay": 0.1}},
        after=lambda params, before: ref.shrink(params, before, 0.1 * 0.1),
    ),
    on_sgd(
        "max norm",
        {"regularization": {"max_norm": 0.7}},
        after=lambda params, before: ref.project(params, 0.7),
    ),
    on_sgd(
        "max norm, Keras",
        {"regularization": {"max_norm": 0.7}},
        after=lambda params, before: ref.keras_max_norm(params, 0.7),
    ),
    on_sgd(
        "clip by value",
        {"clip": {"value": 0.05}},
        clip=lambda params: torch.nn.utils.clip_grad_value_(params, 0.05),
    ),
    on_sgd(
        "clip by norm",
        {"clip": {"norm": 0.3}},
        clip=lambda params: torch.nn.utils.clip_grad_norm_(params, 0.3),
    ),
    on_sgd(
        "clip by layer",
        {"clip": {"layer_norm": 0.1}},
        clip=lambda params: ref.clip_layers(params, 0.1),
    ),
    on_sgd(
        "clip by unit",
        {"clip": {"adaptive": 0.1}},
        clip=lambda params: ref.clip_units(params, 0.1),
    ),
)


# Of each optimizer the form with most numbers that differ from its defaults.
QUICK = {
    *("sgd nesterov", "adagrad from nothing, eps in the root", "adam other numbers"),
    *("rmsprop centred", "rmsprop centred, eps in the root, momentum", "adamw strong decay"),
    *("nadam constant", "nadam warmed up, other numbers", "adamax other numbers"),
    *("adadelta other numbers", "lion decay", "muon decay, no nesterov", "optax radam"),
    *("l1", "l2", "decay", "max norm", "clip by value", "clip by norm"),
    *("clip by layer", "clip by unit"),
}


def test_the_quick_cases_are_cases() -> None:
    assert {case.name for case in CASES} >= QUICK


@pytest.mark.parametrize(
    "case",
    slow_but(CASES, *(place for place, case in enumerate(CASES) if case.name in QUICK)),
    ids=lambda case: case.name,
)
def test_200_steps(case: Case) -> None:
    ours, sums = run(case.sections)
    theirs = run_reference(case)
    begin = initial()
    moved = max(np.abs(b - a).max() for a, b in zip(begin, theirs, strict=True))
    assert moved > 0.1  # else nothing is compared
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=TOLERANCE * moved)
    if "clip" in case.sections:
        clipped = np.asarray(sums["clipped"])
        assert 20 < clipped.sum() <= STEPS
        assert np.all(np.asarray(sums["gradient_norm"]) > 0)


def test_projection_and_decay_change_something() -> None:
    """The cases above would pass without either, were their thresholds never reached."""
    plain = run(on_sgd("", {}).sections)[0]
    for case in CASES:
        if {"regularization", "clip"} & set(case.sections):
            other = run(case.sections)[0]
            assert max(np.abs(a - b).max() for a, b in zip(plain, other, strict=True)) > 0.01


def run(sections: dict[str, Any]) -> tuple[list[np.ndarray], dict[str, jax.Array]]:
    """Train with the package; return the weights, and the sums of every step."""
    program, member = split(convert(Config, MODEL | sections))
    state, sums = trained(program, problem(), member, batches())
    return flat(state.network.params), sums


@partial(jax.jit, static_argnums=(0, 1))
def trained(program: Program, problem: Problem, member: Member, batches: Batch) -> Any:
    state = init_state(program, problem, member)
    step = partial(train_step, program, problem, member)
    return jax.lax.scan(step, state, batches)


MODEL = {
    "seed": 3,
    "data": {"name": "sklearn_linnerud"},
    "model": {"depth": 1, "width": 5, "activation": "tanh", "dropout": 0.0},
}


@cache
def problem() -> Problem:
    return problem_of([make_dataset(features=3, classes=2, task="regression")])


@cache
def batches() -> Batch:
    """Return noisy functions of the inputs: gradients change from step to step."""
    random = np.random.default_rng(0)
    x = random.normal(size=(STEPS, ROWS, 3)).astype(np.float32)
    y = np.stack([np.sin(2 * x[..., 0]), x[..., 1] * x[..., 2]], -1)
    y = (y + 0.3 * random.normal(size=y.shape)).astype(np.float32)
    return Batch(jnp.asarray(x), jnp.asarray(y), jnp.ones((STEPS, ROWS), bool))


def flat(params: Any) -> list[np.ndarray]:
    layers = (params["hidden"][0]["linear"], params["output"])
    return [np.asarray(layer[name], np.float64) for layer in layers for name in ("kernel", "bias")]


@cache
def initial() -> list[np.ndarray]:
    program, member = split(convert(Config, MODEL))
    return flat(init_state(program, problem(), member).network.params)


def run_reference(case: Case) -> list[np.ndarray]:
    params = [torch.tensor(leaf, requires_grad=True) for leaf in initial()]
    optimizer = case.optimizer(params)
    rows = (np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(batches()))
    for x, y, _ in zip(*rows, strict=True):
        hidden = torch.tanh(torch.tensor(x) @ params[0] + params[1])
        errors = hidden @ params[2] + params[3] - torch.tensor(y)
        for param in params:
            param.grad = None
        ((errors**2).mean() + case.penalty(params)).backward()
        case.clip(params)
        before = [param.detach().clone() for param in params]
        optimizer.step()
        case.after(params, before)
    return [param.detach().numpy() for param in params]
