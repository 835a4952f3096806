"""The multilayer perceptron: hidden layers of any activation, initialiser, norm and dropout."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn.draw import draw_kernels
from snnjax.nn.dropout import Dropout
from snnjax.nn.hidden import Hidden
from snnjax.nn.initializers import WITHOUT_PADDING
from snnjax.nn.linear import begins_from_data, make_linear
from snnjax.nn.numbers import Value, constants, keep, read
from snnjax.nn.padding import Size, Used, clear
from snnjax.nn.products import transposed
from snnjax.nn.randomness import Randomness
from snnjax.nn.units import inputs_per_unit
from snnjax.registry import resolve

# On a CPU hidden layers up to this width are computed with the features first, (features, rows):
# measured with 32 to 128 rows, a tenth of a training step at widths 32 and 100, nothing at 256.
_MOST_FEATURES_FIRST = 128


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
    """`depth` hidden layers of any kind and a linear output layer.

    With SELU, LeCun normal weights and alpha dropout this is the SNN of Klambauer et al. 2017;
    with ReLU and He normal weights it is their MSRAinit network.
    """

    def __init__(
        self,
        config: ModelConfig,
        features: int,
        outputs: int,
        key: jax.Array,
        value: Value | None = None,
        used: Used | None = None,
    ) -> None:
        """Draw a network.

        Args:
            config: Its choices.
            features: Columns of the inputs.
            outputs: Classes, or target columns.
            key: A threefry key.
            value: Gives the numbers of the model, traced ones too; by default those of `config`.
            used: Which columns at both ends are not padding; None if there is no padding.
        """
        value = constants(config) if value is None else value
        self.axis = feature_axis(config)
        self.begins_from_data = begins_from_data(value)
        widths = (features, *hidden_widths(config, outputs), outputs)
        sizes = used_widths(config, widths, used)
        inputs = inputs_per_unit(value)
        columns = [inputs * width for width in widths[1:-1]]
        kernels = draw_kernels(
            value,
            key,
            list(zip(widths, [*columns, outputs], strict=False)),
            list(zip(sizes, [*(inputs * size for size in sizes[1:-1]), sizes[-1]], strict=False)),
        )
        layers = zip(kernels[:-1], widths[1:-1], sizes[1:-1], strict=True)
        self.input_dropout = Dropout(value, "input_dropout")
        self.features = keep(sizes[0])
        self.hidden = nnx.List(
            Hidden(value, kernel, width, number, size)
            for number, (kernel, width, size) in enumerate(layers, start=1)
        )
        self.output = make_linear(value, kernels[-1], sizes[-1])

    def __call__(self, x: jax.Array, randomness: Randomness | None = None) -> jax.Array:
        """Map inputs (rows, features) to logits or predictions (rows, outputs).

        Args:
            x: Standardised inputs.
            randomness: Given in training, None in evaluation.
        """
        if randomness is not None and not self.input_dropout.is_off:
            x = clear(self.input_dropout(x, randomness.stream(0)), read(self.features), 1)
        turned = transposed if self.axis == 0 else lambda x: x
        x = turned(x)
        for layer in self.hidden:
            x = layer(x, randomness, self.axis)
        return self.output(turned(x))

    def adapt(self, x: jax.Array, mask: jax.Array) -> None:
        """Adapt initial weights to the valid ones of (rows, features), if `begins_from_data`.

        Layer by layer, each to what the adapted layers below make of the rows.
        """
        for layer in self.hidden:
            layer.adapt(x, mask)
            x = layer(x, None)
        self.output.adapt(x, mask)

    @staticmethod
    def can_pad(config: ModelConfig) -> bool:
        """Tell whether networks of these choices can be padded: data sets then share them."""
        if resolve("initializer", config.init) in WITHOUT_PADDING:
            return False
        # The pieces of a maxout layer lie a width apart, which would have to be known.
        return config.form != "conic" or config.activation != "maxout"


def feature_axis(config: ModelConfig) -> int:
    """Return where the features of hidden layers lie: first where that is faster.

    An activation of one's own may look at a whole row, and is given rows.
    """
    is_elementwise = ":" not in config.activation
    is_narrow = config.width <= _MOST_FEATURES_FIRST
    return 0 if jax.default_backend() == "cpu" and is_narrow and is_elementwise else 1


def used_widths(config: ModelConfig, widths: Sequence[int], used: Used | None) -> Sequence[Size]:
    """List from inputs to outputs how many units of each layer are not padding.

    A conic network is as wide as its number of outputs makes it.
    """
    if used is None:
        return widths
    _, *hidden, outputs = widths
    if config.form == "conic" and config.depth:
        table = [hidden_widths(config, count) for count in range(1, outputs + 1)]
        return [used.features, *jnp.array(table)[used.outputs - 1], used.outputs]
    return [used.features, *hidden, used.outputs]
