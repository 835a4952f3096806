"""Optimizers of optax by name: their numbers are members', whoever writes the YAML."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hydra.core.global_hydra import GlobalHydra
from test_trajectories import MODEL, batches, problem, trained

from snnjax.config.declare import Arguments
from snnjax.config.errors import ConfigError, show
from snnjax.config.optax_functions import arguments_of, functions
from snnjax.config.optimization import OptaxConfig
from snnjax.config.overrides import check_overrides
from snnjax.config.preflight import preflight, the_only
from snnjax.config.schema import Config
from snnjax.config.sources import register
from snnjax.config.split import fingerprint, split, to_dict
from snnjax.config.strict import convert, from_hydra
from snnjax.fit import check_optimizer
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
QUICK = ("lamb",)
COUNT = 3
DOCUMENT = Path(__file__).parents[2] / "docs" / "optimization.md"
FACTOR = "a number >= 0 and < 1"
TYPES = "float32, bfloat16, float16"


def by_name(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"name": "optax", "function": function, "arguments": arguments}


def config_of(function: str, number: int = 0, **further: Any) -> Config:
    """Return a run; every number of the optimizer differs from those of other `number`s."""
    less = 1 - 0.1 * number
    arguments = {name: value * less for name, value in NUMBERS[function].items()} | further
    rate = {"learning_rate": 0.02 * less}
    optimizer = by_name(function, arguments) | rate
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


def test_the_command_of_the_document() -> None:
    (line,) = re.findall(
        r"^    python -m snnjax\.train (optimizer=optax .*)$", DOCUMENT.read_text(), re.MULTILINE
    )
    GlobalHydra.instance().clear()
    config = the_only(line.split(), "several")
    assert config.optimizer == OptaxConfig(
        function="sm3", learning_rate=0.001, arguments=Arguments(momentum=0.9)
    )
    check_optimizer(config)


def test_the_choice_by_itself() -> None:
    GlobalHydra.instance().clear()
    config = the_only(["optimizer=optax"], "several")
    assert config.optimizer == OptaxConfig(function="adan")
    check_optimizer(config)


REFUSED: tuple[tuple[str, str, Any, str], ...] = (
    ("adamw", "mu_dtype", "foo", f"{TYPES}, null"),
    ("adamw", "mu_dtype", "flot32", f"{TYPES}, null; did you mean float32?"),
    ("adamw", "mu_dtype", 16, f"{TYPES}, null"),
    ("adafactor", "dtype_momentum", None, TYPES),
    ("sgd", "momentum", "foo", f"{FACTOR}, null"),
    ("sgd", "momentum", "nul", f"{FACTOR}, null; did you mean null?"),
    ("rmsprop", "momentum", True, f"{FACTOR}, null"),
    ("rmsprop", "decay", 1.0, FACTOR),
    ("adafactor", "min_dim_size_to_factor", 8.5, "an integer >= 0"),
    ("adafactor", "min_dim_size_to_factor", True, "an integer >= 0"),
    ("adafactor", "decay_offset", None, "an integer"),
    ("adamw", "mask", "foo", "null"),
    ("adamw", "mask", True, "null"),
    ("adamw", "weight_decay", -0.1, "a number >= 0"),
    ("adafactor", "weight_decay_rate", -0.1, "a number >= 0, null"),
    ("lars", "trust_ratio_mask", None, "true, false"),
    ("yogi", "b1", 1.5, FACTOR),
    ("yogi", "b1", 1, FACTOR),
    ("yogi", "b2", -0.1, FACTOR),
    ("yogi", "b2", None, FACTOR),
    ("yogi", "eps", -1.0, "a number >= 0"),
    ("radam", "eps_root", -1e-9, "a number >= 0"),
    ("adan", "b3", 1.0, FACTOR),
    ("signum", "beta", 1.0, FACTOR),
    ("adadelta", "rho", 1.0, FACTOR),
    ("radam", "threshold", False, "a number >= 0"),
    ("optimistic_adam_v2", "beta", True, "a number"),
)


@pytest.mark.parametrize(("function", "name", "value", "allowed"), REFUSED)
def test_arguments_that_do_not_fit(function: str, name: str, value: Any, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_hydra({"optimizer": by_name(function, {name: value})})
    start = f"optimizer.arguments.{name}={show(value)}: does not fit optax.{function}"
    assert str(caught.value) == f"{start}; allowed: {allowed}"


@pytest.mark.filterwarnings("ignore:.*optimistic_adam:DeprecationWarning")
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("function", functions())
def test_what_a_function_has_by_default_fits_it(function: str, precision: str) -> None:
    """As numbers of members, with the types of its state, and with every switch turned."""
    known = arguments_of(function)
    assert known is not None
    given = {name: value for name, value in known.items() if not isinstance(value, type)}
    types = {name: "bfloat16" for name in known if "dtype" in name}
    turned = {name: not value for name, value in given.items() if isinstance(value, bool)}
    momentum = {name: 0.5 for name in known if name in ("momentum", "weight_decay_rate")}
    for further in ({}, types | momentum, turned):
        optimizer = by_name(function, given | further)
        raw = {"optimizer": optimizer, "training": {"precision": precision}}
        config = from_hydra(raw)
        assert config.optimizer.arguments == optimizer["arguments"]
        check_optimizer(config)


@pytest.mark.parametrize(
    ("function", "arguments", "start"),
    [
        (
            "adafactor",
            {"momentum": 0.9, "decay_offset": 3_000_000_000},
            "decay_offset=3000000000: optax.adafactor cannot take a step with it: OverflowError: ",
        ),
        (
            "adamw",
            {"b1": 0.9, "mu_dtype": "foo"},
            "mu_dtype=foo: optax.adamw cannot take a step with it: TypeError: data type 'foo' ",
        ),
        (
            "adafactor",
            {"min_dim_size_to_factor": 8.5},
            "min_dim_size_to_factor=8.5: optax.adafactor cannot take a step with it: "
            "TracerBoolConversionError: ",
        ),
    ],
)
def test_what_optax_itself_refuses(function: str, arguments: dict[str, Any], start: str) -> None:
    """In a line that names the argument, also of what the names and defaults do not tell."""
    config = Config(optimizer=OptaxConfig(function=function, arguments=Arguments(arguments)))
    with pytest.raises(ConfigError) as caught:
        check_optimizer(config)
    line = str(caught.value)
    assert line.startswith(f"optimizer.arguments.{start}")
    assert line.endswith("; allowed: another value, or none")
    assert "\n" not in line


def test_a_state_that_does_not_keep_its_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training is a loop over one state: what changes its type would break there."""

    def widening(learning_rate: Any, width: float) -> optax.GradientTransformation:
        def init(params: Any) -> Any:
            return jax.tree.map(lambda p: p.astype("bfloat16"), params)

        return optax.GradientTransformation(
            init, lambda updates, state, params=None: (updates, updates)
        )

    monkeypatch.setattr(optax, "widening", widening, raising=False)
    optimizer = OptaxConfig(function="widening", arguments=Arguments(width=1.0))
    with pytest.raises(ConfigError) as caught:
        check_optimizer(Config(optimizer=optimizer))
    assert str(caught.value) == (
        "optimizer.function=widening: optax.widening cannot take a step with it: its state changes "
        "shape or type from step to step"
    )
