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
}

ACTIVATIONS: Mapping[str, str] = {
    "identity": "snnjax.nn.activations:identity",
    "relu": "snnjax.nn.activations:relu",
    "selu": "snnjax.nn.activations:selu",
}

INITIALIZERS: Mapping[str, str] = {
    "lecun_normal": "snnjax.nn.initializers:lecun_normal",
    "he_normal": "snnjax.nn.initializers:he_normal",
}

DROPOUTS: Mapping[str, str] = {
    "alpha": "snnjax.nn.dropout:alpha_dropout",
    "ordinary": "snnjax.nn.dropout:ordinary_dropout",
}

OPTIMIZERS: Mapping[str, str] = {
    "sgd": "snnjax.optim.optimizers:sgd",
    "nadam": "snnjax.optim.optimizers:nadam",
}

KINDS: Mapping[str, Mapping[str, str]] = {
    "model": MODELS,
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "dropout": DROPOUTS,
    "optimizer": OPTIMIZERS,
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
