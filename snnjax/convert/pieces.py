"""What a Sequential network is made of, whichever library it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnjax.config.errors import complaint

Array = NDArray[np.float32]
Numbers = Mapping[str, float]
"""Numbers by the key of the model that holds them."""

LibraryTable = Mapping[str, tuple[str, Mapping[str, str]]]
"""By the name of an activation: a library's class, and its attribute for each of our keys."""


class ConversionError(ValueError):
    """A network that the other side has no form for; `str` of it is one line for the user."""


@dataclass(frozen=True)
class Affine:
    """x @ kernel + bias, with kernel (fan_in, fan_out)."""

    kernel: Array
    bias: Array


@dataclass(frozen=True)
class Norm:
    """A normalisation: `batch` has running moments, `layer` has none."""

    kind: str
    numbers: Numbers
    scale: Array
    shift: Array
    mean: Array | None = None
    variance: Array | None = None


@dataclass(frozen=True)
class Unit:
    """An activation and its numbers."""

    activation: str
    numbers: Numbers = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """A dropout, `alpha` or `ordinary`, and the probability to drop."""

    kind: str
    rate: float


Piece = Affine | Norm | Unit | Drop


class Placed(NamedTuple):
    """A piece, and the layer of the library that it comes from."""

    where: str
    piece: Piece


def place(position: int, layer: Any) -> str:
    """Name a layer by its position, from 0 on as the libraries count, and its type."""
    return f"layer {position} ({type(layer).__name__})"


def refuse(where: str, problem: str, allowed: str) -> ConversionError:
    """Return the error that says what is wrong with a layer and what could stand there."""
    return ConversionError(complaint(where, None, problem, allowed))


def single(values: Any, name: str, where: str) -> Array:
    """Return a copy of a library's array, which must be of float32 to stay what it is.

    Args:
        values: An array, or None for one that the layer was built without.
        name: What the layer calls it.
        where: The layer.

    Raises:
        ConversionError: It is of another type, or there is none.
    """
    if values is None:
        raise refuse(where, f"was built without its {name}", f"a layer that has one ({name})")
    array = np.array(values)
    if array.dtype != np.float32:
        raise refuse(where, f"its {name} is of {array.dtype}", "float32")
    return array


def unit_of(layer: Any, kinds: Any, table: LibraryTable) -> Unit | None:
    """Read an activation layer by a library's table; None for any other layer.

    Args:
        layer: The layer.
        kinds: The module that holds the library's classes.
        table: What is known of them.
    """
    for activation, (name, attributes) in table.items():
        if type(layer) is getattr(kinds, name):
            numbers = {key: float(getattr(layer, theirs)) for key, theirs in attributes.items()}
            return Unit(activation, numbers)
    return None


def unit_layer(unit: Unit, kinds: Any, table: LibraryTable, library: str) -> Any:
    """Build a library's layer for an activation; arguments as of `unit_of`.

    Raises:
        ConversionError: The library has none.
    """
    if unit.activation not in table:
        problem = f"has no layer of its own in {library}"
        line = complaint("model.activation", unit.activation, problem, ", ".join(table))
        raise ConversionError(line)
    name, attributes = table[unit.activation]
    return getattr(kinds, name)(**{attributes[key]: unit.numbers[key] for key in attributes})


def known_layers(table: LibraryTable, others: Sequence[str]) -> str:
    """List the layers of a library that are understood."""
    return ", ".join([*others, *(name for name, _ in table.values())])
