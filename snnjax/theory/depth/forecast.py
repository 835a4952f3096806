"""All that is known of a network at initialisation, layer by layer, forwards and backwards."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from snnjax.config.schema import ModelConfig
from snnjax.registry import MODELS
from snnjax.theory.depth.backward import Backward, Fans, backwards, of_output, through_weights
from snnjax.theory.depth.finite_width import Finite, finite_widths
from snnjax.theory.depth.highway import Gated, gated_layer, highway_backwards
from snnjax.theory.depth.images import (
    Convolved,
    Images,
    Pooled,
    convolution_layer,
    even_images,
    pooling,
)
from snnjax.theory.depth.layer import Passage, affine, hidden_layer, is_adapted
from snnjax.theory.depth.network import (
    LARGEST,
    OVERFLOWN,
    STANDARD,
    Ends,
    chain,
    is_perceptron,
    predict,
)
from snnjax.theory.depth.residual import block, block_backwards, first_units
from snnjax.theory.moments.dropout import ALPHA_KINDS, dropped
from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.weights import Weights, initial_weights
from snnjax.widths import IMAGES, KERNEL_SIZE, block_widths, hidden_widths


class Layer(NamedTuple):
    """One layer.

    Attributes:
        name: Of its weights in the network.
        after: Moments of its units over rows and units, those of convolutions before pooling; of
            the last layer of a highway layer or residual block those of that as a whole.
        backward: What becomes of gradients; None where numbers do not fit into float32.
        finite: What its width changes; None where it is not known.
    """

    name: str
    after: Moments
    backward: Backward | None = None
    finite: Finite | None = None


def forecast(
    model: ModelConfig,
    ends: Ends,
    start: Moments = STANDARD,
    *,
    training: bool = True,
    correlation: float = 0.0,
) -> list[Layer] | None:
    """Return what is known of every hidden layer.

    Args:
        model: The network's choices and numbers.
        ends: Columns of its inputs and outputs.
        start: Moments of the inputs.
        training: Whether dropout is on.
        correlation: Of neighbouring pixels, for convolutional networks.

    Returns:
        None for networks and pieces that are not the library's own, for weights that are all
        equal, and for what is not known: maxout or weight normalisation of convolutions, and
        outside perceptrons dropout together with weights that are scaled on data. Moments are
        infinite where float32 overflows.
    """
    x = dropped(model, start, model.input_dropout) if training else start
    is_known = model.init != "constant" and initial_weights(model, 1, 1) is not None
    if x is None or not is_known or not model.depth:
        return None
    at = MODELS.get(model.name)
    if is_perceptron(model):
        return _perceptron(model, ends, x, start, training)
    if training and model.highest_rate > 0 and is_adapted(model):
        return None
    if at == MODELS["highway"]:
        return _highway(model, ends, x, training)
    if at == MODELS["resnet"]:
        return _resnet(model, ends, x, training)
    if at == MODELS["cnn"] and ends.features in IMAGES:
        return _cnn(model, ends, x, training, correlation)
    return None


def _perceptron(
    model: ModelConfig, ends: Ends, x: Moments, start: Moments, training: bool
) -> list[Layer] | None:
    widths = [ends.features, *hidden_widths(model, ends.outputs)]
    weights = _weights(model, widths)
    passages = chain(model, weights, x, start, training)
    if passages is None:
        return None
    count, rest = len(weights), len(weights) - len(passages)
    after = [*(passage.after for passage in passages), *[OVERFLOWN] * rest]
    back: Sequence[Backward | None] | None = None
    finite: Sequence[Finite | None] | None = None
    if not rest:
        adapted = predict(model, weights, start, training=False) if is_adapted(model) else None
        last = adapted[-1] if adapted else after[-1]
        back = _plain(model, widths, ends.outputs, passages, x, last, training)
        finite = finite_widths(model, weights, widths, start, training)
    names = [f"hidden.{n}.linear" for n in range(count)]
    rows = zip(names, after, back or [None] * count, finite or [None] * count, strict=True)
    return [Layer(*row) for row in rows]


def _plain(
    model: ModelConfig,
    widths: Sequence[int],
    outputs: int,
    passages: Sequence[Passage],
    x: Moments,
    last: Moments,
    training: bool,
) -> list[Backward] | None:
    """Return what becomes of gradients in plain layers; None if the last one overflows.

    `last` are the moments of its units that the weights of the outputs are scaled on.
    """
    fans = [Fans(a, b, _pieces(model)) for a, b in pairwise(widths)]
    if not passages[-1].after.mean_square < LARGEST:
        return None
    gradient = _of_outputs(model, widths[-1], outputs, last)
    return backwards(model, passages, fans, x, gradient, training)


def _of_outputs(model: ModelConfig, width: int, outputs: int, last: Moments) -> float:
    """Return the mean square of the gradient by a unit of the last hidden layer.

    The weights of the outputs are scaled on data where those of the layers are.
    """
    norm = "weight" if model.norm == "weight" else "none"
    tau = affine(replace(model, norm=norm), _own(model, width, outputs), last).tau
    return of_output(tau, width, outputs)


def _highway(model: ModelConfig, ends: Ends, x: Moments, training: bool) -> list[Layer] | None:
    width, pieces = model.width, _pieces(model)
    first = hidden_layer(model, _own(model, ends.features, pieces * width), x, training)
    if first is None:
        return None
    weights, gate = _own(model, width, pieces * width), _own(model, width, width)
    gated: list[Gated] = []
    inputs, common = [first.after], first.after.mean**2
    for _ in range(model.depth - 1):
        if not inputs[-1].mean_square < LARGEST:
            return None
        layer = gated_layer(model, weights, gate, inputs[-1], common, training)
        if layer is None:
            return None
        gated.append(layer)
        inputs.append(layer.after)
        common = layer.common
    gradient = _of_outputs(model, width, ends.outputs, inputs[-1])
    above, gradient = highway_backwards(gated, inputs[:-1], pieces, gradient)
    fans = [Fans(ends.features, width, pieces)]
    back = [*backwards(model, [first], fans, x, gradient, training), *above]
    names = [f"hidden.{n}{'.transform' if n else ''}.linear" for n in range(model.depth)]
    return [Layer(*row) for row in zip(names, inputs, back, strict=True)]


def _resnet(model: ModelConfig, ends: Ends, x: Moments, training: bool) -> list[Layer] | None:
    width, pieces, inner = model.width, _pieces(model), block_widths(model)
    first = hidden_layer(model, _own(model, ends.features, pieces * width), x, training)
    units = None if first is None else first_units(model, first, training)
    if first is None or units is None:
        return None
    shapes = list(pairwise((width, *inner)))
    weights = [_own(model, a, pieces * b) for a, b in shapes]
    fans = [Fans(a, b, pieces) for a, b in shapes]
    blocks = []
    for _ in range(model.depth):
        found = block(model, weights, units, training)
        if found is None or not found.units.law.moments.mean_square < LARGEST:
            return None
        blocks.append(found)
        units = found.units
    gradient = _of_outputs(model, width, ends.outputs, units.law.moments)
    by_units = np.full(len(units.slopes), gradient)
    layers: list[list[Layer]] = []
    for number, found in reversed(list(enumerate(blocks, 1))):
        back, by_units = block_backwards(model, found, fans, by_units, training)
        after = [*(passage.after for passage in found.inner), found.units.law.moments]
        names = [f"hidden.{number}.hidden.{n}.linear" for n in range(len(found.inner))]
        rows = zip([*names, f"hidden.{number}.linear"], after, back, strict=True)
        layers.append([Layer(*row) for row in rows])
    lowest = _below_blocks(model, first, Fans(ends.features, width, pieces), x, training)
    below = first_units(model, first, training) or units
    own = float(below.law.masses @ (below.slopes * by_units)) / pieces
    scale = first.slope * pieces / max(float(below.law.masses @ below.slopes), 1e-300)
    lowest = lowest._replace(gradient=own * scale, of_weight=own * scale * x.mean_square)
    above = [layer for rows_of_block in layers[::-1] for layer in rows_of_block]
    return [Layer("hidden.0.linear", first.after, lowest), *above]


def _below_blocks(
    model: ModelConfig, first: Passage, fan: Fans, x: Moments, training: bool
) -> Backward:
    return backwards(model, [first], [fan], x, 1.0, training)[0]


def _cnn(
    model: ModelConfig, ends: Ends, x: Moments, training: bool, correlation: float
) -> list[Layer] | None:
    shape, blocks = IMAGES[ends.features]
    images, channels = even_images(shape[:2], x, correlation), shape.channels
    found: list[tuple[str, Images, Convolved, Pooled | None, tuple[int, int]]] = []
    for number, convolutions in enumerate(blocks):
        for place, (units, padding) in enumerate(convolutions):
            area = KERNEL_SIZE**2
            weights = _own(model, area * channels, area * units)
            layer = convolution_layer(model, weights, images, padding)
            if layer is None or (training and not _has_our_dropout(model)):
                return None
            is_last = place == len(convolutions) - 1
            pooled = pooling(model, layer, training) if is_last else None
            name = f"blocks.{number}.layers.{place}.linear"
            found.append((name, images, layer, pooled, (channels, units)))
            images, channels = layer.after if pooled is None else pooled.after, units
    flat = images.means.size * channels
    widths = [flat, *hidden_widths(model, ends.outputs)]
    passages = chain(model, _weights(model, widths), images.moments, images.moments, training)
    if passages is None or len(passages) != len(widths) - 1:
        return None
    last = passages[-1].after
    back = _plain(model, widths, ends.outputs, passages, images.moments, last, training)
    if back is None:
        return None
    gradient = through_weights(passages[0], Fans(flat, widths[1]), back[0].gradient)
    convolved: list[Layer] = []
    for name, below, layer, pooled, fans in reversed(found):
        backward, gradient = _through_images(below, layer, pooled, fans, gradient)
        convolved.append(Layer(name, layer.after.moments, backward))
    names = [f"hidden.{place}.linear" for place in range(len(passages))]
    after = (passage.after for passage in passages)
    dense = [Layer(*row) for row in zip(names, after, back, strict=True)]
    return [*convolved[::-1], *dense]


def _through_images(
    below: Images,
    layer: Convolved,
    pooled: Pooled | None,
    fans: tuple[int, int],
    gradient: float,
) -> tuple[Backward, float]:
    """Return what becomes of gradients in a convolution, and the gradient by its input."""
    positions, inputs = layer.net.means.size, below.means.size
    own = layer.slope * gradient
    if pooled is not None:
        own = pooled.slope * gradient * pooled.after.means.size / positions
    seen = positions * layer.covered
    squared = positions * fans[1] * layer.tau * layer.slope * layer.covered
    squared /= min(positions * fans[1], inputs * fans[0])
    of_weight = own * seen * below.moments.mean_square
    further = own * seen / inputs * layer.tau * fans[1] / fans[0]
    return Backward(own, of_weight, squared, None), further


def _has_our_dropout(model: ModelConfig) -> bool:
    return model.conv_dropout == 0 or model.dropout_kind in ("ordinary", *ALPHA_KINDS)


def _pieces(model: ModelConfig) -> int:
    return model.pieces if model.activation == "maxout" else 1


def _own(model: ModelConfig, fan_in: int, fan_out: int) -> Weights:
    """Return the weights of a layer whose initialiser is the library's own."""
    found = initial_weights(model, fan_in, fan_out)
    if found is None:
        raise ValueError(f"{model.init}: no such initialiser")
    return found


def _weights(model: ModelConfig, widths: Sequence[int]) -> list[Weights]:
    pieces = _pieces(model)
    return [_own(model, a, pieces * b) for a, b in pairwise(widths)]
