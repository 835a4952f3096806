"""The multilayer perceptron: hidden layers of any activation, initialiser and dropout."""

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.dropout import drop_activated
from snnjax.nn.initializers import standard_normals
from snnjax.nn.products import product
from snnjax.registry import resolve


class Randomness(NamedTuple):
    """What a network needs in training mode and not in evaluation.

    Attributes:
        key: A `noise` key, new at every step.
        dropout: Rate of the hidden layers; a Python 0.0 leaves the dropout out of the program.
        input_dropout: Rate of the inputs, likewise.
    """

    key: jax.Array
    dropout: jax.Array | float
    input_dropout: jax.Array | float


def is_off(rate: jax.Array | float) -> bool:
    """Tell whether a dropout rate is the constant 0, which leaves the dropout out."""
    return isinstance(rate, float) and rate == 0.0


class Linear(nnx.Module):
    """Affine layer x @ kernel + bias with kernel (fan_in, fan_out) and zero initial bias."""

    def __init__(self, kernel: jax.Array) -> None:
        self.kernel = nnx.Param(kernel)
        self.bias = nnx.Param(jnp.zeros(kernel.shape[1], kernel.dtype))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (rows, fan_in) to (rows, fan_out)."""
        return product(x, self.kernel[...]) + self.bias[...][None, :]


def hidden_widths(config: ModelConfig, outputs: int) -> tuple[int, ...]:
    """List the widths of the hidden layers.

    `rectangular` repeats `width`; `conic` shrinks geometrically from `width` at the first hidden
    layer to `outputs` at the output layer.
    """
    if config.form == "rectangular":
        return (config.width,) * config.depth
    ratio = outputs / config.width
    return tuple(
        max(1, round(config.width * ratio ** (i / config.depth))) for i in range(config.depth)
    )


class MLP(nnx.Module):
    """`depth` hidden layers, each linear -> activation -> dropout, and a linear output layer.

    With SELU, LeCun normal weights and alpha dropout this is the SNN of Klambauer et al. 2017;
    with ReLU and He normal weights it is their MSRAinit network.
    """

    def __init__(self, config: ModelConfig, features: int, outputs: int, key: jax.Array) -> None:
        self.activation = resolve("activation", config.activation)
        self.dropout = resolve("dropout", config.dropout_kind)
        init = resolve("initializer", config.init)
        widths = (features, *hidden_widths(config, outputs), outputs)
        shapes = list(pairwise(widths))
        normals = standard_normals(key, shapes)
        layers = [Linear(init(z, *shape)) for z, shape in zip(normals, shapes, strict=True)]
        self.hidden = nnx.List(layers[:-1])
        self.output = layers[-1]

    def __call__(self, x: jax.Array, randomness: Randomness | None = None) -> jax.Array:
        """Map inputs (rows, features) to logits or predictions (rows, outputs).

        Args:
            x: Standardised inputs.
            randomness: Given in training, None in evaluation.
        """
        if randomness is not None and not is_off(randomness.input_dropout):
            x = self.dropout(x, randomness.input_dropout, noise.fold(randomness.key, 0))
        for number, layer in enumerate(self.hidden, start=1):
            x = layer(x)
            if randomness is None or is_off(randomness.dropout):
                x = self.activation(x)
            else:
                key = noise.fold(randomness.key, number)
                x = drop_activated(self.activation, self.dropout, x, randomness.dropout, key)
        return self.output(x)
