"""What the networks have in common: hidden layers one after another, and a linear output layer."""

from collections.abc import Iterable
from typing import Protocol

import jax
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn.dropout import Dropout
from snnjax.nn.initializers import WITHOUT_PADDING
from snnjax.nn.linear import begins_from_data, make_linear
from snnjax.nn.numbers import Value, keep, read
from snnjax.nn.padding import Size, clear
from snnjax.nn.products import transposed
from snnjax.nn.randomness import Randomness
from snnjax.nn.taps import handed_on
from snnjax.registry import resolve

# On a CPU hidden layers up to this width are computed with the features first, (features, rows):
# measured with 32 to 128 rows, a tenth of a training step at widths 32 and 100, nothing at 256.
_MOST_FEATURES_FIRST = 128


class Layer(Protocol):
    """What stands in a stack: a hidden layer, or a block of several."""

    def __call__(self, x: jax.Array, randomness: Randomness | None, axis: int = 1) -> jax.Array:
        """Map (rows, fan_in) to (rows, width), with the features along axis 0 both transposed."""
        ...

    def adapt(self, x: jax.Array, mask: jax.Array) -> None:
        """Adapt initial weights to the valid ones of (rows, fan_in), if they are of such a kind."""
        ...


class Stack(nnx.Module):
    """Input dropout, hidden layers, output layer; networks differ in the layers they draw."""

    def __init__(
        self,
        config: ModelConfig,
        value: Value,
        layers: Iterable[Layer],
        output: jax.Array,
        features: Size,
        outputs: Size,
    ) -> None:
        """Put layers together.

        Args:
            config: The choices of the model.
            value: Gives these, and the numbers.
            layers: The hidden layers, first to last.
            output: Initial weights of the output layer.
            features: How many columns of the inputs are not padding.
            outputs: The same of the outputs.
        """
        self.axis = feature_axis(config)
        self.begins_from_data = begins_from_data(value)
        self.input_dropout = Dropout(value, "input_dropout")
        self.features = keep(features)
        self.hidden = nnx.List(layers)
        self.output = make_linear(value, output, outputs)

    def __call__(self, x: jax.Array, randomness: Randomness | None = None) -> jax.Array:
        """Map inputs (rows, features) to logits or predictions (rows, outputs).

        Args:
            x: Standardised inputs.
            randomness: Given in training, None in evaluation.
        """
        return self.classify(self.with_dropped_inputs(x, randomness), randomness)

    def with_dropped_inputs(self, x: jax.Array, randomness: Randomness | None) -> jax.Array:
        """Drop inputs in training, at their own rate."""
        if randomness is None or self.input_dropout.is_off:
            return x
        return clear(self.input_dropout(x, randomness.stream(0)), read(self.features), 1)

    def classify(self, x: jax.Array, randomness: Randomness | None) -> jax.Array:
        """Map what enters the first hidden layer to (rows, outputs)."""
        turned = transposed if self.axis == 0 else lambda x: x
        x = turned(x)
        for layer in self.hidden:
            x = handed_on(layer(x, randomness, self.axis), self.axis)
        return self.output(turned(x))

    def adapt(self, x: jax.Array, mask: jax.Array) -> None:
        """Adapt initial weights to the valid ones of (rows, features), if `begins_from_data`.

        Layer by layer, each to what the adapted layers below make of the rows.
        """
        for layer in self.hidden:
            layer.adapt(x, mask)
            x = layer(x, None)
        self.output.adapt(self.output(x), mask)

    @staticmethod
    def can_pad(config: ModelConfig) -> bool:
        """Tell whether networks of these choices can be padded: data sets then share them."""
        return resolve("initializer", config.init) not in WITHOUT_PADDING


def feature_axis(config: ModelConfig) -> int:
    """Return where the features of hidden layers lie: first where that is faster.

    An activation of one's own may look at a whole row, and is given rows.
    """
    is_elementwise = ":" not in config.activation
    is_narrow = config.width <= _MOST_FEATURES_FIRST
    return 0 if jax.default_backend() == "cpu" and is_narrow and is_elementwise else 1
