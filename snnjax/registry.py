"""The names users pick from and where each lives, without importing any of it.

Adding a piece is one function or class in its folder plus one row here. A name that holds a
colon is taken as `package.module:attribute`, so that a network of one's own needs no row at all.
"""

import importlib
from collections.abc import Mapping
from typing import Any

MODELS: Mapping[str, str] = {
    "snn": "snnjax.nn.mlp:MLP",
    "msra": "snnjax.nn.mlp:MLP",
    "mlp": "snnjax.nn.mlp:MLP",
    "batchnorm": "snnjax.nn.mlp:MLP",
    "layernorm": "snnjax.nn.mlp:MLP",
    "weightnorm": "snnjax.nn.mlp:MLP",
    "maxout": "snnjax.nn.mlp:MLP",
    "highway": "snnjax.nn.highway:Highway",
    "resnet": "snnjax.nn.resnet:ResNet",
    "cnn": "snnjax.nn.cnn:CNN",
    "cnn_relu": "snnjax.nn.cnn:CNN",
}

ACTIVATIONS: Mapping[str, str] = {
    "identity": "snnjax.nn.activations:identity",
    "sigmoid": "snnjax.nn.activations:sigmoid",
    "tanh": "snnjax.nn.activations:tanh",
    "softsign": "snnjax.nn.activations:softsign",
    "hard_tanh": "snnjax.nn.activations:hard_tanh",
    "relu": "snnjax.nn.activations:relu",
    "leaky_relu": "snnjax.nn.activations:leaky_relu",
    "elu": "snnjax.nn.activations:elu",
    "selu": "snnjax.nn.activations:selu",
    "softplus": "snnjax.nn.activations:softplus",
    "gelu": "snnjax.nn.activations:gelu",
    "silu": "snnjax.nn.activations:silu",
    "mish": "snnjax.nn.activations:mish",
    "prelu": "snnjax.nn.units:PReLU",
    "rrelu": "snnjax.nn.units:RReLU",
    "maxout": "snnjax.nn.units:Maxout",
}

INITIALIZERS: Mapping[str, str] = {
    "lecun_normal": "snnjax.nn.initializers:lecun_normal",
    "lecun_truncated": "snnjax.nn.initializers:lecun_truncated",
    "lecun_uniform": "snnjax.nn.initializers:lecun_uniform",
    "glorot_normal": "snnjax.nn.initializers:glorot_normal",
    "glorot_truncated": "snnjax.nn.initializers:glorot_truncated",
    "glorot_uniform": "snnjax.nn.initializers:glorot_uniform",
    "he_normal": "snnjax.nn.initializers:he_normal",
    "he_truncated": "snnjax.nn.initializers:he_truncated",
    "he_uniform": "snnjax.nn.initializers:he_uniform",
    "normal": "snnjax.nn.initializers:normal",
    "uniform": "snnjax.nn.initializers:uniform",
    "orthogonal": "snnjax.nn.initializers:orthogonal",
    "lsuv": "snnjax.nn.initializers:lsuv",
    "zeros": "snnjax.nn.initializers:zeros",
    "constant": "snnjax.nn.initializers:constant",
}

NORMALIZATIONS: Mapping[str, str] = {
    "none": "snnjax.nn.normalization:NoNorm",
    "batch": "snnjax.nn.normalization:BatchNorm",
    "layer": "snnjax.nn.normalization:LayerNorm",
    "rms": "snnjax.nn.normalization:RMSNorm",
    "weight": "snnjax.nn.normalization:WeightNorm",
}

DROPOUTS: Mapping[str, str] = {
    "alpha": "snnjax.nn.dropout:alpha_dropout",
    "feature_alpha": "snnjax.nn.dropout:feature_alpha_dropout",
    "ordinary": "snnjax.nn.dropout:ordinary_dropout",
}

OPTIMIZERS: Mapping[str, str] = {
    "sgd": "optax:sgd",
    "adagrad": "optax:adagrad",
    "rmsprop": "snnjax.optim.optimizers:rmsprop",
    "adam": "optax:adam",
    "adamw": "optax:adamw",
    "nadam": "snnjax.optim.optimizers:nadam",
    "adamax": "optax:adamax",
    "adadelta": "optax:adadelta",
    "lion": "optax:lion",
    "muon": "optax.contrib:muon",
}

DIAGNOSTICS: Mapping[str, str] = {
    "activations": "snnjax.diagnostics.measures:activations",
    "gradients": "snnjax.diagnostics.measures:gradients",
    "weights": "snnjax.diagnostics.measures:weights",
    "units": "snnjax.diagnostics.measures:units",
    "jacobians": "snnjax.diagnostics.jacobian:jacobians",
    "theory": "snnjax.diagnostics.measures:theory",
    "drift": "snnjax.diagnostics.measures:drift",
    "noise": "snnjax.diagnostics.gradient_noise:noise",
}

KINDS: Mapping[str, Mapping[str, str]] = {
    "model": MODELS,
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "normalization": NORMALIZATIONS,
    "dropout": DROPOUTS,
    "optimizer": OPTIMIZERS,
    "diagnostic": DIAGNOSTICS,
}


def resolve(kind: str, name: str) -> Any:
    """Import and return what `name` stands for in the table of `kind`.

    Args:
        kind: A key of `KINDS`.
        name: A row of that table, or `package.module:attribute`.

    Raises:
        KeyError: `name` is neither.
    """
    target = name if ":" in name else KINDS[kind][name]
    module, attribute = target.split(":")
    return getattr(importlib.import_module(module), attribute)
