"""The highway network: layers that transform as much of their input as a gate lets them."""

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn.draw import draw_kernels
from snnjax.nn.hidden import Hidden
from snnjax.nn.linear import Linear
from snnjax.nn.numbers import Value, constants
from snnjax.nn.padding import Used
from snnjax.nn.randomness import Randomness
from snnjax.nn.stack import Layer, Stack
from snnjax.nn.units import inputs_per_unit


class HighwayLayer(nnx.Module):
    """y = H(x) T(x) + x (1 - T(x)), T(x) = sigmoid(x W_T + b_T) (Srivastava et al. 2015, Eq. 3).

    H is a hidden layer with its normalisation and its dropout: what is carried past it is never
    dropped, or next to nothing of it would arrive above many layers. The gate is a plain affine
    layer; its bias begins negative, so that a new layer mostly carries (section 2.2).
    """

    def __init__(
        self, value: Value, kernel: jax.Array, gate: jax.Array, width: int, number: int
    ) -> None:
        """Build a layer around its weights.

        Args:
            value: Gives the model's choices and numbers.
            kernel: Initial weights of H, (width, `units.inputs_per_unit` * width).
            gate: Initial weights of T, (width, width).
            width: Units of the layer.
            number: Its place in the network.
        """
        self.transform = Hidden(value, kernel, width, number)
        self.gate = Linear(gate, jnp.full(width, value("gate_bias"), gate.dtype))

    def __call__(self, x: jax.Array, randomness: Randomness | None, axis: int = 1) -> jax.Array:
        """Map (rows, width) to (rows, width), with the features along axis 0 both transposed."""
        opened = jax.nn.sigmoid(self.gate(x, axis))
        return x + opened * (self.transform(x, randomness, axis) - x)

    def adapt(self, x: jax.Array, mask: jax.Array) -> None:
        """Adapt the initial weights of H to the valid ones of (rows, width)."""
        self.transform.adapt(x, mask)


class Highway(Stack):
    """Highway network: one plain layer, which changes the width, then `depth` - 1 gated ones."""

    def __init__(
        self,
        config: ModelConfig,
        features: int,
        outputs: int,
        key: jax.Array,
        value: Value | None = None,
        used: Used | None = None,
    ) -> None:
        """Draw a network; the arguments are those of `MLP`.

        Weights of gates come from the same initialiser as the others.
        """
        value = constants(config) if value is None else value
        used = Used(features, outputs) if used is None else used
        width, columns = config.width, inputs_per_unit(value) * config.width
        gated = [(width, columns), (width, width)] * (config.depth - 1)
        kernel, *kernels, output = draw_kernels(
            value,
            key,
            [(features, columns), *gated, (width, outputs)],
            [(used.features, columns), *gated, (width, used.outputs)],
        )
        pairs = zip(kernels[::2], kernels[1::2], strict=True)
        hidden: list[Layer] = [
            Hidden(value, kernel, width, 1),
            *(HighwayLayer(value, *pair, width, number) for number, pair in enumerate(pairs, 2)),
        ]
        super().__init__(config, value, hidden, output, used.features, used.outputs)
