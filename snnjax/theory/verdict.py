"""One line on what will become of mean and variance in a network, for the guard."""

import math
from collections.abc import Sequence
from functools import lru_cache

from snnjax.config.schema import ModelConfig
from snnjax.constants import ALPHA_PRIME
from snnjax.theory.depth.network import STANDARD, Ends, is_perceptron, layer_weights, predict
from snnjax.theory.faults import Fault, faults, is_near, noise, settled, show, show_mean
from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.weights import Weights, depends_on_width, initial_weights


@lru_cache(maxsize=4096)
def verdict(model: ModelConfig, ends: tuple[int, int] | None, start: Moments = STANDARD) -> str:
    """Return one line on what is wrong and what will come of it, an empty one if nothing is.

    Args:
        model: The network.
        ends: Features and outputs of the data; None where they are not known yet. Then only what
            does not depend on them is judged.
        start: Moments of the inputs, (0, 1) if they are near it.
    """
    if not model.depth:
        return ""
    weights = _weights(model, ends)
    aim = settled(model, weights) if model.activation == "selu" else None
    parts = []
    if found := faults(model, weights, start, aim):
        what = " and ".join(fault.what for fault in found)
        parts.append(f"{what}: {_effect(model, weights, start, aim)}; {_mended(model, found)}")
    parts += noise(model)
    return f"model: {model.activation} with {'; also '.join(parts)}" if parts else ""


def _weights(model: ModelConfig, ends: tuple[int, int] | None) -> list[Weights | None]:
    """Return omega and tau of every hidden layer, or of one where more is not known."""
    if is_perceptron(model) and (ends is not None or not depends_on_width(model)):
        return layer_weights(model, Ends(*ends or (model.width, model.width)))
    return [initial_weights(model, model.width, model.width)]


def _mended(model: ModelConfig, found: Sequence[Fault]) -> str:
    remedies = " and ".join(dict.fromkeys(fault.remedy for fault in found))
    if model.activation != "selu":
        return f"{remedies} suits {model.activation}"
    return f"{remedies} {'keep' if ' and ' in remedies else 'keeps'} them"


def _effect(
    model: ModelConfig, weights: Sequence[Weights | None], start: Moments, aim: Moments | None
) -> str:
    """Say what mean and variance will be after all layers, and where they are farthest off."""
    layers = predict(model, weights, start)
    if layers is None:
        return "units of a layer stay equal" if model.init == "constant" else "0 and 1 are lost"
    large = next((n for n, x in enumerate(layers, 1) if not math.isfinite(x.variance)), None)
    if large is not None:
        return f"activations are too large for float32 from layer {large} on"
    text = _after(len(layers), layers[-1])
    if model.activation != "selu":
        alone = predict(model, weights, start, training=False) or layers
        if alone == layers:  # they are dropped elsewhere, after convolutions
            return f"what is dropped becomes about {ALPHA_PRIME:.3g}, of images after pooling"
        return f"{text}, but {show(alone[-1])} without dropout"
    aim = aim or STANDARD
    worst = _farthest(layers, aim)
    if worst < len(layers) and is_near(layers[-1], aim):
        text = f"{_after(worst, layers[worst - 1])}, {text}"
    return f"{text} instead of {show_mean(aim)} and {aim.variance:.3g}"


def _farthest(layers: Sequence[Moments], aim: Moments) -> int:
    """Return the number of the layer whose moments are farthest from what they should be."""

    def distance(number: int) -> float:
        x = layers[number - 1]
        return abs(math.log(max(x.variance, 1e-300) / aim.variance)) + abs(x.mean - aim.mean)

    return max(range(1, len(layers) + 1), key=distance)


def _after(layers: int, x: Moments) -> str:
    return f"after {layers} layer{'s' if layers > 1 else ''} {show(x)}"
