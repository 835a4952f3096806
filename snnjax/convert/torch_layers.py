"""PyTorch's layers as pieces, and pieces as PyTorch's layers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from snnjax.config.schema import ModelConfig
from snnjax.convert.pieces import (
    Affine,
    Drop,
    LibraryTable,
    Norm,
    Piece,
    Placed,
    Unit,
    known_layers,
    place,
    refuse,
    single,
    unit_layer,
    unit_of,
)
from snnjax.convert.stack import Converted, assemble, take_apart
from snnjax.step import Network

_ACTIVATIONS: LibraryTable = {
    "selu": ("SELU", {}),
    "relu": ("ReLU", {}),
    "elu": ("ELU", {"elu_alpha": "alpha"}),
    "leaky_relu": ("LeakyReLU", {"leaky_slope": "negative_slope"}),
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
    "softsign": ("Softsign", {}),
    "silu": ("SiLU", {}),
    "mish": ("Mish", {}),
    "identity": ("Identity", {}),
}
_DROPOUTS: Mapping[str, str] = {"alpha": "AlphaDropout", "ordinary": "Dropout"}
_ALLOWED = known_layers(_ACTIVATIONS, ["Linear", "BatchNorm1d", "LayerNorm", *_DROPOUTS.values()])

# A share of 0.9 kept is a momentum of 0.1 in PyTorch, and not of 0.09999999999999998.
_DIGITS = 15


def from_torch(sequential: Any) -> Converted:
    """Take the weights of a `torch.nn.Sequential` over, bit for bit.

    Args:
        sequential: Linear layers, each but the last followed by normalisation, activation and
            dropout in our order and the same in all; rectangular or conic; of float32.

    Raises:
        ConversionError: It is none; names the layer and what is allowed.
    """
    import torch

    if not isinstance(sequential, torch.nn.Sequential):
        raise refuse(type(sequential).__name__, "is not taken over", "torch.nn.Sequential")
    layers = [(place(number, layer), layer) for number, layer in enumerate(sequential)]
    return assemble([Placed(where, _piece(where, layer)) for where, layer in layers])


def to_torch(config: ModelConfig, network: Network) -> Any:
    """Return a `torch.nn.Sequential` with the weights of a network, in evaluation mode.

    Args:
        config: The model of the run's configuration.
        network: Of one member, without padding.

    Raises:
        ConversionError: PyTorch has no form for it.
    """
    import torch

    layers = [_layer(piece) for piece in take_apart(config, network)]
    return torch.nn.Sequential(*layers).eval()


def _piece(where: str, layer: Any) -> Piece:
    from torch import nn

    unit = unit_of(layer, nn, _ACTIVATIONS)
    if unit is not None:
        return unit
    for kind, name in _DROPOUTS.items():
        if type(layer) is getattr(nn, name):
            return Drop(kind, float(layer.p))
    if type(layer) is nn.Linear:
        return Affine(_array(layer, "weight", where).T, _array(layer, "bias", where))
    if type(layer) is nn.LayerNorm:
        numbers = {"norm_epsilon": float(layer.eps)}
        return Norm("layer", numbers, *(_array(layer, name, where) for name in ("weight", "bias")))
    if type(layer) is nn.BatchNorm1d:
        return _batch_norm(where, layer)
    raise refuse(where, "is not known here", _ALLOWED)


def _batch_norm(where: str, layer: Any) -> Norm:
    if layer.momentum is None:
        raise refuse(where, "averages over all batches (momentum=None)", "a momentum")
    names = ("weight", "bias", "running_mean", "running_var")
    momentum = round(1 - float(layer.momentum), _DIGITS)
    numbers = {"norm_epsilon": float(layer.eps), "norm_momentum": momentum}
    return Norm("batch", numbers, *(_array(layer, name, where) for name in names))


def _layer(piece: Piece) -> Any:
    """Build a layer of PyTorch with the piece's weights."""
    from torch import nn

    if isinstance(piece, Unit):
        return unit_layer(piece, nn, _ACTIVATIONS, "PyTorch")
    if isinstance(piece, Drop):
        return getattr(nn, _DROPOUTS[piece.kind])(piece.rate)
    if isinstance(piece, Affine):
        return _filled(nn.Linear(*piece.kernel.shape), weight=piece.kernel.T, bias=piece.bias)
    affine = {"weight": piece.scale, "bias": piece.shift}
    if piece.kind == "layer":
        return _filled(nn.LayerNorm(len(piece.scale), piece.numbers["norm_epsilon"]), **affine)
    momentum = round(1 - piece.numbers["norm_momentum"], _DIGITS)
    layer = nn.BatchNorm1d(len(piece.scale), piece.numbers["norm_epsilon"], momentum)
    return _filled(layer, **affine, running_mean=piece.mean, running_var=piece.variance)


def _array(layer: Any, name: str, where: str) -> Any:
    tensor = getattr(layer, name)
    return single(None if tensor is None else tensor.detach().cpu().numpy(), name, where)


def _filled(layer: Any, **arrays: Any) -> Any:
    import torch

    for name, array in arrays.items():
        getattr(layer, name).data = torch.tensor(np.ascontiguousarray(array))
    return layer
