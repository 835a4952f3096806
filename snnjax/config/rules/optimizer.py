"""What no key of the optimizer and its schedule can say of itself alone."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from snnjax.config.errors import complaint, enumerate_names, nearest, show
from snnjax.config.fields import annotations, own_leaves, tags
from snnjax.config.optimization import (
    MOMENTUM_NAMES,
    CosineConfig,
    OneCycleConfig,
    OptaxConfig,
    PiecewiseConfig,
    SgdConfig,
    momentum_key,
)
from snnjax.config.schema import Config


def nesterov_needs_momentum(config: Config) -> str:
    """Refuse Nesterov's look-ahead where there is no momentum to look ahead along."""
    optimizer = config.optimizer
    if not isinstance(optimizer, SgdConfig) or not optimizer.nesterov or optimizer.momentum > 0:
        return ""
    allowed = "false, or true with optimizer.momentum > 0"
    return complaint("optimizer.nesterov", "true", "needs momentum", allowed)


def optax_has_the_function(config: Config) -> str:
    """Refuse functions that optax does not have, and arguments that they do not take."""
    optimizer = config.optimizer
    if not isinstance(optimizer, OptaxConfig):
        return ""
    from snnjax.config import optax_functions

    key, function = "optimizer.function", optimizer.function
    if reason := optax_functions.NOT_OFFERED.get(function):
        return complaint(key, function, reason)
    if (known := optax_functions.arguments_of(function)) is None:
        functions = optax_functions.functions()
        problem = "optax has no such optimizer"
        allowed = enumerate_names(functions)
        return complaint(key, show(function), problem, allowed, nearest(function, functions))
    lines = (_misfit(name, value, function, known) for name, value in optimizer.arguments.items())
    return next(filter(None, lines), "")


def _misfit(name: str, value: Any, function: str, known: Mapping[str, Any]) -> str:
    """Return what is wrong with an argument of a function of optax."""
    from snnjax.config.optax_functions import describe_mismatch

    key = f"optimizer.arguments.{name}"
    if name not in known:
        hint = (near := nearest(name, known)) and f"optimizer.arguments.{near}"
        problem = f"no argument of optax.{function}"
        return complaint(key, show(value), problem, enumerate_names([*known]) or "none", hint)
    if allowed := describe_mismatch(name, value, known[name]):
        words = [word for word in allowed.split(", ") if " " not in word]
        hint = nearest(value, words) if isinstance(value, str) else ""
        return complaint(key, show(value), f"does not fit optax.{function}", allowed, hint)
    return ""


def onecycle_needs_momentum(config: Config) -> str:
    """Refuse a schedule of the momentum where the optimizer has none to move."""
    if not isinstance(config.schedule, OneCycleConfig):
        return ""
    optimizer = config.optimizer
    if key := momentum_key(optimizer):
        name = key.rpartition(".")[2]
        own = optimizer.arguments if isinstance(optimizer, OptaxConfig) else vars(optimizer)
        given = own[name]
        if isinstance(given, float) and given > 0:
            return ""
        problem = "onecycle moves the momentum, and it is off"
        return complaint(f"optimizer.{key}", show(given), problem, "a number > 0 and < 1")
    others = [
        name
        for name, other in tags(annotations(Config)["optimizer"]).items()
        if {*MOMENTUM_NAMES} & {*own_leaves(other)}
    ]
    problem = "has no momentum for onecycle to move"
    return complaint("optimizer", optimizer.name, problem, enumerate_names(others))


def stretch_needs_restarts(config: Config) -> str:
    """Refuse to stretch the periods of a schedule that has a single one."""
    schedule = config.schedule
    if not isinstance(schedule, CosineConfig) or schedule.time is not None:
        return ""
    if schedule.stretch == 1.0:
        return ""
    problem = "has no meaning without schedule.time, the length of the first period"
    return complaint("schedule.stretch", show(schedule.stretch), problem, "1.0")


def times_ascend(config: Config) -> str:
    """Refuse the times of a piecewise schedule in another order than theirs."""
    schedule = config.schedule
    if not isinstance(schedule, PiecewiseConfig):
        return ""
    times = (schedule.time_1, schedule.time_2, schedule.time_3)
    for number, (earlier, later) in enumerate(pairwise(times), 2):
        if later <= earlier:
            allowed = f"a number > {earlier:g}, that of schedule.time_{number - 1}"
            return complaint(f"schedule.time_{number}", show(later), "is not later", allowed)
    return ""
