"""The network of a configuration as a table: layers, shapes, parameters, FLOPs, moments.

Rows are derived from the network's parameters and from tracing it once, not from its attributes,
so that any network has them. Nothing is allocated.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn.numbers import constants
from snnjax.registry import resolve
from snnjax.theory.depth.forecast import forecast
from snnjax.theory.depth.network import STANDARD, Ends
from snnjax.theory.moments.moment_map import Moments

Path = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One layer: a matrix of weights and the parameters that go with it.

    Attributes:
        name: Where it lies in the network.
        shape: Of its weights.
        parameters: All of the layer's.
        flops: Of the products with its weights, forward, for one row; an addition counts as one.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int
    flops: int


@dataclass(frozen=True)
class ModelSummary:
    """A network at initialisation.

    Attributes:
        rows: In the order of the computation.
        other: Parameters of no layer.
        moments: Of the activations of each row, without dropout, as in `theory.forecast`; None
            of rows that theory is silent on, or if it is on all of them.
    """

    rows: Sequence[Row]
    other: int
    moments: Sequence[Moments | None] | None

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.other + sum(row.parameters for row in self.rows)

    @property
    def flops(self) -> int:
        """Of the whole network, forward, for one row."""
        return sum(row.flops for row in self.rows)


def summarize_model(
    model: ModelConfig, ends: Ends, start: Moments = STANDARD, correlation: float = 0.0
) -> ModelSummary:
    """Summarise the network of a configuration.

    Args:
        model: Its choices.
        ends: Columns of the inputs; classes, or target columns.
        start: Moments of the inputs.
        correlation: Of neighbouring pixels, for convolutional networks.
    """
    build = resolve("model", model.name)
    network = nnx.eval_shape(lambda: build(model, *ends, jax.random.key(0), constants(model)))
    graph, params, *rest = nnx.split(network, nnx.Param, ...)
    own, extra = nnx.to_pure_dict(params), nnx.to_pure_dict(rest[0])
    row = jax.ShapeDtypeStruct((1, ends.features), np.float32)
    program = jax.make_jaxpr(lambda p, e, x: nnx.merge(graph, p, e)(x))(own, extra, row)
    leaves = _in_order_of_use(_flat(own), program.jaxpr)
    rows, other = _rows(leaves, list(_convolutions(program.jaxpr)))
    found = forecast(model, ends, start, training=False, correlation=correlation)
    after = {layer.name: layer.after for layer in found or ()}
    moments = [after.get(row.name) for row in rows] if after else None
    return ModelSummary(rows, other, moments)


def _flat(tree: Any) -> list[tuple[Path, tuple[int, ...]]]:
    """List path and shape of every parameter, as the arguments of a traced program are listed."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(tuple(str(key.key) for key in path), leaf.shape) for path, leaf in flat]


def _in_order_of_use(
    leaves: Sequence[tuple[Path, tuple[int, ...]]], jaxpr: Any
) -> list[tuple[Path, tuple[int, ...]]]:
    first: dict[int, int] = {}
    for number, equation in enumerate(jaxpr.eqns):
        for variable in equation.invars:
            first.setdefault(id(variable), number)
    uses = [first.get(id(variable), len(jaxpr.eqns)) for variable in jaxpr.invars]
    order = sorted(range(len(leaves)), key=lambda place: uses[place])
    return [leaves[place] for place in order]


def _rows(
    leaves: Sequence[tuple[Path, tuple[int, ...]]],
    convolutions: list[tuple[tuple[int, ...], int]],
) -> tuple[list[Row], int]:
    """Return a row for every matrix of weights, and the number of parameters beside them.

    Other parameters go with the matrix that they share most of their path with.
    """
    sizes = {path: 0 for path, shape in leaves if len(shape) > 1}
    other = 0
    for path, shape in leaves:
        home = path if path in sizes else _nearest(path, sizes)
        if home is None:
            other += int(np.prod(shape))
        else:
            sizes[home] += int(np.prod(shape))
    shapes = dict(leaves)
    rows = [
        Row(".".join(path[:-1]), shapes[path], size, _flops(shapes[path], convolutions))
        for path, size in sizes.items()
    ]
    return rows, other


def _nearest(path: Path, homes: Mapping[Path, int]) -> Path | None:
    """Return the matrix of weights of the same layer, not of one inside it; None if none is."""

    def shared(home: Path) -> int:
        pairs = zip(path, home, strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(path), len(home)))

    best = max(homes, key=lambda home: (shared(home), -len(home)), default=None)
    return best if best is not None and shared(best) else None


def _flops(shape: tuple[int, ...], convolutions: list[tuple[tuple[int, ...], int]]) -> int:
    """Return the FLOPs of the products with a kernel; each convolution is counted once."""
    matrix = (int(np.prod(shape[:-1])), shape[-1])
    for place, (kernel, flops) in enumerate(convolutions):
        if len(shape) > 2 and kernel == matrix:
            del convolutions[place]
            return flops
    return 2 * int(np.prod(shape))


def _convolutions(jaxpr: Any) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield what every convolution of a program is as a matrix, (fan_in, channels), and its FLOPs.

    A convolution is one for the compiler, or, on a CPU, products of patches part by part.
    """
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("conv_general_dilated", "dot_general"):
            kernel = equation.invars[1].aval.shape
            outputs = equation.outvars[0].aval
            size = int(np.prod(kernel))
            channels = kernel[-1]
            if equation.primitive.name == "conv_general_dilated":
                channels = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
            yield (size // channels, channels), 2 * size * (outputs.size // channels)
        repeats = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from ((shape, repeats * flops) for shape, flops in _convolutions(inner))
