"""Networks written out in NumPy with complex numbers, whose derivatives are exact to rounding.

The derivative by one number inside the network is the imaginary part of the loss once a tiny
imaginary part was added to that number: no difference is taken, and no backward pass is written.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnjax.config.schema import ModelConfig
from snnjax.constants import ALPHA_01, LAMBDA_01

Array = NDArray[Any]
Place = tuple[str, int, int, int]
"""Kind, layer, row and column of one value."""

_TINY = 1e-30


def _leaky(slope: Any) -> Callable[[Array], Array]:
    return lambda z: np.where(z.real > 0, z, slope * z)


def _exponential(scale: float, alpha: float) -> Callable[[Array], Array]:
    return lambda z: scale * np.where(z.real > 0, z, alpha * (np.exp(z) - 1))


ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softsign": lambda z: z / (1 + np.where(z.real > 0, z, -z)),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "hard_tanh": lambda z: np.where(np.abs(z.real) < 1, z, np.sign(z.real)),
    "relu": _leaky(0.0),
    "leaky_relu": _leaky(0.01),
    "rrelu": _leaky((1 / 8 + 1 / 3) / 2),
    "elu": _exponential(1.0, 1.0),
    "selu": _exponential(LAMBDA_01, ALPHA_01),
    "silu": lambda z: z / (1 + np.exp(-z)),
}


@dataclass
class Network:
    """One pass through a network.

    Attributes:
        model: Its choices.
        params: Its parameters.
        added: Where a tiny imaginary part is added, if anywhere.
        seen: What the layers computed, by kind and number.
    """

    model: ModelConfig
    params: Any
    added: Place | None = None
    seen: dict[tuple[str, int], Array] = field(default_factory=dict)

    def outputs(self, x: Array) -> Array:
        """Return the logits of rows."""
        x = x.astype(complex)
        if self.model.name == "cnn":
            x = self._convolutions(x)
        first = 3 if self.model.name == "cnn" else 1
        for layer in in_order(self.params["hidden"]):
            if "gate" in layer:
                gate = 1 / (1 + np.exp(-affine(layer["gate"], x)))
                x = gate * self._hidden(layer["transform"], x, first) + (1 - gate) * x
                first += 1
            elif "hidden" in layer:
                inner = x
                for own in in_order(layer["hidden"]):
                    inner = self._hidden(own, inner, first)
                    first += 1
                x = self._hidden(layer, inner, first, shortcut=x)
                first += 1
            else:
                x = self._hidden(layer, x, first)
                first += 1
        return affine(self.params["output"], x)

    def row_losses(self, x: Array, labels: Array) -> Array:
        """Return the cross-entropy of every row."""
        logits = self.outputs(x)
        return np.log(np.exp(logits).sum(1)) - logits[np.arange(len(x)), labels]

    def _hidden(self, layer: Any, x: Array, number: int, shortcut: Array | None = None) -> Array:
        return self._activated(layer, affine(layer["linear"], x), number, shortcut)

    def _activated(self, layer: Any, z: Array, number: int, shortcut: Any = None) -> Array:
        is_before = self.model.norm_placement == "before"
        z = self._normalised(layer, z) if is_before else z
        z = z if shortcut is None else z + shortcut
        z = self._see("preactivation", number, z)
        if self.model.activation == "maxout":
            y = np.stack(np.split(z, self.model.pieces, axis=1))
            y = np.take_along_axis(y, y.real.argmax(0)[None], 0)[0]
        elif self.model.activation == "prelu":
            y = _leaky(layer["unit"]["slope"])(z)
        else:
            y = ACTIVATIONS[self.model.activation](z)
        y = self._see("activation", number, y)
        return y if is_before else self._normalised(layer, y)

    def _normalised(self, layer: Any, z: Array) -> Array:
        if self.model.norm in ("none", "weight"):
            return z
        own, epsilon = layer["norm"], self.model.norm_epsilon
        axis = 0 if self.model.norm == "batch" else 1
        mean = z.mean(axis, keepdims=True)
        if self.model.norm == "rms":
            return z / np.sqrt((z**2).mean(1, keepdims=True) + epsilon) * own["scale"]
        variance = ((z - mean) ** 2).mean(axis, keepdims=True)
        return (z - mean) / np.sqrt(variance + epsilon) * own["scale"] + own["shift"]

    def _convolutions(self, x: Array) -> Array:
        """Two valid convolutions of images of 8 x 8 pixels, and the largest of four."""
        images = x.reshape(len(x), 8, 8, 1)
        for number, layer in enumerate(in_order(in_order(self.params["blocks"])[0]["layers"]), 1):
            windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), (1, 2))
            z = np.einsum("nhwcij,ijco->nhwo", windows, layer["linear"]["kernel"])
            z = z + layer["linear"]["bias"]
            shape = z.shape[:3]
            images = self._activated(layer, z.reshape(-1, z.shape[3]), number).reshape(*shape, -1)
        rows, height, width, channels = images.shape
        four = images.reshape(rows, height // 2, 2, width // 2, 2, channels)
        four = four.transpose(0, 1, 3, 5, 2, 4).reshape(rows, height // 2, width // 2, channels, 4)
        largest = np.take_along_axis(four, four.real.argmax(-1)[..., None], -1)
        return largest.reshape(rows, -1)

    def _see(self, kind: str, number: int, values: Array) -> Array:
        if self.added is not None and self.added[:2] == (kind, number):
            values = values.copy()
            values[self.added[2:]] += 1j * _TINY
        self.seen[kind, number] = values.real
        return values


def derivative(model: ModelConfig, params: Any, x: Array, labels: Array, place: Place) -> float:
    """Return the derivative of the sum of the rows' losses by one value inside the network."""
    losses = Network(model, params, place).row_losses(x, labels)
    return float(losses.sum().imag / _TINY)


def affine(layer: Any, x: Array) -> Array:
    """Return x W + b."""
    if "direction" in layer:
        direction = layer["direction"].astype(np.float64)
        weights = layer["length"] * direction / np.sqrt((direction**2).sum(0))
    else:
        weights = layer["kernel"]
    return x @ weights + layer["bias"]


def in_order(layers: Mapping[Any, Any]) -> list[Any]:
    """Return the items of what nnx makes of a list."""
    return [layers[key] for key in sorted(layers, key=int)]
