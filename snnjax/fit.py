"""Whether a configuration can be trained on its data, told before anything is compiled."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snnjax.config.errors import ConfigError, show
from snnjax.config.optimization import OptaxConfig
from snnjax.config.schema import CONVOLUTIONAL, Config
from snnjax.data import catalog
from snnjax.data.dataset import Dataset
from snnjax.metric_names import BY_TASK
from snnjax.registry import resolve
from snnjax.widths import IMAGES

FROM_DATA = ("weight", "lsuv")
"""Pieces whose initial weights depend on training rows, by name."""

WITH_FLOAT64 = ("cpu", "gpu", "cuda", "rocm")
"""Kinds of devices, as JAX names them, that compute in float64."""


def check(config: Config, data: Dataset) -> None:
    """Refuse a run that cannot be trained on its data.

    Raises:
        ConfigError: Naming the key, its value and what is allowed.
    """
    check_data(config, data)
    check_names(config)
    check_precision(config)
    check_optimizer(config)


def check_data(config: Config, data: Dataset) -> None:
    """Refuse what only the data can tell: metrics of another task, patience without validation.

    Raises:
        ConfigError: Naming the key, its value and what is allowed.
    """
    check_images(config, data)
    monitor, validation = config.training.monitor, data.rows["validation"]
    if monitor not in (allowed := BY_TASK[data.task]):
        raise ConfigError(
            f"training.monitor={monitor}: {data.name} is a {data.task} set; "
            f"allowed: {', '.join(allowed)}"
        )
    if not len(validation) and config.training.patience is not None:
        raise ConfigError(
            f"training.patience={config.training.patience}: needs validation rows, and "
            f"data.validation={config.data.validation} leaves none; allowed: null"
        )
    spread = {"roc_auc": "a single class", "r2": "a single target value"}
    if data.task == "multilabel":
        spread["roc_auc"] = "no task's labels of both kinds"
    if monitor in spread and len(validation) and not _is_spread(data, validation):
        raise ConfigError(
            f"training.monitor={monitor}: undefined, because the validation rows hold "
            f"{spread[monitor]}; allowed: {', '.join(name for name in allowed if name != monitor)}"
        )
    for name, key in (("validation", "validation"), ("test", "folds")):
        rows = data.rows[name]
        if len(rows) and np.isnan(data.targets[rows]).all():
            raise ConfigError(
                f"data.fold={config.data.fold}: none of the {len(rows)} {name} rows of "
                f"{data.name} has a label; allowed: another fold, or another data.{key}"
            )
    check_weights(config, data)


def _is_spread(data: Dataset, rows: NDArray[np.int32]) -> bool:
    """Tell whether targets differ; of several labels, whether those of one task do."""
    targets = data.targets[rows]
    if data.task == "multilabel":
        return bool(((targets == 0).any(0) & (targets == 1).any(0)).any())
    return len(np.unique(targets)) > 1


def check_weights(config: Config, data: Dataset) -> None:
    """Refuse class weights that are not one for each class, or leave nothing to train on.

    Raises:
        ConfigError: Naming the key, its value and what is allowed.
    """
    weights = config.loss.class_weights
    if weights is None or isinstance(weights, str):
        return
    given = f"loss.class_weights={show([*weights])}"
    if len(weights) != data.outputs:
        raise ConfigError(
            f"{given}: {len(weights)} weights for the {data.outputs} classes of {data.name}; "
            f"allowed: a list of {data.outputs}, balanced, null"
        )
    if not any(weights[label] for label in np.unique(data.targets[data.rows["train"]])):
        raise ConfigError(f"{given}: every training row weighs 0; allowed: one above 0")


def check_images(config: Config, data: Dataset) -> None:
    """Refuse a convolutional network for rows that are no images of a size it is made for.

    Raises:
        ConfigError: Naming the model, what a row has and what is allowed.
    """
    name, columns = config.model.name, data.features.shape[1]
    if name not in CONVOLUTIONAL or columns in IMAGES:
        return
    shape = catalog.entry_of(config.data).image
    if shape is None or math.prod(shape) != columns:
        raise ConfigError(
            f"model.name={name}: a row of {data.name} has {columns} features, which is no image; "
            f"allowed: data with {', '.join(map(str, sorted(IMAGES)))} features"
        )
    sizes = ", ".join(_shown(made_for) for made_for, _ in IMAGES.values())
    raise ConfigError(
        f"model.name={name}: {data.name} has images of {_shown(shape)}, for which there is no such "
        f"network; allowed: images of {sizes} (height x width x channels), as data.size and "
        "data.channels make them"
    )


def _shown(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def check_names(config: Config) -> None:
    """Refuse a `package.module:attribute` that cannot be imported.

    Raises:
        ConfigError: Naming the key and what is the matter.
    """
    model = config.model
    for key, kind, name in (
        ("name", "model", model.name),
        ("activation", "activation", model.activation),
        ("init", "initializer", model.init),
        ("norm", "normalization", model.norm),
        ("dropout_kind", "dropout", model.dropout_kind),
    ):
        try:
            resolve(kind, name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"model.{key}={name}: {error}") from error
    for name in config.diagnostics.measures:
        try:
            resolve("diagnostic", name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"diagnostics.measures={name}: {error}") from error
    if not hasattr(resolve("model", model.name), "adapt"):
        for key, name in (("norm", model.norm), ("init", model.init)):
            if name in FROM_DATA:
                raise ConfigError(
                    f"model.{key}={name}: begins from data, and {model.name} has no method adapt; "
                    f"allowed: a network that has one, or another model.{key}"
                )


def check_precision(config: Config) -> None:
    """Refuse float64 where the accelerator has no such numbers.

    Raises:
        ConfigError: Naming the key, the accelerator and what is allowed.
    """
    import jax

    if config.training.precision != "float64" or jax.default_backend() in WITH_FLOAT64:
        return
    raise ConfigError(
        f"training.precision=float64: a {jax.default_backend()} has no such numbers; "
        "allowed: float32, bf16, or JAX_PLATFORMS=cpu in the environment"
    )


def check_optimizer(config: Config) -> None:
    """Refuse arguments with which a function of optax makes no optimizer that can take steps.

    Raises:
        ConfigError: Naming the argument, its value and what optax says.
    """
    if isinstance(config.optimizer, OptaxConfig):
        from snnjax.optim.trial import misfit

        if line := misfit(config):
            raise ConfigError(line)
