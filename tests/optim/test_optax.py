"""Optimizers of optax by name: their numbers are members', whoever writes the YAML."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra
from test_trajectories import MODEL, batches, problem, trained

from snnjax.config.overrides import check_overrides
from snnjax.config.preflight import preflight
from snnjax.config.schema import Config
from snnjax.config.sources import register
from snnjax.config.split import fingerprint, split, to_dict
from snnjax.config.strict import convert, from_hydra
from snnjax.optim.schedules import Pace
from snnjax.step import init_state, train_step

NUMBERS: dict[str, dict[str, float]] = {
    "yogi": {"b1": 0.9, "b2": 0.99, "eps": 1e-3},
    "adabelief": {"b1": 0.9, "b2": 0.99, "eps": 1e-8, "eps_root": 1e-8},
    "radam": {"b1": 0.9, "b2": 0.99, "eps": 1e-6, "threshold": 5.0},
    "novograd": {"b1": 0.9, "b2": 0.3, "eps": 1e-6, "weight_decay": 1e-3},
    "fromage": {"min_norm": 1e-3},
    "lamb": {"b1": 0.9, "b2": 0.99, "eps": 1e-6, "weight_decay": 1e-3},
    "sm3": {"momentum": 0.8},
}
QUICK = ("yogi", "lamb", "sm3")
COUNT = 3


def config_of(function: str, number: int = 0, **further: Any) -> Config:
    """Return a run; every number of the optimizer differs from those of other `number`s."""
    less = 1 - 0.1 * number
    arguments = {name: value * less for name, value in NUMBERS[function].items()} | further
    rate = {"learning_rate": 0.02 * less}
    optimizer = {"name": "optax", "function": function, "arguments": arguments, **rate}
    return convert(Config, MODEL | {"optimizer": optimizer})


@pytest.mark.parametrize(
    "function",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NUMBERS],
)
def test_members_that_differ_in_every_number(function: str) -> None:
    """200 steps by lanes and alone; the loss falls, and no two members end alike."""
    pairs = [split(config_of(function, number)) for number in range(COUNT)]
    program = pairs[0][0]
    assert {other for other, _ in pairs} == {program}
    keys = {f"optimizer.arguments.{name}" for name in NUMBERS[function]}
    assert keys | {"optimizer.learning_rate"} <= pairs[0][1].keys()
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *(member for _, member in pairs))
    run = partial(trained, program, problem())
    together, sums = jax.jit(jax.vmap(run, (0, None)))(stacked, batches())
    losses = np.asarray(sums["loss"])
    assert (losses[:, -50:].mean(1) < losses[:, :10].mean(1)).all()
    for number, (_, member) in enumerate(pairs):
        alone, _ = run(member, batches())
        for ours, theirs in zip(
            jax.tree.leaves(together.network.params),
            jax.tree.leaves(alone.network.params),
            strict=True,
        ):
            np.testing.assert_allclose(ours[number], theirs, rtol=0, atol=1e-4)
    assert len({*losses[:, -1].tolist()}) == COUNT


def test_what_is_no_decimal_number_is_static() -> None:
    program, member = split(config_of("radam", nesterov=True, eps_root=0))
    assert program.optimizer.arguments["nesterov"] is True
    assert program.optimizer.arguments["eps_root"] == 0
    assert not {"optimizer.arguments.nesterov", "optimizer.arguments.eps_root"} & member.keys()
    assert hash(program) == hash(split(config_of("radam", 1, nesterov=True, eps_root=0))[0])
    assert program != split(config_of("radam", nesterov=False, eps_root=0))[0]


def test_a_configuration_is_read_back_and_told_apart() -> None:
    config = config_of("lamb", mask=None)
    again = convert(Config, to_dict(config))
    assert again == config
    assert fingerprint(again) == fingerprint(config)
    assert fingerprint(config) != fingerprint(config_of("lamb", 1, mask=None))


def test_a_yaml_of_ones_own(tmp_path: Path) -> None:
    """Numbers of a file in a folder of one's own, and further ones on the command line."""
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "mine.yaml").write_text(
        "name: optax\nfunction: adan\nlearning_rate: 0.01\narguments:\n  b1: 0.97\n  eps: 1e-6\n"
    )
    register()
    given = check_overrides(
        ["--config-dir", str(tmp_path), "optimizer=mine", "optimizer.arguments.b3=0.95"]
    )
    assert given[-1] == "++optimizer.arguments.b3=0.95"
    GlobalHydra.instance().clear()
    config = from_hydra(preflight(given[2:], config_dir=str(tmp_path)))
    assert config.optimizer.arguments == {"b1": 0.97, "b3": 0.95, "eps": 1e-6}
    assert split(config)[1]["optimizer.arguments.eps"] == np.float32(1e-6)


def test_momentum_follows_the_schedule() -> None:
    """A 1cycle moves b1: the training is another than with a constant one."""
    config = config_of("yogi")
    cycle = convert(Config, to_dict(config) | {"schedule": {"name": "onecycle"}})
    wider = replace(cycle, schedule=replace(cycle.schedule, low_momentum=0.5))
    few = jax.tree.map(lambda leaf: leaf[:20], batches())
    ends = []
    for one in (cycle, wider):
        program, member = split(one)

        def step(state: Any, batch: Any, program: Any = program, member: Any = member) -> Any:
            return train_step(program, problem(), member, state, batch, None, Pace(20, 1))

        state, _ = jax.lax.scan(step, init_state(program, problem(), member), few)
        ends.append(state.network.params["output"]["kernel"])
    assert float(jnp.abs(ends[0] - ends[1]).max()) > 1e-4
