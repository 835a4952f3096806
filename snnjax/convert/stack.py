"""Pieces put together as a multilayer perceptron, and one taken apart into its pieces."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from snnjax.config.errors import ConfigError, complaint
from snnjax.config.schema import ModelConfig
from snnjax.config.split import IN_MEMBER
from snnjax.config.strict import convert
from snnjax.convert.pieces import Affine, ConversionError, Drop, Norm, Piece, Placed, Unit, refuse
from snnjax.nn.mlp import MLP, hidden_widths
from snnjax.registry import MODELS, resolve
from snnjax.step import Network

# The first letters of what may follow the affine map of a hidden layer, in this order.
_ORDER = re.compile("(N?U?|UN)D?")
_ALLOWED_ORDER = "[normalisation] [activation] [normalisation] [dropout], at most one of each"

# What other libraries have fixed, or have no layer for.
_FIXED = ("selu_alpha", "selu_lambda", "dropout_mean", "dropout_variance")
_NORMS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "batch": ("norm_epsilon", "norm_momentum"),
    "layer": ("norm_epsilon",),
}
_DROPOUTS = ("alpha", "ordinary")
_UNIT_NUMBERS = {"elu": ("elu_alpha",), "leaky_relu": ("leaky_slope",)}


class Converted(NamedTuple):
    """A network of another library as one of ours.

    Attributes:
        config: Its choices; a `Program` of just this config computes what it does.
        features: Columns of the inputs.
        outputs: Columns of the outputs, which are logits or predictions.
        network: Parameters, and the running moments of batch normalisation.
    """

    config: ModelConfig
    features: int
    outputs: int
    network: Network


def assemble(layers: Sequence[Placed]) -> Converted:
    """Put a multilayer perceptron together.

    Raises:
        ConversionError: The layers are not those of one.
    """
    starts = [n for n, layer in enumerate(layers) if isinstance(layer.piece, Affine)]
    if not starts:
        raise refuse("the network", "has no affine layer", "at least the one of the outputs")
    affines = [layers[start] for start in starts]
    ends = [*starts[1:], len(layers)]
    *hidden, rest = [layers[a + 1 : b] for a, b in zip(starts, ends, strict=True)]
    if rest:
        problem = "follows the output layer, but outputs are logits or predictions"
        raise refuse(rest[0].where, problem, "nothing")
    widths = _chained(affines)
    choices = _same_choices(affines, hidden)
    choices |= _shape(widths) | _input_choices(layers[: starts[0]], choices)
    try:
        config = convert(ModelConfig, {"name": "mlp"} | choices, "model")
    except ConfigError as error:
        raise ConversionError(str(error)) from error
    return Converted(config, widths[0], widths[-1], _network(affines, hidden))


def take_apart(config: ModelConfig, network: Network) -> list[Piece]:
    """List the pieces of a multilayer perceptron from its inputs to its outputs.

    Raises:
        ConversionError: Other libraries have no form for it.
    """
    _check(config, network)
    params, extra = network
    drops = {rate: [Drop(config.dropout_kind, rate)] if rate else [] for rate in _rates(config)}
    numbers = {key: getattr(config, key) for key in _UNIT_NUMBERS.get(config.activation, ())}
    pieces: list[Piece] = [*drops[config.input_dropout]]
    for number in range(config.depth):
        layer = params["hidden"][number]
        norm: list[Piece] = []
        if config.norm != "none":
            of_norm = {key: getattr(config, key) for key in _NORMS[config.norm]}
            moments = extra["hidden"][number]["norm"] if config.norm == "batch" else {}
            norm = [Norm(config.norm, of_norm, **_arrays(layer["norm"]), **_arrays(moments))]
        before, after = (norm, []) if config.norm_placement == "before" else ([], norm)
        unit = Unit(config.activation, numbers)
        affine = Affine(**_arrays(layer["linear"]))
        pieces += [affine, *before, unit, *after, *drops[config.dropout]]
    return [*pieces, Affine(**_arrays(params["output"]))]


def _chained(affines: Sequence[Placed]) -> list[int]:
    """Return the widths from inputs to outputs."""
    shapes = [_affine(layer).kernel.shape for layer in affines]
    for (_, width), (fan_in, _), layer in zip(shapes, shapes[1:], affines[1:], strict=False):
        if fan_in != width:
            problem = f"takes {fan_in} inputs where the layer before it gives {width}"
            raise refuse(layer.where, problem, str(width))
    return [shapes[0][0], *(fan_out for _, fan_out in shapes)]


def _shape(widths: Sequence[int]) -> dict[str, Any]:
    """Return depth, width and form."""
    inner = tuple(widths[1:-1])
    if not inner:
        return {"depth": 0}
    shape: dict[str, Any] = {"depth": len(inner), "width": inner[0]}
    if len(set(inner)) == 1:
        return shape
    conic = hidden_widths(ModelConfig(**shape, form="conic"), widths[-1])
    if inner != conic:
        given, wanted = (", ".join(map(str, some)) for some in (inner, conic))
        raise refuse(
            "the network",
            f"its hidden layers are {given} wide, neither rectangular nor conic",
            f"the same width throughout, or {wanted} (conic to {widths[-1]} outputs)",
        )
    return shape | {"form": "conic"}


def _same_choices(affines: Sequence[Placed], hidden: Sequence[Sequence[Placed]]) -> dict[str, Any]:
    """Return what the hidden layers are made of, which must be the same in all."""
    several = [_choices(some) for some in hidden]
    for number, choices in enumerate(several[1:], start=1):
        for key in {**several[0], **choices}:
            here, first = choices.get(key), several[0].get(key)
            if here != first:
                problem = f"begins a hidden layer with {key}={here}, the first one has {first}"
                raise refuse(affines[number].where, problem, "the same in all hidden layers")
    return several[0] if several else {}


def _choices(followers: Sequence[Placed]) -> dict[str, Any]:
    """Return the choices of one hidden layer from what follows its affine map."""
    kinds = "".join(type(layer.piece).__name__[0] for layer in followers)
    if not _ORDER.fullmatch(kinds):
        listed = ", ".join(layer.where for layer in followers)
        raise refuse(listed, "do not make a hidden layer", f"Linear {_ALLOWED_ORDER}")
    found: dict[str, Any] = {"activation": "identity", "norm": "none", "dropout": 0.0}
    for _, piece in followers:
        if isinstance(piece, Unit):
            found |= {"activation": piece.activation, **piece.numbers}
        elif isinstance(piece, Norm):
            placement = "after" if kinds.startswith("UN") else "before"
            found |= {"norm": piece.kind, "norm_placement": placement, **piece.numbers}
        elif isinstance(piece, Drop):
            found |= {"dropout_kind": piece.kind, "dropout": piece.rate}
    return found


def _input_choices(layers: Sequence[Placed], choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rate of a dropout before the first affine map, and the kind of all dropouts."""
    usual = "alpha" if choices.get("activation", "selu") == "selu" else "ordinary"
    kind = choices.get("dropout_kind", usual)
    if not layers:
        return {"dropout_kind": kind, "input_dropout": 0.0, "dropout": choices.get("dropout", 0.0)}
    where, piece = layers[0]
    if not isinstance(piece, Drop) or len(layers) > 1:
        raise refuse(layers[-1].where, "stands before the first affine layer", "one dropout")
    if piece.kind != choices.get("dropout_kind", piece.kind):
        raise refuse(where, f"drops in another way than the hidden layers, which have {kind}", kind)
    rates = {"input_dropout": piece.rate, "dropout": choices.get("dropout", 0.0)}
    return {"dropout_kind": piece.kind} | rates


def _network(affines: Sequence[Placed], hidden: Sequence[Sequence[Placed]]) -> Network:
    params: dict[str, Any] = {"hidden": {}, "output": _trees(_affine(affines[-1]))}
    extra: dict[str, Any] = {"hidden": {}}
    for number, (affine, followers) in enumerate(zip(affines, hidden, strict=False)):
        layer = params["hidden"][number] = {"linear": _trees(_affine(affine))}
        width = layer["linear"]["bias"].shape
        for where, piece in followers:
            if not isinstance(piece, Norm):
                continue
            if piece.scale.shape != width:
                problem = f"normalises {piece.scale.shape}, the layer is {width[0]} wide"
                raise refuse(where, problem, str(width[0]))
            found = _trees(piece)
            layer["norm"] = {name: found[name] for name in ("scale", "shift")}
            if piece.kind == "batch":
                moments = {name: found[name] for name in ("mean", "variance")}
                extra["hidden"][number] = {"norm": moments}
    return Network(*({k: v for k, v in tree.items() if v} for tree in (params, extra)))


def _affine(layer: Placed) -> Affine:
    assert isinstance(layer.piece, Affine)
    return layer.piece


def _trees(piece: Affine | Norm) -> dict[str, Any]:
    """Return the arrays of a piece on JAX's side; copies, whatever becomes of the originals."""
    values = {field.name: getattr(piece, field.name) for field in fields(piece)}
    return {name: jnp.array(v) for name, v in values.items() if isinstance(v, np.ndarray)}


def _arrays(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.array(leaf) for name, leaf in tree.items()}


def _rates(config: ModelConfig) -> tuple[float, float]:
    return config.input_dropout, config.dropout


def _check(config: ModelConfig, network: Network) -> None:
    """Refuse what is no multilayer perceptron of pieces that other libraries have."""

    def wrong(key: str, problem: str, allowed: str) -> ConversionError:
        return ConversionError(
            complaint(f"model.{key}", f"{getattr(config, key)}", problem, allowed)
        )

    if resolve("model", config.name) is not MLP:
        names = [name for name in MODELS if resolve("model", name) is MLP]
        raise wrong("name", "is no multilayer perceptron", ", ".join(names))
    for key in (each.name for each in fields(config)):
        if getattr(config, key) is IN_MEMBER:
            problem = "is the member's number, and not known here"
            line = complaint(f"model.{key}", None, problem, "the configuration of one run")
            raise ConversionError(line)
    if config.norm not in _NORMS:
        raise wrong("norm", "has no layer of its own elsewhere", ", ".join(_NORMS))
    for key in _FIXED:
        if getattr(config, key) != (usual := getattr(ModelConfig(), key)):
            raise wrong(key, "is fixed elsewhere", f"{usual}")
    if any(_rates(config)) and config.dropout_kind not in _DROPOUTS:
        raise wrong("dropout_kind", "has no layer for rows elsewhere", ", ".join(_DROPOUTS))
    if np.ndim(network.params["output"]["bias"]) != 1:
        raise refuse("the network", "is several, stacked along a first axis", "the one of a member")
