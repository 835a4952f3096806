"""One hidden layer, of which networks are built: linear, normalisation, activation, dropout."""

import jax
from flax import nnx

from snnjax.nn.dropout import Dropout
from snnjax.nn.linear import make_linear
from snnjax.nn.numbers import Value, keep, read
from snnjax.nn.padding import Size, clear
from snnjax.nn.randomness import SLOPES, Randomness
from snnjax.nn.taps import activated
from snnjax.nn.units import make_unit
from snnjax.registry import resolve


class Hidden(nnx.Module):
    """linear -> normalisation -> activation -> dropout, or the normalisation after the activation.

    The random numbers of layer `number` come from the stream of that number.
    """

    def __init__(
        self, value: Value, kernel: jax.Array, width: int, number: int, used: Size | None = None
    ) -> None:
        """Build a layer around its weights.

        Args:
            value: Gives the model's choices and numbers.
            kernel: Initial weights, (fan_in, `units.inputs_per_unit` * width).
            width: Units of the layer, padding included.
            number: Its place in the network, from 1 on.
            used: How many of its units are not padding; None for all.
        """
        used = width if used is None else used
        self.linear = make_linear(value, kernel, used if width == kernel.shape[1] else width)
        self.is_before = value("norm_placement") == "before"
        columns = kernel.shape[1] if self.is_before else width
        norm = resolve("normalization", value("norm"))
        self.norm = norm(value, columns, used if columns == width else columns)
        self.unit = make_unit(value, width)
        self.dropout = Dropout(value, "dropout")
        self.number = number
        self.used = keep(used)

    def __call__(self, x: jax.Array, randomness: Randomness | None, axis: int = 1) -> jax.Array:
        """Map (rows, fan_in) to (rows, width), with the features along axis 0 both transposed."""
        mask = key = of_slopes = None
        if randomness is not None:
            mask = randomness.mask
            key, of_slopes = (randomness.stream(self.number, part) for part in (None, SLOPES))
        used = read(self.used)
        x = self.linear(x, axis)
        if self.is_before:
            x = self.norm(x, axis, mask)
        if self.is_before and key is not None:
            x = self.dropout.after(self.unit, x, key, of_slopes, axis)
        else:
            x = activated(self.unit, self.number, x, axis, of_slopes, used)
        if not self.is_before:
            x = self.dropout(self.norm(x, axis, mask), key, axis)
        # Padded units must be zero, or the weights that lead on from them would be trained.
        return x if randomness is None else clear(x, used, axis)

    def adapt(self, x: jax.Array, mask: jax.Array) -> None:
        """Adapt initial weights to the valid ones of (rows, fan_in), if they are of such a kind."""
        self.linear.adapt(self.linear(x), mask)
