"""Schedules against PyTorch's over their whole length, in steps and in epochs."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as theirs

from snnjax.config.optimization import (
    ConstantConfig,
    CosineConfig,
    ExponentialConfig,
    LinearConfig,
    OneCycleConfig,
    PiecewiseConfig,
    PlateauConfig,
    PowerConfig,
    ScheduleConfig,
)
from snnjax.config.schema import Config
from snnjax.config.split import split
from snnjax.optim.plateau import begin, observe
from snnjax.optim.schedules import Pace, momentum_of, rate_factor
from snnjax.step import numbers_of

EPOCH_STEPS, EPOCHS, RATE = 7, 60, 0.1


@dataclass(frozen=True)
class Case:
    """A schedule, and how PyTorch makes the same one for a training of so many units."""

    config: Any
    numbers: dict[str, Any]
    make: Callable[..., Any]

    @property
    def name(self) -> str:
        return " ".join(map(str, (self.config().name, *self.numbers.values())))


def written(formula: Callable[[int], float]) -> Callable[..., Any]:
    return lambda optimizer, length: theirs.LambdaLR(optimizer, formula)


def warmed_up(steps: int, then: Callable[..., Any]) -> Callable[..., Any]:
    """Begin with a rise of so many steps."""

    def make(optimizer: Any, length: int) -> Any:
        rise = theirs.LinearLR(optimizer, 1 / (steps + 1), total_iters=steps)
        after = then(optimizer, length - steps)
        return theirs.SequentialLR(optimizer, [rise, after], [steps])

    return make


def decaying(optimizer: Any, length: int) -> Any:
    return theirs.CosineAnnealingLR(optimizer, length, eta_min=0.1 * RATE)


def falling(optimizer: Any, length: int) -> Any:
    return theirs.LinearLR(optimizer, 1.0, 0.2, total_iters=length)


def restarted(first: int, factor: int, minimum: float = 0.0) -> Callable[..., Any]:
    return lambda optimizer, length: theirs.CosineAnnealingWarmRestarts(
        optimizer, first, factor, minimum * RATE
    )


def stretched(time: int) -> float:
    """Restart after 8, and after each period one 1.5 times as long."""
    length, begin = 8.0, 0.0
    while begin + length <= time:
        begin, length = begin + length, length * 1.5
    return (1 + math.cos(math.pi * (time - begin) / length)) / 2


CASES = (
    Case(PowerConfig, {"time": 5.0}, written(lambda t: 1 / (1 + t / 5))),
    Case(PowerConfig, {"time": 12.5, "power": 0.5}, written(lambda t: (1 + t / 12.5) ** -0.5)),
    Case(
        ExponentialConfig,
        {"time": 20.0},
        lambda optimizer, length: theirs.ExponentialLR(optimizer, 0.1 ** (1 / 20)),
    ),
    Case(
        PiecewiseConfig,
        {"time_1": 10.0, "time_2": 25.0, "time_3": 45.0}
        | {"factor_1": 0.3, "factor_2": 0.3, "factor_3": 0.3},
        lambda optimizer, length: theirs.MultiStepLR(optimizer, [10, 25, 45], 0.3),
    ),
    Case(
        PiecewiseConfig,
        {"time_1": 9.5, "factor_1": 0.5, "time_2": 20.0, "factor_2": 3.0},
        written(lambda t: (0.5 if t >= 10 else 1) * (3 if t >= 20 else 1)),
    ),
    Case(CosineConfig, {"minimum": 0.1}, decaying),
    Case(CosineConfig, {"minimum": 0.1, "warmup": 8.0}, warmed_up(8, decaying)),
    Case(CosineConfig, {"time": 7.0}, restarted(7, 1)),
    Case(CosineConfig, {"time": 3.0, "minimum": 0.2}, restarted(3, 1, 0.2)),
    Case(CosineConfig, {"time": 4.0, "stretch": 2.0}, restarted(4, 2)),
    Case(CosineConfig, {"time": 1.0, "stretch": 3.0}, restarted(1, 3)),
    Case(CosineConfig, {"time": 8.0, "stretch": 1.5}, written(stretched)),
    Case(
        CosineConfig,
        {"time": 4.0, "stretch": 2.0, "warmup": 5.0},
        warmed_up(5, restarted(4, 2)),
    ),
    Case(LinearConfig, {"minimum": 0.2}, falling),
    Case(LinearConfig, {"minimum": 0.2, "warmup": 11.0}, warmed_up(11, falling)),
)


@pytest.mark.parametrize("unit", ["steps", "epochs"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_rate_over_a_whole_training(case: Case, unit: str) -> None:
    config = case.config(unit=unit, **case.numbers)
    length = EPOCHS if unit == "epochs" else EPOCHS * EPOCH_STEPS
    expected, _ = over_training(case.make, length)
    if unit == "epochs":
        expected = np.repeat(expected, EPOCH_STEPS)
    ours = factors(config)
    np.testing.assert_allclose(ours, expected / RATE, rtol=2e-5, atol=1e-6)
    assert np.ptp(expected) > 0.3 * RATE


@pytest.mark.parametrize("length", [(1, 5), (9, 3), (EPOCHS, EPOCH_STEPS)])
@pytest.mark.parametrize(("rise", "divisor", "final"), [(0.3, 25.0, 1e4), (0.45, 4.0, 10.0)])
def test_one_cycle(length: tuple[int, int], rise: float, divisor: float, final: float) -> None:
    """The momentum too."""
    steps = math.prod(length)
    config = OneCycleConfig("onecycle", rise, divisor, final, 0.8, 0.97)
    make = partial(
        theirs.OneCycleLR,
        max_lr=RATE,
        pct_start=rise,
        div_factor=divisor,
        final_div_factor=final,
        base_momentum=0.8,
        max_momentum=0.97,
    )
    rates, momenta = over_training(lambda o, length: make(o, total_steps=length), steps)
    ours = factors(config, *length)
    np.testing.assert_allclose(ours, rates / RATE, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(factors(config, *length, momentum_of), momenta, rtol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numbers_may_be_constants(case: Case) -> None:
    config = case.config(**case.numbers)
    constant = partial(getattr, config)
    pace = Pace(EPOCH_STEPS, EPOCHS)
    steps = jnp.arange(EPOCHS * EPOCH_STEPS, dtype=jnp.uint32)
    ours = jax.jit(jax.vmap(lambda step: rate_factor(config, constant, step, pace)))(steps)
    np.testing.assert_allclose(ours, factors(config), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("config", [case.config(**case.numbers) for case in CASES])
def test_a_step_knows_its_rate_whatever_came_before(config: ScheduleConfig) -> None:
    order = np.random.default_rng(0).permutation(EPOCHS * EPOCH_STEPS)[:4]
    program, member = split(Config(schedule=config))
    value = numbers_of(program.schedule, "schedule", member)
    pace = Pace(EPOCH_STEPS, EPOCHS)
    alone = [rate_factor(program.schedule, value, jnp.uint32(step), pace) for step in order]
    np.testing.assert_allclose(alone, factors(config)[order], rtol=1e-6, atol=1e-6)


def test_a_constant_rate_costs_nothing() -> None:
    given = rate_factor(ConstantConfig(), lambda name: None, jnp.uint32(3), Pace(1, 1))
    assert type(given) is float
    assert given == 1.0


@pytest.mark.parametrize("stretch", [1.0, 2.0, 3.0])
@pytest.mark.slow
def test_restarts_come_to_the_step_in_long_trainings(stretch: float) -> None:
    config = CosineConfig(unit="steps", time=997.0, stretch=stretch)
    if stretch == 1:
        begins = 997 * np.array([0, 1, 2, 3, 41, 500, 2003, 8191])
    else:
        begins = 997 * ((stretch ** np.arange(11 if stretch == 2 else 7)) - 1) / (stretch - 1)
    at = rates_at(config, begins, Pace(100, 10**6))
    np.testing.assert_allclose(at, 1, atol=1e-4)
    assert np.all(rates_at(config, begins[1:] - 1, Pace(100, 10**6)) < 1e-4)


@pytest.mark.parametrize("unit", ["steps", "epochs"])
def test_trainings_of_more_steps_than_an_int32_counts(unit: Any) -> None:
    steps, pace = np.array([0, 10**9, 2 * 10**9, 3 * 10**9]), Pace(jnp.int32(4000), 10**6)
    for config, expected in (
        (CosineConfig(unit=unit), [1, (1 + math.cos(math.pi / 4)) / 2, 0.5, 0.5 - 0.125**0.5]),
        (LinearConfig(unit=unit), [1, 0.75, 0.5, 0.25]),
    ):
        np.testing.assert_allclose(rates_at(config, steps, pace), expected, atol=1e-6)


PLATEAUS = (
    {"factor": 0.5, "patience": 3, "threshold": 1e-4},
    {"factor": 0.1, "patience": 0, "threshold": 0.05, "minimum": 0.01},
    {"factor": 0.7, "patience": 2, "threshold": 0.01, "cooldown": 4, "minimum": 0.05},
    {"factor": 0.5, "patience": 5, "threshold": 0.0, "cooldown": 1},
)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("numbers", PLATEAUS, ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_plateau(numbers: dict[str, Any], mode: Any, seed: int) -> None:
    """Of what is better the more of it there is, the monitored value is negated."""
    random = np.random.default_rng(seed)
    curve = np.exp(-np.arange(120) / 15) + 0.3 + 0.1 * random.normal(size=120)
    curve = (np.abs(curve) if mode == "min" else 1 / (1 + np.abs(curve))).astype(np.float32)
    given = dict(numbers)
    scheduled = partial(
        theirs.ReduceLROnPlateau,
        mode=mode,
        min_lr=given.pop("minimum", 0.0) * RATE,
        eps=0.0,
        **given,
    )
    expected = np.array(watched(scheduled, curve))
    program, member = split(Config(schedule=PlateauConfig(**numbers)))
    value = numbers_of(program.schedule, "schedule", member)

    def epoch(plateau: Any, metric: jax.Array) -> Any:
        plateau = observe(value, plateau, metric)
        return plateau, plateau.factor

    _, ours = jax.lax.scan(epoch, begin(), jnp.asarray(curve if mode == "min" else -curve))
    np.testing.assert_allclose(ours, expected / RATE, rtol=1e-5)
    assert len(np.unique(expected)) > 2


def watched(make: Callable[..., Any], curve: Any) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    schedule, rates = make(optimizer), []
    for metric in curve:
        schedule.step(float(metric))
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def factors(
    config: Any, epochs: int = EPOCHS, epoch_steps: int = EPOCH_STEPS, of: Any = rate_factor
) -> np.ndarray:
    """Return what a schedule, its numbers traced, says at every step of a training."""
    program, member = split(Config(schedule=config))

    @jax.jit
    def at(steps: jax.Array, member: Any, pace: Pace) -> jax.Array:
        value = numbers_of(program.schedule, "schedule", member)
        return jax.vmap(lambda step: of(program.schedule, value, step, pace))(steps)

    return np.asarray(
        at(jnp.arange(epochs * epoch_steps, dtype=jnp.uint32), member, Pace(epoch_steps, epochs))
    )


def rates_at(config: Any, steps: np.ndarray, pace: Pace) -> np.ndarray:
    program, member = split(Config(schedule=config))
    value = numbers_of(program.schedule, "schedule", member)
    at = jax.vmap(lambda step: rate_factor(program.schedule, value, step, pace))
    return np.asarray(at(jnp.asarray(steps.astype(np.uint32))))


def over_training(make: Callable[..., Any], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return PyTorch's learning rates and momenta at every step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE, momentum=0.9)
    with warnings.catch_warnings():
        # SequentialLR calls its schedulers in a way that they warn of.
        warnings.simplefilter("ignore", UserWarning)
        schedule, rates, momenta = make(optimizer, length), [], []
        for step in range(length):
            group = optimizer.param_groups[0]
            rates.append(group["lr"])
            momenta.append(group["momentum"])
            optimizer.step()
            if step < length - 1:
                schedule.step()
    return np.array(rates), np.array(momenta)
