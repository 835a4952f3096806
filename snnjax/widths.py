"""How wide the layers of each kind of network are, for the networks and for their theory."""

from collections.abc import Mapping
from math import prod
from typing import Literal, NamedTuple

from snnjax.config.schema import ModelConfig

Padding = Literal["same", "valid"]
"""Of a convolution: `same` keeps the size of images, `valid` takes patches that lie inside."""

Blocks = tuple[tuple[tuple[int, Padding], ...], ...]
"""For every block of a convolutional network the units and the padding of its convolutions."""

KERNEL_SIZE = 3
"""Rows and columns of every kernel."""


class Shape(NamedTuple):
    """Height, width and channels of images."""

    height: int
    width: int
    channels: int


_SHALLOW: Blocks = (((32, "valid"), (64, "valid")),)
_DEEP: Blocks = (((32, "same"), (32, "valid")), ((64, "same"), (64, "valid")))

IMAGES: Mapping[int, tuple[Shape, Blocks]] = {
    prod(shape): (shape, blocks)
    for shape, blocks in (
        (Shape(28, 28, 1), _SHALLOW),
        (Shape(32, 32, 3), _DEEP),
        (Shape(32, 32, 1), _DEEP),
        (Shape(8, 8, 1), _SHALLOW),
    )
}
"""What the images of a data set look like, and the network for them, by its number of features."""


def hidden_widths(config: ModelConfig, outputs: int) -> tuple[int, ...]:
    """List the widths of the hidden layers of a perceptron, or of those above convolutions.

    `rectangular` repeats `width`; `conic` shrinks geometrically from `width` at the first hidden
    layer to `outputs` at the output layer.
    """
    if config.form == "rectangular":
        return (config.width,) * config.depth
    ratio = outputs / config.width
    return tuple(
        max(1, round(config.width * ratio ** (i / config.depth))) for i in range(config.depth)
    )


def block_widths(config: ModelConfig) -> tuple[int, ...]:
    """List the widths of the layers of a residual block: its last is as wide as the network.

    Those before it are too where the form is `rectangular`; in `diavolo` they have the share
    `bottleneck` of its units, rounded (He et al. 2015, Figure 5, with layers for convolutions).
    """
    inner = config.width
    if config.form == "diavolo":
        inner = round(config.bottleneck * config.width)
    return (inner,) * (config.block_layers - 1) + (config.width,)


def convolved(size: int, padding: Padding) -> int:
    """Return how many rows or columns are left of so many after one convolution."""
    return size - (KERNEL_SIZE - 1 if padding == "valid" else 0)


def flattened(shape: Shape, blocks: Blocks) -> int:
    """Return how many numbers are left of an image after all blocks."""
    height, width, channels = shape
    for block in blocks:
        for units, padding in block:
            height, width = convolved(height, padding), convolved(width, padding)
            channels = units
        height, width = height // 2, width // 2
    return height * width * channels
