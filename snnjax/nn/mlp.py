"""The multilayer perceptron: hidden layers of any activation, initialiser and dropout."""

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.initializers import standard_normals
from snnjax.nn.padding import Size, Used, clear
from snnjax.registry import resolve


class Randomness(NamedTuple):
    """What a network needs in training mode and not in evaluation.

    Attributes:
        key: A `noise` key, new at every step.
        dropout: Rate of the hidden layers; a Python 0.0 leaves the dropout out of the program.
        input_dropout: Rate of the inputs, likewise.
        used: Which columns at both ends are not padding; None if there is no padding.
    """

    key: jax.Array
    dropout: jax.Array | float
    input_dropout: jax.Array | float
    used: Used | None = None


class Linear(nnx.Module):
    """Affine layer x @ kernel + bias with kernel (fan_in, fan_out) and zero initial bias."""

    def __init__(self, kernel: jax.Array) -> None:
        self.kernel = nnx.Param(kernel)
        self.bias = nnx.Param(jnp.zeros(kernel.shape[1], kernel.dtype))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (rows, fan_in) to (rows, fan_out)."""
        return x @ self.kernel[...] + self.bias[...][None, :]


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


def used_widths(config: ModelConfig, outputs: int, used: Used) -> list[Size]:
    """List from inputs to outputs how many units of a padded network's layers are not padding.

    Args:
        config: The network; a conic one is as wide as its number of outputs makes it.
        outputs: Number of outputs, padding included.
        used: How many inputs and outputs are not padding.
    """
    if config.form == "rectangular":
        return [used.features, *hidden_widths(config, outputs), used.outputs]
    table = jnp.array([hidden_widths(config, count) for count in range(1, outputs + 1)])
    return [used.features, *table[used.outputs - 1], used.outputs]


class MLP(nnx.Module):
    """`depth` hidden layers, each linear -> activation -> dropout, and a linear output layer.

    With SELU, LeCun normal weights and alpha dropout this is the SNN of Klambauer et al. 2017;
    with ReLU and He normal weights it is their MSRAinit network.
    """

    can_pad = True

    def __init__(
        self,
        config: ModelConfig,
        features: int,
        outputs: int,
        key: jax.Array,
        used: Used | None = None,
    ) -> None:
        self.activation = resolve("activation", config.activation)
        self.dropout = resolve("dropout", config.dropout_kind)
        self.config, self.outputs = config, outputs
        init = resolve("initializer", config.init)
        widths = [features, *hidden_widths(config, outputs), outputs]
        shapes = list(pairwise(widths))
        fans = list(pairwise(used_widths(config, outputs, used) if used else widths))
        normals = standard_normals(key, shapes, fans)
        kernels = [init(z, *fan) for z, fan in zip(normals, fans, strict=True)]
        kernels = [clear(clear(k, i, 0), o, 1) for k, (i, o) in zip(kernels, fans, strict=True)]
        layers = [Linear(kernel) for kernel in kernels]
        self.hidden = nnx.List(layers[:-1])
        self.output = layers[-1]

    def __call__(self, x: jax.Array, randomness: Randomness | None = None) -> jax.Array:
        """Map inputs (rows, features) to logits or predictions (rows, outputs).

        Args:
            x: Standardised inputs.
            randomness: Given in training, None in evaluation.
        """
        x = self._drop(x, randomness, "input_dropout", 0)
        for number, layer in enumerate(self.hidden, start=1):
            x = self._drop(self.activation(layer(x)), randomness, "dropout", number)
        return self.output(x)

    def _drop(
        self, x: jax.Array, randomness: Randomness | None, kind: str, layer: int
    ) -> jax.Array:
        if randomness is None:
            return x
        rate = getattr(randomness, kind)
        is_on = not (isinstance(rate, float) and rate == 0.0)
        if is_on:
            x = self.dropout(x, rate, noise.fold(randomness.key, layer))
        if randomness.used is not None and (is_on or layer):
            # Padded units must be zero, or the weights that lead on from them would be trained.
            x = clear(x, used_widths(self.config, self.outputs, randomness.used)[layer], 1)
        return x
