"""Keras's layers as pieces, and pieces as Keras's layers; whichever backend Keras has."""

from collections.abc import Mapping
from typing import Any

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

# What has numbers is a layer of its own, all else a function that layers can be given by name.
_LAYERS: LibraryTable = {
    "elu": ("ELU", {"elu_alpha": "alpha"}),
    "leaky_relu": ("LeakyReLU", {"leaky_slope": "negative_slope"}),
}
_FUNCTIONS: Mapping[str, str] = {
    **{
        name: name
        for name in ("selu", "relu", "elu", "tanh", "sigmoid", "softsign", "silu", "mish")
    },
    "linear": "identity",
}
_PLAIN_RELU = {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}
_DROPOUTS: Mapping[str, str] = {"alpha": "AlphaDropout", "ordinary": "Dropout"}
_ALLOWED = known_layers(
    _LAYERS,
    [
        "Dense",
        "BatchNormalization",
        "LayerNormalization",
        *_DROPOUTS.values(),
        "Activation",
        "ReLU",
    ],
)


def from_keras(sequential: Any) -> Converted:
    """Take the weights of a built `keras.Sequential` over, bit for bit.

    Trained on, batch normalisation goes another way: Keras's running variances are biased.

    Args:
        sequential: Dense layers, each but the last followed by normalisation, activation and
            dropout in our order and the same in all; rectangular or conic; of float32.

    Raises:
        ConversionError: It is none; names the layer and what is allowed.
    """
    import keras

    if not isinstance(sequential, keras.Sequential) or not sequential.built:
        kind = type(sequential).__name__
        raise refuse(kind, "is not taken over", "a keras.Sequential that is built or has an Input")
    layers = [(place(number, layer), layer) for number, layer in enumerate(sequential.layers)]
    return assemble(
        [Placed(where, each) for where, layer in layers for each in _pieces(where, layer)]
    )


def to_keras(config: ModelConfig, network: Network) -> Any:
    """Return a `keras.Sequential` with the weights of a network.

    Args:
        config: The model of the run's configuration.
        network: Of one member, without padding.

    Raises:
        ConversionError: Keras has no form for it.
    """
    import keras

    pieces = take_apart(config, network)
    features = next(piece for piece in pieces if isinstance(piece, Affine)).kernel.shape[0]
    model = keras.Sequential([keras.Input((features,)), *map(_layer, pieces)])
    for layer, piece in zip(model.layers, pieces, strict=True):
        layer.set_weights(_weights(piece))
    return model


def _pieces(where: str, layer: Any) -> list[Piece]:
    from keras import layers

    unit = unit_of(layer, layers, _LAYERS)
    if unit is not None:
        return [unit]
    for kind, name in _DROPOUTS.items():
        if type(layer) is getattr(layers, name) and layer.noise_shape is None:
            return [Drop(kind, float(layer.rate))]
    if type(layer) is layers.ReLU and layer.get_config().items() >= _PLAIN_RELU.items():
        return [Unit("relu")]
    if type(layer) is layers.Activation:
        return [_unit(where, layer.activation)]
    if type(layer) is layers.Dense:
        affine = Affine(_array(layer, "kernel", where), _array(layer, "bias", where))
        activation = _unit(where, layer.activation)
        return [affine] if activation.activation == "identity" else [affine, activation]
    if type(layer) in (layers.BatchNormalization, layers.LayerNormalization):
        return [_norm(where, layer)]
    raise refuse(where, "is not known here", _ALLOWED)


def _unit(where: str, function: Any) -> Unit:
    from keras import activations

    for name, ours in _FUNCTIONS.items():
        if function is getattr(activations, name):
            return Unit(ours, {"elu_alpha": 1.0} if ours == "elu" else {})
    problem = f"its activation {getattr(function, '__name__', function)} is not known here"
    allowed = f"{', '.join(_FUNCTIONS)} (which outputs have: they are logits)"
    raise refuse(where, problem, allowed)


def _norm(where: str, layer: Any) -> Norm:
    axis = layer.axis[0] if isinstance(layer.axis, list | tuple) else layer.axis
    if axis not in (-1, 1):
        raise refuse(where, f"normalises along axis {axis}", "-1")
    scale, shift = (_array(layer, name, where) for name in ("gamma", "beta"))
    numbers = {"norm_epsilon": float(layer.epsilon)}
    if type(layer).__name__ == "LayerNormalization":
        return Norm("layer", numbers, scale, shift)
    numbers["norm_momentum"] = float(layer.momentum)
    moments = (_array(layer, name, where) for name in ("moving_mean", "moving_variance"))
    return Norm("batch", numbers, scale, shift, *moments)


def _layer(piece: Piece) -> Any:
    from keras import layers

    if isinstance(piece, Unit):
        names = {ours: theirs for theirs, ours in _FUNCTIONS.items() if ours not in _LAYERS}
        if piece.activation in names:
            return layers.Activation(names[piece.activation])
        return unit_layer(piece, layers, _LAYERS, "Keras")
    if isinstance(piece, Drop):
        return getattr(layers, _DROPOUTS[piece.kind])(piece.rate)
    if isinstance(piece, Affine):
        return layers.Dense(piece.kernel.shape[1])
    epsilon = piece.numbers["norm_epsilon"]
    if piece.kind == "layer":
        return layers.LayerNormalization(epsilon=epsilon)
    return layers.BatchNormalization(epsilon=epsilon, momentum=piece.numbers["norm_momentum"])


def _weights(piece: Piece) -> list[Any]:
    """List the weights of a piece in Keras's order."""
    if isinstance(piece, Affine):
        return [piece.kernel, piece.bias]
    if isinstance(piece, Norm):
        arrays = (piece.scale, piece.shift, piece.mean, piece.variance)
        return [array for array in arrays if array is not None]
    return []


def _array(layer: Any, name: str, where: str) -> Any:
    variable = getattr(layer, name)
    return single(None if variable is None else variable.numpy(), name, where)
