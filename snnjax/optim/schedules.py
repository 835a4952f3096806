"""Schedules: pure functions from the step to what the learning rate is multiplied by.

Every schedule is called with `value`, which gives the numbers of its configuration, and with the
time since the start and the time the training takes, both in the schedule's own unit.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from snnjax.nn.numbers import Value

Schedule = Callable[[Value, jax.Array, jax.Array], jax.Array]

_ROUNDING = 2.1  # relative to that of the numbers


class Pace(NamedTuple):
    """How far a step is from the start and the end of its training.

    Attributes:
        epoch_steps: Steps of an epoch.
        epochs: Epochs of the whole training.
        factor: What a plateau has left of the learning rate.
    """

    epoch_steps: Any
    epochs: Any
    factor: Any = 1.0


UNKNOWN_PACE = Pace(1, 1)
"""For constant learning rates, which need to know nothing of it."""


def rate_factor(config: Any, value: Value, step: jax.Array, pace: Pace) -> Any:
    """Return what the learning rate is multiplied by at a step, counted from 0.

    A schedule in epochs changes between epochs only.
    """
    if config.name == "constant":
        return 1.0
    if config.name == "plateau":
        return pace.factor
    if getattr(config, "unit", "steps") == "epochs":
        time, end = step // jnp.asarray(pace.epoch_steps, step.dtype), pace.epochs
    else:
        time, end = step, _steps(pace)
    time, end = (jnp.asarray(number, float) for number in (time, end))
    return SCHEDULES[config.name](value, time, end)


def momentum_of(config: Any, value: Value, step: jax.Array, pace: Pace) -> Any:
    """Return the momentum a schedule wants at a step, None where it leaves it alone."""
    if config.name != "onecycle":
        return None
    up, down = _cycle(value, jnp.asarray(step, float), _steps(pace))
    high, low = value("high_momentum"), value("low_momentum")
    return jnp.where(up < 1, _cosine(high, low, up), _cosine(low, high, down))


def power(value: Value, time: jax.Array, end: jax.Array) -> jax.Array:
    """Return 1 / (1 + time / s)^c."""
    return (1 + time / value("time")) ** -value("power")


def exponential(value: Value, time: jax.Array, end: jax.Array) -> jax.Array:
    """Return factor^(time / s)."""
    return jnp.asarray(value("factor"), float) ** (time / value("time"))


def piecewise(value: Value, time: jax.Array, end: jax.Array) -> jax.Array:
    """Return the product of the factors whose times have come."""
    factor = jnp.ones(())
    for number in (1, 2, 3):
        has_come = time >= value(f"time_{number}")
        factor = factor * jnp.where(has_come, value(f"factor_{number}"), 1)
    return factor


def onecycle(value: Value, time: jax.Array, end: jax.Array) -> jax.Array:
    """Return the rate of the 1cycle policy over its peak."""
    up, down = _cycle(value, time, end)
    lowest = 1 / value("divisor")
    return jnp.where(
        up < 1, _cosine(lowest, 1.0, up), _cosine(1.0, lowest / value("final_divisor"), down)
    )


def cosine(value: Value, time: jax.Array, end: jax.Array) -> jax.Array:
    """Return warm-up, then cosine decay to `minimum` in periods that may grow.

    Period n begins where the periods before it, T (s^n - 1) / (s - 1) for a stretch s, end.
    """
    warmup, minimum = value("warmup"), value("minimum")
    since = time - warmup
    length = value("time")
    if length is None:
        share = since / jnp.maximum(end - warmup, 1)
    else:
        share = _share_of_period(since, length, value("stretch"))
    decayed = minimum + (1 - minimum) * (1 + jnp.cos(jnp.pi * jnp.clip(share, 0, 1))) / 2
    return jnp.where(since < 0, (time + 1) / (warmup + 1), decayed)


def linear(value: Value, time: jax.Array, end: jax.Array) -> jax.Array:
    """Return warm-up, then a straight line down to `minimum` at the end."""
    warmup, minimum = value("warmup"), value("minimum")
    share = jnp.clip((time - warmup) / jnp.maximum(end - warmup, 1), 0, 1)
    return jnp.where(time < warmup, (time + 1) / (warmup + 1), 1 - (1 - minimum) * share)


SCHEDULES: Mapping[str, Schedule] = {
    "power": power,
    "exponential": exponential,
    "piecewise": piecewise,
    "onecycle": onecycle,
    "cosine": cosine,
    "linear": linear,
}


def _steps(pace: Pace) -> jax.Array:
    """Return the steps of a training, of which there may be more than an int32 can count."""
    return jnp.asarray(pace.epochs, float) * jnp.asarray(pace.epoch_steps, float)


def _share_of_period(since: jax.Array, length: Any, stretch: Any) -> jax.Array:
    """Return how far a time lies in its period, from 0 to 1.

    A quotient or a logarithm may round to the wrong side of a whole number: where periods begin
    decides, which of whole numbers is exact, but for powers, which get a tolerance.
    """
    since = jnp.maximum(since, 0)
    if not isinstance(stretch, jax.Array) and stretch == 1.0:
        number = jnp.floor(since / length)
        number = jnp.where((number + 1) * length <= since, number + 1, number)
        number = jnp.where(number * length > since, number - 1, number)
        return (since - number * length) / length
    periods = since / length * (1 + _ROUNDING * jnp.finfo(since.dtype).eps)
    number = jnp.floor(jnp.log1p(periods * (stretch - 1)) / jnp.log(stretch))
    number = jnp.where(_begin(number + 1, stretch) <= periods, number + 1, number)
    number = jnp.where(_begin(number, stretch) > periods, number - 1, number)
    return jnp.maximum(periods - _begin(number, stretch), 0) / stretch**number


def _begin(number: jax.Array, stretch: Any) -> jax.Array:
    """Return where a period begins, in lengths of the first."""
    return (stretch**number - 1) / (stretch - 1)


def _cycle(value: Value, time: jax.Array, end: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return how far the rise and the descent of a 1cycle have come, each from 0 to 1."""
    top = jnp.maximum(value("rise") * end - 1, 1e-3)  # short trainings may have no rise
    up = jnp.clip(time / top, 0, 1)
    return up, jnp.clip((time - top) / jnp.maximum(end - 1 - top, 1), 0, 1)


def _cosine(begin: Any, end: Any, share: jax.Array) -> jax.Array:
    return end + (begin - end) / 2 * (1 + jnp.cos(jnp.pi * share))
