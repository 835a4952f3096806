"""One run from configuration to result: the one place that wires data, network, training, sinks."""

import importlib
import importlib.metadata
import json
import math
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

import snnjax
from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config
from snnjax.config.split import fingerprint, split, to_dict
from snnjax.data.dataset import SPLITS, Dataset
from snnjax.data.load import load
from snnjax.registry import resolve
from snnjax.sinks import Evaluation, RunInfo, Sinks, open_sinks

_PACKAGES = ("jax", "flax", "optax", "numpy")


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        status: `skipped` where the folder already held this run's result.
        objective: The monitored metric on the validation rows (on the training rows where there
            are none); NaN of a run that diverged before its first healthy epoch.
    """

    status: Literal["done", "diverged", "skipped"]
    objective: float


def run(config: Config, folder: Path) -> RunResult:
    """Train one configuration and leave its run folder behind; `result.json` comes last.

    Args:
        config: The run.
        folder: Its run folder, which may exist.

    Raises:
        ConfigError: The configuration does not fit the data, or the folder holds another run.
        DataError: The data cannot be read.
        OSError: The folder cannot be written.
    """
    began = time.perf_counter()
    if (earlier := _earlier_result(config, folder)) is not None:
        print(f"{folder}: this run is already done, nothing to do", flush=True)
        return RunResult("skipped", _objective(config, earlier["metrics"]))
    data = load(config.data)
    _check_fit(config, data)
    # JAX is imported only now that nothing can be wrong any more, but before wandb's thread runs:
    # two threads importing NumPy's extensions at once can break both.
    importlib.import_module("snnjax.population")
    _check_names(config)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "config.json", to_dict(config))
    with open_sinks(config.logging, _describe(config, folder, data)) as sinks:
        result = _train(config, data, sinks)
        result["seconds"] = round(time.perf_counter() - began, 3)
        _write_json(folder / "result.json", result)
        sinks.finish(result)
    return RunResult(result["status"], _objective(config, result["metrics"]))


def _train(config: Config, data: Dataset, sinks: Sinks) -> dict[str, Any]:
    from snnjax import population
    from snnjax.outcomes import EpochRecord
    from snnjax.step import parameter_count

    program, member = split(config)
    if config.logging.progress != "none":
        parameters = parameter_count(program, population.problem_of(data))
        print(_headline(config, data, parameters), flush=True)

    def report(record: EpochRecord) -> None:
        for name, metrics in record.metrics.items():
            sinks.write(Evaluation(record.epoch, record.step, name, metrics))

    trained = population.train(program, [member], data, report)
    (outcome,) = trained.outcomes
    if "test" in outcome.metrics:
        metrics = outcome.metrics["test"]
        sinks.write(Evaluation(outcome.best_epoch, outcome.best_step, "test", metrics))
    return {
        "status": outcome.status,
        "fingerprint": fingerprint(config),
        "metrics": outcome.metrics,
        "best_epoch": outcome.best_epoch,
        "epochs": outcome.epochs,
        "seconds": None,
        "training_seconds": round(trained.seconds, 3),
        "compile_seconds": round(trained.compile_seconds, 3),
        "strategy": trained.strategy,
        "device": population.device_description(),
        "versions": _versions(),
        "data": {"name": data.name, "sha256": data.sha256}
        | {f"{name}_rows": len(data.rows[name]) for name in SPLITS},
    }


def _earlier_result(config: Config, folder: Path) -> dict[str, Any] | None:
    """Return the result that the folder holds of this very run.

    Raises:
        ConfigError: It holds the result of another run, or something else.
    """
    path = folder / "result.json"
    if not path.exists():
        return None
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not a result of a run ({error}); remove it") from error
    if result.get("fingerprint") != (own := fingerprint(config)):
        raise ConfigError(
            f"{path}: holds the result of another run (fingerprint {result.get('fingerprint')}, "
            f"this one has {own}); choose another folder with hydra.run.dir or hydra.sweep.dir"
        )
    return result


def _check_fit(config: Config, data: Dataset) -> None:
    """Refuse what only the data can tell: metrics of the other task, patience without validation.

    Raises:
        ConfigError: Naming the key, its value and what is allowed.
    """
    from snnjax.metric_names import BY_TASK

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
    if monitor == "roc_auc" and len(validation) and len(np.unique(data.targets[validation])) < 2:
        raise ConfigError(
            "training.monitor=roc_auc: the validation rows hold a single class, so there is no "
            f"curve; allowed: {', '.join(name for name in allowed if name != monitor)}"
        )


def _check_names(config: Config) -> None:
    """Refuse a `package.module:attribute` that cannot be imported.

    Raises:
        ConfigError: Naming the key and what is the matter.
    """
    model = config.model
    for key, kind, name in (
        ("name", "model", model.name),
        ("activation", "activation", model.activation),
        ("init", "initializer", model.init),
        ("dropout_kind", "dropout", model.dropout_kind),
    ):
        try:
            resolve(kind, name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"model.{key}={name}: {error}") from error


def _describe(config: Config, folder: Path, data: Dataset) -> RunInfo:
    from snnjax.metric_names import MAXIMIZED

    monitor = config.training.monitor
    return RunInfo(
        name=f"{data.name}-{config.model.name}-s{config.seed}",
        folder=folder,
        epochs=config.training.epochs,
        monitor=monitor,
        maximize=monitor in MAXIMIZED,
        split="validation" if len(data.rows["validation"]) else "train",
        config=to_dict(config),
        fingerprint=fingerprint(config),
    )


def _headline(config: Config, data: Dataset, parameters: int) -> str:
    rows = ", ".join(f"{len(data.rows[name]):,} {name}" for name in SPLITS)
    ends = "classes" if data.task == "classification" else "outputs"
    model = config.model
    return (
        f"{data.name}: {rows} rows, {data.features.shape[1]:,} features, {data.outputs} {ends}; "
        f"{model.name}: {model.depth} hidden layers of {model.width} ({model.form}), "
        f"{parameters:,} parameters"
    )


def _objective(config: Config, metrics: Mapping[str, Mapping[str, float | None]]) -> float:
    watched = metrics.get("validation") or metrics.get("train") or {}
    value = watched.get(config.training.monitor)
    return math.nan if value is None else float(value)


def _versions() -> dict[str, str]:
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"snnjax": snnjax.__version__, "python": platform.python_version()} | packages


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write strict JSON so that the file is there whole or not at all."""
    text = json.dumps(_nullified(content), indent=2, allow_nan=False)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _nullified(content: Any) -> Any:
    """Replace NaN and infinities, which JSON has no words for, by None."""
    if isinstance(content, Mapping):
        return {key: _nullified(value) for key, value in content.items()}
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
