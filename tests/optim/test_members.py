"""A population whose members differ in every number there is equals single runs."""

from dataclasses import replace
from itertools import product
from typing import Any

import jax
import numpy as np
import pytest
from conftest import make_dataset

from snnjax import population
from snnjax.arrays import lay_out
from snnjax.config.fields import applies, own_leaves
from snnjax.config.optimization import (
    AdamwConfig,
    ClipConfig,
    CosineConfig,
    LossConfig,
    MuonConfig,
    NadamConfig,
    OneCycleConfig,
    PiecewiseConfig,
    PlateauConfig,
    PowerConfig,
    RegularizationConfig,
    RmspropConfig,
    SgdConfig,
)
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.strategy import Strategy

COUNT = 3
BASE = Config(
    model=ModelConfig(depth=1, width=10, dropout=0.1),
    clip=ClipConfig(value=0.5, norm=0.6, layer_norm=0.4, adaptive=0.3),
    regularization=RegularizationConfig(l1=1e-4, l2=2e-4, decay=0.02, max_norm=1.2, noise=1e-4),
    loss=LossConfig(label_smoothing=0.05),
    training=TrainingConfig(epochs=5, batch_size=32, patience=4, min_gain=1e-3, smoothing=2),
)
SGD = SgdConfig(learning_rate=0.1, momentum=0.6)
PLATEAU = PlateauConfig(patience=1, threshold=0.05, minimum=0.01, cooldown=1)
COSINE = CosineConfig(warmup=1.0, time=1.5, stretch=1.3, minimum=0.05)
PIECEWISE = PiecewiseConfig(unit="steps", time_1=5.0, time_2=12.0, time_3=20.0)
HUBER = LossConfig("huber", huber_delta=0.3)
PAIRS = {
    "sgd plateau": (SGD, PLATEAU),
    "nadam onecycle": (NadamConfig(learning_rate=0.01, momentum_decay=0.004), OneCycleConfig()),
    "adamw cosine": (AdamwConfig(learning_rate=0.01), COSINE),
}
MORE_PAIRS = {
    "rmsprop piecewise": (RmspropConfig(centered=True, momentum=0.3), PIECEWISE),
    "muon plateau": (MuonConfig(learning_rate=0.01, weight_decay=0.1), PLATEAU),
}


def varied(section: Any, number: int) -> Any:
    """Return a section with every number a member may have moved a little, another way for each."""
    schema: Any = type(section)
    changes = {}
    for place, (name, leaf) in enumerate(own_leaves(schema).items()):
        value = getattr(section, name)
        is_off = value == leaf.metadata.get("off", ...)
        if leaf.role != "member" or value is None or is_off or not applies(leaf, section):
            continue
        if isinstance(value, int):
            changes[name] = value + number
        else:  # towards 0: every range holds that, but for divisors, which are large
            changes[name] = value * (1 - (0.04 + 0.01 * (place % 3)) * number)
    return replace(section, **changes)


def members_of(base: Config) -> tuple[Any, list[Any]]:
    names = ("optimizer", "schedule", "clip", "regularization", "loss", "training")
    pairs = [
        split(
            replace(
                base,
                seed=number,
                model=replace(base.model, dropout=0.1 + 0.02 * number),
                **{name: varied(getattr(base, name), number) for name in names},
            )
        )
        for number in range(COUNT)
    ]
    assert len({program for program, _ in pairs}) == 1
    members = [member for _, member in pairs]
    for key in members[0]:
        assert len({float(member[key]) for member in members}) == COUNT, key
    return pairs[0][0], members


def assert_as_alone(base: Config, lanes: int, task: str = "classification") -> None:
    data = make_dataset(task=task)
    program, members = members_of(base)
    records: list[Any] = []
    together = population.train(
        program, members, lay_out(data), records.append, strategy=Strategy(lanes)
    )
    for number, member in enumerate(members):
        curve: list[Any] = []
        alone = population.train(
            program, [member], lay_out(data), curve.append, strategy=Strategy(1)
        )
        ours = [record.metrics for record in records if record.member == number]
        tolerance = {"rtol": 0, "atol": 0} if lanes == 1 else {"rtol": 1e-3, "atol": 1e-5}
        assert len(ours) == len(curve)
        for mine, other in zip(ours, curve, strict=True):
            for split_name, metrics in other.metrics.items():
                for name, value in metrics.items():
                    np.testing.assert_allclose(mine[split_name][name], value, **tolerance)
        for mine, other in zip(
            jax.tree.leaves(together.state.best), jax.tree.leaves(alone.state.best), strict=True
        ):
            np.testing.assert_allclose(mine[number], other[0], **tolerance)


def test_every_number_of_a_member_is_told_apart() -> None:
    """Nothing that a member may have is left out of what varies below."""
    _, members = members_of(replace(BASE, optimizer=SGD, schedule=PLATEAU))
    sections = ("clip", "regularization", "loss", "schedule", "optimizer")
    known = {key for key in members[0] if key.startswith(sections)}
    assert known == {
        *(f"clip.{name}" for name in own_leaves(ClipConfig)),
        *(f"regularization.{name}" for name in own_leaves(RegularizationConfig)),
        "loss.label_smoothing",
        "optimizer.learning_rate",
        "optimizer.momentum",
        *(f"schedule.{name}" for name in own_leaves(PlateauConfig) if name != "name"),
    }


@pytest.mark.parametrize(
    ("pair", "lanes"),
    [
        ("sgd plateau", 1),
        pytest.param("nadam onecycle", COUNT, marks=pytest.mark.slow),
        pytest.param("adamw cosine", COUNT, marks=pytest.mark.slow),
        pytest.param("sgd plateau", COUNT, marks=pytest.mark.slow),
        pytest.param("nadam onecycle", 1, marks=pytest.mark.slow),
        pytest.param("adamw cosine", 1, marks=pytest.mark.slow),
    ],
)
def test_members_differ_in_every_number(pair: str, lanes: int) -> None:
    optimizer, schedule = PAIRS[pair]
    assert_as_alone(replace(BASE, optimizer=optimizer, schedule=schedule), lanes)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, COUNT])
@pytest.mark.parametrize("pair", MORE_PAIRS)
def test_members_of_other_optimizers(pair: str, lanes: int) -> None:
    """Regression, so that the other losses have their turn."""
    optimizer, schedule = MORE_PAIRS[pair]
    base = replace(BASE, optimizer=optimizer, schedule=schedule, loss=HUBER)
    assert_as_alone(base, lanes, "regression")


@pytest.mark.slow
def test_six_rates_by_three_thresholds() -> None:
    """Each with constants of the schedule of its own: 18 members, one program."""
    data, base = make_dataset(), replace(BASE, training=TrainingConfig(epochs=4, batch_size=32))
    pairs = [
        split(
            replace(
                base,
                optimizer=SgdConfig(learning_rate=rate, momentum=0.5),
                clip=ClipConfig(norm=threshold),
                schedule=PowerConfig(unit="steps", time=5.0 + place, power=0.5 + 0.1 * place),
            )
        )
        for place, (rate, threshold) in enumerate(
            product((0.01, 0.03, 0.1, 0.2, 0.4, 0.8), (0.2, 0.5, 1.0))
        )
    ]
    program, members = pairs[0][0], [member for _, member in pairs]
    assert len({program for program, _ in pairs}) == 1
    together = population.train(program, members, lay_out(data), strategy=Strategy(1))
    losses = set()
    for member, outcome in zip(members, together.outcomes, strict=True):
        alone = population.train(program, [member], lay_out(data), strategy=Strategy(1))
        assert outcome.metrics == alone.outcomes[0].metrics
        losses.add(outcome.metrics["validation"]["loss"])
    assert len(losses) == 18
