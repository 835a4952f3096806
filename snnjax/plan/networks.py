"""Networks as lists of their matrices, from which parameters and arithmetic are counted.

Nothing is traced: a sweep of a hundred thousand runs has thousands of networks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from snnjax.config.schema import CONVOLUTIONAL, ModelConfig
from snnjax.config.split import Program
from snnjax.nn.numbers import constants
from snnjax.nn.units import inputs_per_unit
from snnjax.shapes import Problem
from snnjax.step import parameter_count
from snnjax.widths import (
    IMAGES,
    KERNEL_SIZE,
    block_widths,
    convolved,
    flattened,
    hidden_widths,
)

_MOVING = {"batch": 2}  # numbers per unit that are updated without gradients, by normalisation
_LEARNED = {"batch": 2, "layer": 2, "rms": 1}  # parameters per unit beside weights and bias


@dataclass(frozen=True)
class Matrix:
    """Weights that rows are multiplied by.

    Attributes:
        fan_in: Its rows.
        columns: Its columns.
        units: Activations behind it; 0 where there are none.
        places: How often a row of the data is multiplied by it: positions of a convolution.
        is_hidden: Whether a normalisation and an activation follow.
    """

    fan_in: int
    columns: int
    units: int = 0
    places: int = 1
    is_hidden: bool = False

    @property
    def flops(self) -> int:
        """Of the product with one row of the data; an addition counts as one."""
        return 2 * self.fan_in * self.columns * self.places


@dataclass(frozen=True)
class Network:
    """What is counted of a network.

    Attributes:
        matrices: From the inputs to the outputs.
        parameters: All that gradients change.
        moving: Numbers that are updated without gradients.
    """

    matrices: tuple[Matrix, ...]
    parameters: int
    moving: int

    @property
    def layers(self) -> int:
        """The number of matrices."""
        return len(self.matrices)

    @property
    def units(self) -> int:
        """Numbers that one row makes on its way, those that are multiplied left out."""
        return sum(m.columns * m.places for m in self.matrices)

    def forward(self) -> Mapping[int, int]:
        """Return the FLOPs of one row through the network, by the fan_in of matrices."""
        return _by_fan_in((m.fan_in, m.flops) for m in self.matrices)

    def training(self) -> Mapping[int, int]:
        """Return those of one row in a training step, by the fan_in of matrices.

        Forward, the gradient of the weights, and but for the first matrix that of its inputs.
        """
        factors = (2, *(3,) * (len(self.matrices) - 1))
        pairs = zip(factors, self.matrices, strict=True)
        return _by_fan_in((m.fan_in, factor * m.flops) for factor, m in pairs)


@lru_cache(maxsize=100_000)
def network_of(program: Program, problem: Problem) -> Network:
    """Return what is counted of a program's network on data of these shapes.

    A network of one's own is traced, and taken for one matrix with all of its parameters.
    """
    model = program.model
    if ":" in model.name:
        parameters = parameter_count(program, problem)
        return Network((Matrix(model.width, -(-parameters // model.width)),), parameters, 0)
    matrices = tuple(_matrices(model, problem.features, problem.outputs))
    hidden = [m for m in matrices if m.is_hidden]
    normalised = sum(m.columns if model.norm_placement == "before" else m.units for m in hidden)
    learned = sum(m.fan_in * m.columns + m.columns for m in matrices)
    learned += _LEARNED.get(model.norm, 0) * normalised
    if model.norm == "weight":  # a length for every column, but for the gates of highways
        gates = model.width * (model.depth - 1) if model.name == "highway" else 0
        learned += sum(m.columns for m in matrices) - gates
    if model.activation == "prelu":
        learned += sum(1 if model.prelu_shared else m.units for m in hidden)
    return Network(matrices, learned, _MOVING.get(model.norm, 0) * normalised)


def _matrices(model: ModelConfig, features: int, outputs: int) -> Iterator[Matrix]:
    pieces = inputs_per_unit(constants(model))

    def hidden(fan_in: int, units: int, places: int = 1) -> Matrix:
        return Matrix(fan_in, pieces * units, units, places, is_hidden=True)

    if model.name == "highway":
        yield hidden(features, model.width)
        for _ in range(model.depth - 1):
            yield hidden(model.width, model.width)
            yield Matrix(model.width, model.width, model.width)
        yield Matrix(model.width, outputs)
        return
    if model.name == "resnet":
        block = (model.width, *block_widths(model))
        yield hidden(features, model.width)
        for _ in range(model.depth):
            yield from (hidden(*pair) for pair in pairwise(block))
        yield Matrix(model.width, outputs)
        return
    if model.name in CONVOLUTIONAL:
        yield from _convolutions(features, pieces)
        features = flattened(*IMAGES[features])
    widths = (features, *hidden_widths(model, outputs))
    yield from (hidden(*pair) for pair in pairwise(widths))
    yield Matrix(widths[-1], outputs)


def _convolutions(features: int, pieces: int) -> Iterator[Matrix]:
    (height, width, channels), blocks = IMAGES[features]
    for block in blocks:
        for units, padding in block:
            height, width = convolved(height, padding), convolved(width, padding)
            patch = KERNEL_SIZE**2 * channels
            yield Matrix(patch, pieces * units, units, height * width, is_hidden=True)
            channels = units
        height, width = height // 2, width // 2


def _by_fan_in(pairs: Iterator[tuple[int, int]]) -> dict[int, int]:
    totals: dict[int, int] = {}
    for fan_in, flops in pairs:
        totals[fan_in] = totals.get(fan_in, 0) + flops
    return totals
