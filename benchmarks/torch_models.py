"""The networks of snnjax in PyTorch: layers have the same names, so that weights can be copied.

What PyTorch has no layer for (maxout, gates, residual blocks) is written as its users write it.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from snnjax.config.schema import ModelConfig
from snnjax.nn.mlp import hidden_widths
from snnjax.step import Network

_UNITS: Mapping[str, Callable[[], nn.Module]] = {"selu": nn.SELU, "relu": nn.ReLU}
_DROPOUTS: Mapping[str, Callable[[float], nn.Module]] = {
    "alpha": nn.AlphaDropout,
    "ordinary": nn.Dropout,
    "feature_alpha": nn.FeatureAlphaDropout,
}


class Maxout(nn.Module):
    """The largest of several linear pieces, which lie the number of units apart."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.view(len(x), self.pieces, -1).amax(1)


class Hidden(nn.Module):
    """linear -> normalisation -> activation -> dropout, or the normalisation after."""

    def __init__(self, config: ModelConfig, fan_in: int, width: int) -> None:
        super().__init__()
        columns = pieces_of(config) * width
        self.linear = make_linear(config, fan_in, columns)
        is_before = config.norm_placement == "before"
        self.norm = make_norm(config, columns if is_before else width)
        self.unit = make_unit(config)
        inner = [self.norm, self.unit] if is_before else [self.unit, self.norm]
        self.parts = without_identities([self.linear, *inner, make_dropout(config, config.dropout)])

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x


class Highway(nn.Module):
    """A hidden layer of which a gate lets pass as much as it is open."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.transform = Hidden(config, config.width, config.width)
        self.gate = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sigmoid(self.gate(x)) * (self.transform(x) - x)


class Block(nn.Module):
    """Hidden layers and an affine one beside a shortcut, the activation after the addition."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        inner, width = config.width, config.width
        if config.form == "diavolo":
            inner = round(config.bottleneck * width)
        fans = [width, *[inner] * (config.block_layers - 1)]
        self.hidden = nn.ModuleList(Hidden(config, fan, inner) for fan in fans[:-1])
        self.linear = make_linear(config, fans[-1], pieces_of(config) * width)
        self.is_before = config.norm_placement == "before"
        self.norm = make_norm(config, (pieces_of(config) if self.is_before else 1) * width)
        self.unit = make_unit(config)

    def forward(self, x: Tensor) -> Tensor:
        inner = x
        for layer in self.hidden:
            inner = layer(inner)
        inner = self.linear(inner)
        if inner.shape[1] != x.shape[1]:
            x = x.repeat(1, inner.shape[1] // x.shape[1])
        if self.is_before:
            return self.unit(x + self.norm(inner))
        return self.norm(self.unit(x + inner))


class Stack(nn.Module):
    """Hidden layers and an output layer, run as flat as an `nn.Sequential` of them would be."""

    def __init__(
        self, config: ModelConfig, hidden: list[nn.Module], width: int, outputs: int
    ) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(hidden)
        self.output = make_linear(config, width, outputs)
        flat = [part for layer in hidden for part in getattr(layer, "parts", [layer])]
        first = make_dropout(config, config.input_dropout)
        self.parts = without_identities([first, *flat, self.output])

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x


class Convolution(nn.Module):
    """convolution -> normalisation -> activation."""

    def __init__(self, config: ModelConfig, fan_in: int, channels: int, padding: str) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(fan_in, pieces_of(config) * channels, 3, padding=padding)
        self.norm = nn.Identity()
        if config.norm == "batch":
            momentum = 1 - config.norm_momentum
            self.norm = nn.BatchNorm2d(channels, config.norm_epsilon, momentum)
        self.unit = make_unit(config)
        self.parts = without_identities([self.convolution, self.norm, self.unit])


class Convolutions(nn.Module):
    """Convolutions, the largest of every 2 x 2 pixels, dropout."""

    def __init__(self, config: ModelConfig, fan_in: int, layers: tuple[Any, ...]) -> None:
        super().__init__()
        channels = [fan_in, *(units for units, _ in layers)]
        self.layers = nn.ModuleList(
            Convolution(config, *pair, padding)
            for pair, (_, padding) in zip(pairwise(channels), layers, strict=True)
        )
        last = [nn.MaxPool2d(2), make_dropout(config, config.conv_dropout)]
        flat = [part for layer in self.layers for part in layer.parts]
        self.parts = without_identities([*flat, *last])


class CNN(nn.Module):
    """Blocks of convolutions and a stack of dense layers, which see pixels before channels."""

    def __init__(self, config: ModelConfig, features: int, outputs: int) -> None:
        super().__init__()
        from snnjax.nn.cnn import IMAGES

        shape, blocks = IMAGES[features]
        self.shape = (shape.channels, shape.height, shape.width)
        fans = [shape.channels, *(block[-1][0] for block in blocks)]
        self.blocks = nn.ModuleList(
            Convolutions(config, fan_in, block) for fan_in, block in zip(fans, blocks, strict=False)
        )
        self.parts = [part for block in self.blocks for part in block.parts]
        flattened = self.convolved(torch.zeros(1, features)).shape[1]
        stack = make_stack(config, flattened, outputs)
        self.hidden, self.output = stack.hidden, stack.output
        self.dense = stack.parts

    def convolved(self, x: Tensor) -> Tensor:
        x = x.view(-1, *self.shape)
        for part in self.parts:
            x = part(x)
        return x.permute(0, 2, 3, 1).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolved(x)
        for part in self.dense:
            x = part(x)
        return x


def make_network(config: ModelConfig, features: int, outputs: int) -> nn.Module:
    """Build the network of a configuration; its weights are still to be copied."""
    if config.name.startswith("cnn"):
        return CNN(config, features, outputs)
    if config.name not in ("highway", "resnet"):
        return make_stack(config, features, outputs)
    first = Hidden(config, features, config.width)
    is_highway = config.name == "highway"
    layer, number = (Highway, config.depth - 1) if is_highway else (Block, config.depth)
    return Stack(config, [first, *(layer(config) for _ in range(number))], config.width, outputs)


def make_stack(config: ModelConfig, features: int, outputs: int) -> Stack:
    widths = [features, *hidden_widths(config, outputs)]
    hidden = [Hidden(config, *pair) for pair in pairwise(widths)]
    return Stack(config, hidden, widths[-1], outputs)


def pieces_of(config: ModelConfig) -> int:
    return config.pieces if config.activation == "maxout" else 1


def make_linear(config: ModelConfig, fan_in: int, fan_out: int) -> nn.Module:
    linear = nn.Linear(fan_in, fan_out)
    return weight_norm(linear) if config.norm == "weight" else linear


def make_unit(config: ModelConfig) -> nn.Module:
    if config.activation == "maxout":
        return Maxout(config.pieces)
    return _UNITS[config.activation]()


def make_norm(config: ModelConfig, width: int) -> nn.Module:
    if config.norm == "batch":
        return nn.BatchNorm1d(width, config.norm_epsilon, 1 - config.norm_momentum)
    kinds = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}
    return kinds[config.norm](width, config.norm_epsilon) if config.norm in kinds else nn.Identity()


def make_dropout(config: ModelConfig, rate: float) -> nn.Module:
    return _DROPOUTS[config.dropout_kind](rate) if rate else nn.Identity()


def without_identities(parts: list[nn.Module]) -> list[nn.Module]:
    return [part for part in parts if not isinstance(part, nn.Identity)]


def copy_weights(network: Network, model: nn.Module) -> nn.Module:
    """Give a model the parameters and running moments of a network."""
    with torch.no_grad():
        for path, tensor in tensors(model):
            leaf: Any = network.extra if path[-1] in ("mean", "variance") else network.params
            for part in path:
                leaf = leaf[part]
            tensor.copy_(torch.tensor(np.asarray(leaf)))
    return model


def tensors(
    model: nn.Module, of: Callable[[Tensor], Tensor] = lambda parameter: parameter
) -> Iterator[tuple[tuple[str | int, ...], Tensor]]:
    """Yield the places of a network's numbers, and the model's tensors in their layout.

    Args:
        model: Of `make_network`.
        of: Gives the tensor of a parameter: itself, or its gradient.
    """
    for name, module in model.named_modules():
        path = tuple(int(part) if part.isdigit() else part for part in name.split("."))
        if isinstance(module, nn.Linear) and hasattr(module, "parametrizations"):
            length, direction = module.parametrizations.weight.parameters()
            yield (*path, "length"), of(length)[:, 0]
            yield (*path, "direction"), of(direction).T
            yield (*path, "bias"), of(module.bias)
        elif isinstance(module, nn.Linear):
            yield (*path, "kernel"), of(module.weight).T
            yield (*path, "bias"), of(module.bias)
        elif isinstance(module, nn.Conv2d):
            yield (*path[:-1], "linear", "kernel"), of(module.weight).permute(2, 3, 1, 0)
            yield (*path[:-1], "linear", "bias"), of(module.bias)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm | nn.LayerNorm):
            yield (*path, "scale"), of(module.weight)
            yield (*path, "shift"), of(module.bias)
        elif isinstance(module, nn.RMSNorm):
            yield (*path, "scale"), of(module.weight)
        if (
            isinstance(module, nn.modules.batchnorm._BatchNorm)
            and of(module.weight) is module.weight
        ):
            yield (*path, "mean"), module.running_mean
            yield (*path, "variance"), module.running_var
