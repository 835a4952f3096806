"""From a configuration to arrays: the one way in for every data set."""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from snnjax import interruption
from snnjax.config.errors import ConfigError
from snnjax.config.schema import DataConfig
from snnjax.config.strict import from_hydra
from snnjax.data import catalog, folds, scaling
from snnjax.data.catalog import DataError
from snnjax.data.content import Content, check_finite
from snnjax.data.dataset import Dataset
from snnjax.data.scaling import Scaling


def load(config: DataConfig, content: Content | None = None) -> Dataset:
    """Read a data set, choose its rows and scale it by its training rows.

    Args:
        config: `name`, `root`, `fold`, `validation` and `standardize`.
        content: What `read` returns for that name and root; it is read here if not given. Folds
            of images made from the same content share its arrays.

    Raises:
        DataError: A value of `config` is out of range, a file is missing, damaged or not the
            published one, or a value is not finite.
    """
    config = _checked(config)
    content = read_for(config) if content is None else content
    rows = folds.split(
        _strata(content), content.test, content.validation, config.validation, config.fold
    )
    features, inputs = _scale_features(config, content, rows["train"])
    targets, outputs = _scale_targets(config, content, rows["train"])
    weights = _single_weights(config.name, content, rows["train"])
    return Dataset(
        name=config.name,
        task=content.task,
        features=features,
        targets=targets,
        outputs=content.outputs,
        rows=rows,
        shift=inputs.shift.astype(np.float32),
        scale=inputs.scale.astype(np.float32),
        target_shift=outputs.shift,
        target_scale=outputs.scale,
        sha256=content.sha256,
        weights=weights,
        tasks=content.tasks,
        classes=content.classes,
        stream=None if content.stream is None else replace(content.stream, rows=config.rows),
    )


def load_all(configs: Iterable[DataConfig]) -> dict[DataConfig, Dataset | Exception]:
    """Load data sets, reading files that several of them share once.

    Returns:
        For each configuration its data set, or the error that it cannot be had for.
    """
    sources: dict[DataConfig, list[DataConfig]] = {}
    usual = DataConfig()
    for config in dict.fromkeys(configs):
        source = replace(
            config,
            fold=0,
            validation=usual.validation,
            standardize=usual.standardize,
            rows=usual.rows,
        )
        sources.setdefault(source, []).append(config)
    loaded: dict[DataConfig, Dataset | Exception] = {}
    for source, own in sources.items():
        interruption.check()
        try:
            content = read_for(source)
        except Exception as error:
            interruption.check()  # Ctrl-C can end an import with an error of its own
            loaded |= dict.fromkeys(own, error)
            continue
        for config in own:
            try:
                loaded[config] = load(config, content)
            except Exception as error:
                interruption.check()
                loaded[config] = error
    return loaded


def read_for(config: DataConfig) -> Content:
    """Return the data set that a configuration chooses, whatever its fold; see `read`."""
    if config.name not in catalog.CONFIGURED:
        return read(config.name, config.root)
    content: Content = _reader(config.name)(config)
    return content


def read(name: str, root: str | None = None) -> Content:
    """Return data set `name` as published, checked to be finite.

    Args:
        name: One of `catalog.names()`, but for `catalog.CONFIGURED`.
        root: Folder to look in first; see `files`.

    Raises:
        DataError: See `load`.
    """
    content: Content = _reader(name)(name, root)
    check_finite(name, "features", content.features)
    check_finite(name, "targets", content.targets)
    return content


def _reader(name: str) -> Callable[..., Content]:
    module, function = catalog.entry(name).reader.split(":")
    reader: Callable[..., Content] = getattr(importlib.import_module(module), function)
    return reader


def _checked(config: DataConfig) -> DataConfig:
    """Return `config`, having refused what the command line refuses in the same words."""
    try:
        return from_hydra({"data": asdict(config)}).data
    except ConfigError as error:
        raise DataError(str(error)) from error


def _strata(content: Content) -> NDArray[np.integer]:
    if content.task == "classification":
        return content.targets.astype(np.int32, copy=False)
    return np.zeros(len(content.targets), dtype=np.int32)


def _scale_features(
    config: DataConfig, content: Content, train: NDArray[np.int32]
) -> tuple[NDArray[np.uint8] | NDArray[np.float32], Scaling]:
    standard = config.standardize == "standard"
    raw = content.features if content.prepare is None else content.prepare(content, train)
    columns = raw.shape[1]
    if raw.dtype == np.uint8:
        images = raw.astype(np.uint8, copy=False)
        if content.scalings is not None:
            return images, content.scalings[config.standardize]
        fitted = scaling.fit_bytes(images, train) if standard else scaling.unit_interval(columns)
        return images, fitted
    table = raw.astype(np.float64, copy=False)
    fitted = scaling.fit_table(table[train]) if standard else scaling.identity(columns)
    return _apply(config.name, "features", table, fitted), scaling.identity(columns)


def _scale_targets(
    config: DataConfig, content: Content, train: NDArray[np.int32]
) -> tuple[NDArray[np.int32] | NDArray[np.float32], Scaling]:
    if content.task == "classification":
        return content.targets.astype(np.int32, copy=False), scaling.identity(content.outputs)
    if content.task == "multilabel":
        if np.isnan(content.targets[train]).all():
            raise DataError(f"{config.name}: none of the {len(train)} training rows has a label")
        return content.targets.astype(np.float32), scaling.identity(content.outputs)
    table = content.targets.astype(np.float64, copy=False)
    standard = config.standardize == "standard"
    fitted = scaling.fit_table(table[train]) if standard else scaling.identity(content.outputs)
    back = Scaling(fitted.shift, 1 / fitted.scale)
    return _apply(config.name, "targets", table, fitted), back


def _single_weights(
    name: str, content: Content, train: NDArray[np.int32]
) -> NDArray[np.float32] | None:
    if content.weights is None:
        return None
    weights = content.weights.astype(np.float32)
    if not weights[train].any():
        raise DataError(f"{name}: none of the {len(train)} training rows weighs more than 0")
    return weights


def _apply(
    name: str, what: str, table: NDArray[np.float64], fitted: Scaling
) -> NDArray[np.float32]:
    # the checks say which column overflowed
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        check_finite(name, f"deviation of the {what}", 1 / fitted.scale[None])
        scaled = ((table - fitted.shift) * fitted.scale).astype(np.float32)
    check_finite(name, f"scaled {what}", scaled)
    return scaled
