"""What keeps a SELU network from keeping mean 0 and variance 1, and what would mend it.

Thresholds are those of Theorem 1 of Klambauer et al. 2017 where it has any.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from snnjax.config.schema import ModelConfig
from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.depth.network import STANDARD
from snnjax.theory.moments.activations import TWINS, activation_moments
from snnjax.theory.moments.dropout import ALPHA_KINDS, noise_share
from snnjax.theory.moments.moment_map import Moments, net_input
from snnjax.theory.moments.weights import Weights

_TAU, _OMEGA = (0.95, 1.1), 0.1
_KEPT_MEAN, _KEPT_VARIANCE = 0.1, (0.8, 1.5)
_MOST_NOISE = 0.5  # rate of alpha dropout
_STEPS, _SETTLED, _PLAUSIBLE = 2000, 1e-9, (1e-3, 1e3)  # of a search for a fixed point


class Fault(NamedTuple):
    """What is wrong with a network, and the overrides that would mend it."""

    what: str
    remedy: str


def faults(
    model: ModelConfig, weights: Sequence[Weights | None], start: Moments, aim: Moments | None
) -> list[Fault]:
    """List what is wrong.

    Args:
        model: The network.
        weights: Of its hidden layers.
        start: Moments of its inputs, (0, 1) if they are near it.
        aim: What its layers would settle at without dropout; None if at nothing.
    """
    if model.activation != "selu":
        return _foreign_dropout(model)
    if is_normalised(model):
        return []
    found = []
    if is_published(model):
        found += _in_weights(model, weights)
    elif aim is None:
        constants = f"alpha {model.selu_alpha:g} and lambda {model.selu_lambda:g}"
        remedy = "model.selu_alpha and model.selu_lambda of a stable fixed point"
        found.append(Fault(f"{constants} (no stable fixed point)", remedy))
    if start != STANDARD:
        found.append(Fault(f"inputs of {show(start, ' and')}", "data.standardize=standard"))
    return found + _in_dropout(model, aim)


def noise(model: ModelConfig) -> list[str]:
    """Return what there is to say of alpha dropout after SELU that drops more than it keeps."""
    rate = max(model.dropout, model.conv_dropout)
    if model.activation != "selu" or model.dropout_kind not in ALPHA_KINDS or rate <= _MOST_NOISE:
        return []
    share, usual = (round(100 * noise_share(rate)) for rate in (rate, 0.05))
    said = f"{share} % of each layer's variance is then its noise, {usual} % at the usual 0.05"
    return [f"alpha dropout of {rate:g}: {said}"]


def settled(model: ModelConfig, weights: Sequence[Weights | None]) -> Moments | None:
    """Return the moments that SELU layers come to without dropout; None if they come to none."""
    if is_published(model) or is_normalised(model) or (layer := weights[-1]) is None:
        return STANDARD
    x = STANDARD
    for _ in range(_STEPS):
        net = net_input(x, layer.omega, layer.tau, model.init_bias)
        after = activation_moments(model, net)
        if after is None or not _within(after.variance, _PLAUSIBLE):
            return None
        if abs(x.mean - after.mean) + abs(x.variance - after.variance) < _SETTLED:
            return after
        x = after
    return None


def is_normalised(model: ModelConfig) -> bool:
    """Tell whether every layer begins with mean 0 and variance 1 whatever its weights are."""
    return model.norm != "none" or model.init == "lsuv"


def is_published(model: ModelConfig) -> bool:
    """Tell whether SELU has the constants of the fixed point (0, 1)."""
    return (model.selu_alpha, model.selu_lambda) == (ALPHA_01, LAMBDA_01)


def is_near(x: Moments, aim: Moments) -> bool:
    """Tell whether moments are to others as those of Theorem 1's domain are to (0, 1)."""
    is_there = abs(x.mean - aim.mean) <= _KEPT_MEAN * math.sqrt(aim.variance)
    return is_there and _within(x.variance / aim.variance, _KEPT_VARIANCE)


def show(x: Moments, joint: str = ",") -> str:
    """Return `mean m, variance v`, with three digits each."""
    return f"mean {show_mean(x)}{joint} variance {x.variance:.3g}"


def show_mean(x: Moments) -> str:
    """Return a mean with three digits, 0 where it is nothing beside the deviation."""
    return "0" if abs(x.mean) < 1e-4 * math.sqrt(x.variance) else f"{x.mean:.3g}"


def _in_weights(model: ModelConfig, weights: Sequence[Weights | None]) -> list[Fault]:
    known = [layer for layer in weights if layer is not None]
    found = []
    if any(abs(layer.omega) > _OMEGA or not _within(layer.tau, _TAU) for layer in known):
        gain = "" if model.init_gain == 1 else f" times {model.init_gain:g}"
        law = "all equal" if model.init == "constant" else _variance_law(known)
        found.append(Fault(f"{model.init} weights{gain} ({law})", _mended_weights(model)))
    if abs(model.init_bias) > _OMEGA:
        found.append(Fault(f"initial biases of {model.init_bias:g}", "model.init_bias=0"))
    return found


def _variance_law(weights: Sequence[Weights]) -> str:
    low, high = (f"{pick(layer.tau for layer in weights):.3g}" for pick in (min, max))
    return f"variance {high}/fan_in" if low == high else f"variance {low} to {high} over fan_in"


def _mended_weights(model: ModelConfig) -> str:
    """Return the changes that bring the variance of the weights to 1/fan_in."""
    changes = []
    family, _, shape = model.init.partition("_")
    if family != "lecun":
        changes.append(f"model.init=lecun_{shape or 'normal'}")
    if not model.init_corrected:
        changes.append("model.init_corrected=true")
    if model.init_fan not in ("default", "fan_in"):
        changes.append("model.init_fan=fan_in")
    if model.init_gain != 1:
        changes.append("model.init_gain=1")
    return " and ".join(changes)


def _in_dropout(model: ModelConfig, aim: Moments | None) -> list[Fault]:
    if model.dropout_kind == "ordinary":
        rates = {
            "": model.dropout,
            "input ": model.input_dropout,
            "convolutional ": model.conv_dropout,
        }
        return [
            Fault(f"ordinary {where}dropout of {rate:g}", "model.dropout_kind=alpha")
            for where, rate in rates.items()
            if rate
        ]
    kept = Moments(model.dropout_mean, model.dropout_variance)
    is_alpha = model.dropout_kind in ALPHA_KINDS and model.dropout > 0
    if not is_alpha or aim is None or is_near(kept, aim):
        return []
    remedy = f"model.dropout_mean={show_mean(aim)} and model.dropout_variance={aim.variance:.3g}"
    return [Fault(f"alpha dropout that keeps {show(kept, ' and')}", remedy)]


def _foreign_dropout(model: ModelConfig) -> list[Fault]:
    """Judge alpha dropout after another activation; one that is not ours may be made for it."""
    rate = max(model.dropout, model.conv_dropout)
    if model.dropout_kind not in ALPHA_KINDS or not rate or model.activation not in TWINS:
        return []
    what = f"alpha dropout of {rate:g}, which is made for selu"
    return [Fault(what, "model.dropout_kind=ordinary")]


def _within(number: float, ends: tuple[float, float]) -> bool:
    return ends[0] <= number <= ends[1]
