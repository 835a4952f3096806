"""Mean and variance of the weights that each initialiser draws, times the number of inputs."""

import math
from typing import NamedTuple

from snnjax.config.schema import ModelConfig
from snnjax.theory.moments.activations import negative_slope

_FANS = {"lecun": "fan_in", "glorot": "fan_avg", "he": "fan_in"}
CUT = 1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
"""What is left of the variance of N(0, 1) between -2 and 2."""


class Weights(NamedTuple):
    """What the weights of a unit add up to, on average.

    Attributes:
        omega: Number of inputs times the mean of a weight.
        tau: Number of inputs times the variance of a weight.
    """

    omega: float
    tau: float


def initial_weights(model: ModelConfig, fan_in: int, fan_out: int) -> Weights | None:
    """Return omega and tau of a layer; None for an initialiser that is not the library's own.

    Args:
        model: Names the initialiser and gives its numbers.
        fan_in: Inputs of the layer.
        fan_out: Outputs of its weights, all pieces of its units counted.
    """
    gain, family = model.init_gain, model.init.partition("_")[0]
    if family in _FANS:
        return Weights(0.0, gain**2 * _scaled(model, fan_in, fan_out))
    orthonormal = min(1.0, fan_in / fan_out)
    taus = {
        "normal": float(fan_in),
        "uniform": 1 / 3,
        "orthogonal": orthonormal,
        "lsuv": orthonormal,  # before it is scaled on data
        "zeros": 0.0,
        "constant": 0.0,
    }
    if model.init not in taus:
        return None
    omega = fan_in * model.init_value * gain if model.init == "constant" else 0.0
    return Weights(omega, gain**2 * taus[model.init])


def depends_on_width(model: ModelConfig) -> bool:
    """Tell whether omega and tau are other numbers in layers of other widths."""
    family = model.init.partition("_")[0]
    if family not in _FANS:
        return model.init in ("normal", "orthogonal", "lsuv", "constant")
    fan = _FANS[family] if model.init_fan == "default" else model.init_fan
    return fan != "fan_in"


def _scaled(model: ModelConfig, fan_in: int, fan_out: int) -> float:
    """Return tau of the initialisers whose variance is a number over a fan."""
    family, _, shape = model.init.partition("_")
    wanted = _FANS[family] if model.init_fan == "default" else model.init_fan
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    tau = fan_in / fans[wanted]
    if family == "he":
        tau *= 2 / (1 + negative_slope(model) ** 2)
    is_cut = shape == "truncated" and not model.init_corrected
    return tau * CUT if is_cut else tau
