"""The weights of a network's affine layers: found among its parameters, named, laid out."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from snnjax.diagnostics.watcher import Layer
from snnjax.nn.linear import of_lengths
from snnjax.nn.padding import Used


class Kernel(NamedTuple):
    """Weights of an affine layer as a matrix.

    Attributes:
        weights: (fan_in, fan_out).
        rows: (fan_in,) bool, what is not padding.
        columns: (fan_out,) bool, what is not padding.
    """

    weights: jax.Array
    rows: jax.Array
    columns: jax.Array


def weights_of(params: Any) -> dict[str, jax.Array]:
    """Return the weights of a network's affine layers by label, from the inputs on.

    Labels are the places `1`, `2`, ... of the layers in the network, `output`, and for what is
    none of these, such as gates, the path of the parameter.
    """
    return {label: weights for label, (weights, _) in _find(params).items()}


def trained_weights_of(params: Any) -> dict[str, jax.Array]:
    """Return of the same layers what is trained: of normalised weights their direction."""
    return {label: trained for label, (_, trained) in _find(params).items()}


def matrices(
    weights: Mapping[str, jax.Array], used: Used | None, layers: Mapping[str, Layer]
) -> dict[str, Kernel]:
    """Lay weights out as matrices, with what of them is not padding.

    Args:
        weights: By label.
        used: What is not padding at both ends of the network; None if there is no padding.
        layers: What the layers of a network with padding compute.
    """
    return {label: _matrix(label, array, used, layers) for label, array in weights.items()}


def _matrix(
    label: str, weights: jax.Array, used: Used | None, layers: Mapping[str, Layer]
) -> Kernel:
    matrix = weights.reshape(-1, weights.shape[-1])
    fan_in, fan_out = matrix.shape
    used_in: Any = fan_in
    used_out: Any = fan_out
    if used is not None:  # of networks that can be padded, whose kernels are matrices
        if label == "1":
            used_in = used.features
        elif label.isdigit():
            used_in = layers[str(int(label) - 1)].used
        if label == "output":
            used_out = used.outputs
            used_in = list(layers.values())[-1].used if layers else fan_in
        elif label in layers and layers[label].activation.shape[1] == fan_out:
            used_out = layers[label].used
    return Kernel(matrix, jnp.arange(fan_in) < used_in, jnp.arange(fan_out) < used_out)


def _find(params: Any) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Return weights, and what of them is trained, by label."""
    found: dict[str, tuple[jax.Array, jax.Array]] = {}
    places = 0
    for path, layer in sorted(_affine(params, ()), key=lambda item: _natural(item[0])):
        if path[0] == "output":
            label = "output"
        elif path[-1] == "linear":
            places += 1
            label = str(places)
        else:
            label = ".".join(path)
        if "direction" in layer:
            weights = of_lengths(layer["direction"], layer["length"])
            found[label] = weights, layer["direction"]
        else:
            found[label] = layer["kernel"], layer["kernel"]
    return found


def _affine(tree: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    """Find the affine layers in a tree of parameters."""
    if not isinstance(tree, Mapping):
        return []
    if "kernel" in tree or "direction" in tree:
        return [(path, tree)]
    return [found for name, own in tree.items() for found in _affine(own, (*path, str(name)))]


def _natural(path: tuple[str, ...]) -> tuple[tuple[Any, ...], ...]:
    """Return what sorts paths as they lie in a network: numbers by size, the output layer last."""
    parts = re.split(r"(\d+)", ".".join(path))
    numbered = ((part.isdigit(), int(part) if part.isdigit() else part) for part in parts)
    return ((path[0] == "output",), tuple(numbered))
