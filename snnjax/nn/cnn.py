"""Convolutional networks for small images, as in the official tutorials on SNNs."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import jax
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn.convolution import ConvolutionLayer, largest_of_four
from snnjax.nn.draw import draw_kernels
from snnjax.nn.dropout import Dropout
from snnjax.nn.hidden import Hidden
from snnjax.nn.numbers import Value, constants
from snnjax.nn.randomness import Randomness
from snnjax.nn.stack import Stack
from snnjax.nn.taps import handed_on
from snnjax.nn.units import inputs_per_unit
from snnjax.widths import IMAGES, KERNEL_SIZE, Blocks, flattened, hidden_widths


class ConvolutionBlock(nnx.Module):
    """Convolutional layers, then the largest of every 2 x 2 pixels, then dropout."""

    def __init__(self, value: Value, layers: list[ConvolutionLayer]) -> None:
        self.layers = nnx.List(layers)
        self.dropout = Dropout(value, "conv_dropout")

    def __call__(self, images: jax.Array, randomness: Randomness | None) -> jax.Array:
        """Map images (rows, height, width, channels) to smaller ones of more channels."""
        for layer in self.layers:
            images = layer(images, randomness)
        images = largest_of_four(images)
        if randomness is None:
            return images
        return self.dropout(images, randomness.stream(self.layers[-1].number))

    def adapt(self, images: jax.Array, mask: jax.Array) -> None:
        """Adapt initial weights to the valid ones of the images, layer by layer."""
        for layer in self.layers:
            layer.adapt(images, mask)
            images = layer(images, None)


class CNN(Stack):
    """Convolutional network: blocks for the size of its images, then `depth` dense layers.

    Inputs are rows of pixels, one plane per channel, each row by row. `width`, `form` and `dropout`
    are those of the dense layers, `conv_dropout` follows the pooling.
    """

    def __init__(
        self,
        config: ModelConfig,
        features: int,
        outputs: int,
        key: jax.Array,
        value: Value | None = None,
    ) -> None:
        """Draw a network; the arguments are those of `MLP`.

        Raises:
            KeyError: No images have so many features.
        """
        value = constants(config) if value is None else value
        self.shape, blocks = IMAGES[features]
        inputs, units = inputs_per_unit(value), [units for block in blocks for units, _ in block]
        widths = [flattened(self.shape, blocks), *hidden_widths(config, outputs)]
        area, channels = KERNEL_SIZE**2, [self.shape.channels, *units]
        patches = [(area * a, inputs * b) for a, b in pairwise(channels)]
        dense = [*((a, inputs * b) for a, b in pairwise(widths)), (widths[-1], outputs)]
        # A weight of a convolution leads to as many places as it comes from.
        fans = [*((fan_in, area * columns) for fan_in, columns in patches), *dense]
        *kernels, output = draw_kernels(value, key, [*patches, *dense], fans)
        convolutions, kernels = kernels[: len(units)], kernels[len(units) :]
        self.blocks = nnx.List(_make_blocks(value, blocks, convolutions))
        hidden = (
            Hidden(value, kernel, width, number)
            for number, (kernel, width) in enumerate(
                zip(kernels, widths[1:], strict=True), start=1 + len(units)
            )
        )
        super().__init__(config, value, hidden, output, features, outputs)

    def __call__(self, x: jax.Array, randomness: Randomness | None = None) -> jax.Array:
        """Map pixels (rows, features) to logits or predictions (rows, outputs)."""
        images = self.to_images(self.with_dropped_inputs(x, randomness))
        for block in self.blocks:
            images = handed_on(block(images, randomness))
        return self.classify(images.reshape(len(images), -1), randomness)

    def adapt(self, x: jax.Array, mask: jax.Array) -> None:
        """Adapt initial weights to the valid ones of (rows, features), if `begins_from_data`."""
        images = self.to_images(x)
        for block in self.blocks:
            block.adapt(images, mask)
            images = block(images, None)
        super().adapt(images.reshape(len(images), -1), mask)

    def to_images(self, x: jax.Array) -> jax.Array:
        """Lay rows of pixels out as (rows, height, width, channels)."""
        height, width, channels = self.shape
        return x.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)

    @staticmethod
    def can_pad(config: ModelConfig) -> bool:
        """Tell that images cannot be padded: their sizes make the network."""
        return False


def _make_blocks(
    value: Value, blocks: Blocks, kernels: Sequence[jax.Array]
) -> Iterator[ConvolutionBlock]:
    number = 0
    for block in blocks:
        layers = []
        for units, padding in block:
            kernel = kernels[number].reshape(KERNEL_SIZE, KERNEL_SIZE, -1, kernels[number].shape[1])
            number += 1
            layers.append(ConvolutionLayer(value, kernel, units, padding, number))
        yield ConvolutionBlock(value, layers)
