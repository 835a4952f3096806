"""The multilayer perceptron: hidden layers of any activation, initialiser, norm and dropout."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from snnjax.config.schema import ModelConfig
from snnjax.nn.draw import draw_kernels
from snnjax.nn.hidden import Hidden
from snnjax.nn.numbers import Value, constants
from snnjax.nn.padding import Size, Used
from snnjax.nn.stack import Stack
from snnjax.nn.units import inputs_per_unit
from snnjax.widths import hidden_widths


class MLP(Stack):
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
        hidden = (
            Hidden(value, kernel, width, number, size)
            for number, (kernel, width, size) in enumerate(layers, start=1)
        )
        super().__init__(config, value, hidden, kernels[-1], sizes[0], sizes[-1])

    @staticmethod
    def can_pad(config: ModelConfig) -> bool:
        """Tell whether networks of these choices can be padded: data sets then share them."""
        # The pieces of a maxout layer lie a width apart, which would have to be known.
        is_known = config.form != "conic" or config.activation != "maxout"
        return is_known and Stack.can_pad(config)


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
