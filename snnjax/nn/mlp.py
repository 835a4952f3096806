"""The multilayer perceptron: hidden layers of any activation, initialiser and dropout."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.activations import identity
from snnjax.nn.dropout import drop_activated
from snnjax.nn.initializers import standard_normals
from snnjax.nn.padding import Size, Used, clear
from snnjax.nn.products import product, transposed
from snnjax.registry import resolve

# On a CPU hidden layers up to this width are computed with the features first, (features, rows):
# measured with 32 to 128 rows, a tenth of a training step at widths 32 and 100, nothing at 256.
_MOST_FEATURES_FIRST = 128


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


def is_off(rate: jax.Array | float) -> bool:
    """Tell whether a dropout rate is the constant 0, which leaves the dropout out."""
    return isinstance(rate, float) and rate == 0.0


class Linear(nnx.Module):
    """Affine layer x @ kernel + bias with kernel (fan_in, fan_out) and zero initial bias."""

    def __init__(self, kernel: jax.Array) -> None:
        self.kernel = nnx.Param(kernel)
        self.bias = nnx.Param(jnp.zeros(kernel.shape[1], kernel.dtype))

    def __call__(self, x: jax.Array, axis: int = 1) -> jax.Array:
        """Map (rows, fan_in) to (rows, fan_out), with the features along axis 0 both transposed."""
        return product(x, self.kernel[...], axis) + jnp.expand_dims(self.bias[...], 1 - axis)


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
        self.config = config
        self.widths = (features, *hidden_widths(config, outputs), outputs)
        init = resolve("initializer", config.init)
        shapes = list(pairwise(self.widths))
        fans = list(pairwise(self._used_widths(used)))
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
        axis = self._feature_axis()
        turned = transposed if axis == 0 else identity
        if randomness is None:
            x = turned(x)
            for layer in self.hidden:
                x = self.activation(layer(x, axis))
            return self.output(turned(x))
        # Padded units must be zero, or the weights that lead on from them would be trained.
        used = self._used_widths(randomness.used)
        if not is_off(randomness.input_dropout):
            key = noise.fold(randomness.key, 0)
            x = clear(self.dropout(x, randomness.input_dropout, key), used[0], 1)
        x = turned(x)
        for number, layer in enumerate(self.hidden, start=1):
            x = layer(x, axis)
            if is_off(randomness.dropout):
                x = self.activation(x)
            else:
                key = noise.fold(randomness.key, number)
                x = drop_activated(self.activation, self.dropout, x, randomness.dropout, key, axis)
            x = clear(x, used[number], axis)
        return self.output(turned(x))

    def _feature_axis(self) -> int:
        """Return where the features of hidden layers lie: first where that is faster.

        An activation of one's own may look at a whole row, and is given rows.
        """
        is_elementwise = ":" not in self.config.activation
        is_narrow = self.config.width <= _MOST_FEATURES_FIRST
        return 0 if jax.default_backend() == "cpu" and is_narrow and is_elementwise else 1

    def _used_widths(self, used: Used | None) -> Sequence[Size]:
        """List from inputs to outputs how many units of each layer are not padding.

        A conic network is as wide as its number of outputs makes it.
        """
        if used is None:
            return self.widths
        _, *hidden, outputs = self.widths
        if self.config.form == "conic":
            table = [hidden_widths(self.config, count) for count in range(1, outputs + 1)]
            return [used.features, *jnp.array(table)[used.outputs - 1], used.outputs]
        return [used.features, *hidden, used.outputs]
