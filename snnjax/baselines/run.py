"""One baseline from its configuration to its run folder, which is what a network leaves."""

import time
import warnings
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnjax.baselines.config import BaselineConfig
from snnjax.baselines.estimators import WITHOUT_WEIGHTS
from snnjax.config.errors import ConfigError
from snnjax.config.schema import DataConfig
from snnjax.config.split import fingerprint
from snnjax.data.dataset import SPLITS, Dataset
from snnjax.data.load import load
from snnjax.file_names import CONFIG_FILE, ERROR_FILE, RESULT_FILE
from snnjax.metric_names import MAXIMIZED
from snnjax.recorder import (
    library_versions,
    other_versions,
    read_result_file,
    result_of,
    write_json,
)
from snnjax.sinks import Evaluation, RunInfo
from snnjax.sinks.jsonl import MetricsFile
from snnjax.source_code import package_digest

if TYPE_CHECKING:
    from snnjax.outcomes import Outcome

PACKAGES = ("numpy", "scipy", "scikit-learn")
"""What decides a baseline's numbers beside the source code of this package."""


def folder_of(config: BaselineConfig, out: Path) -> Path:
    """Return the folder of a run: the same run has the same one, whatever else is asked for."""
    return out / config.data.name / f"{config.model.name}-{fingerprint(config)}"


def is_done(config: BaselineConfig, folder: Path) -> bool:
    """Tell whether a folder holds the result of a run.

    Raises:
        ConfigError: What it holds is no result, or one of other source code or libraries.
    """
    path = folder / RESULT_FILE
    if not path.exists():
        return False
    made_by = read_result_file(path).get("versions") or {}
    other = other_versions(made_by, _code(), PACKAGES)
    if other and not config.sweep.mix_versions:
        raise ConfigError(
            f"{path}: comes from other {other}; choose another folder with --out, or accept it "
            "with sweep.mix_versions=true"
        )
    return True


def run(config: BaselineConfig, folder: Path) -> None:
    """Fit one baseline and leave its run folder behind; `result.json` comes last.

    Raises:
        ConfigError: Rows weigh differently, which the method cannot learn from.
        DataError: The data cannot be read.
        FileExistsError: Another process ended this run meanwhile.
        OSError: The folder cannot be written; EBUSY where another process is at the run.
    """
    from threadpoolctl import threadpool_limits

    with closing(MetricsFile(_info(config, folder))) as lines, threadpool_limits(1):
        write_json(folder / CONFIG_FILE, asdict(config))
        data = _loaded(config.data)
        _check(config, data)
        outcome, circumstances = _fit_and_score(config, data)
        for split, metrics in outcome.metrics.items():
            lines.write(Evaluation(1, 1, split, metrics))
        result = result_of(fingerprint(config), outcome, circumstances, data)
        write_json(folder / RESULT_FILE, result)
        (folder / ERROR_FILE).unlink(missing_ok=True)


def _fit_and_score(config: BaselineConfig, data: Dataset) -> tuple["Outcome", Mapping[str, Any]]:
    from snnjax.baselines.fitting import fit, inputs_of
    from snnjax.baselines.scoring import Metrics, score
    from snnjax.outcomes import Outcome

    began, fitting = time.perf_counter(), 0.0
    metrics: dict[str, Metrics] = {}
    areas: dict[str, Metrics] = {}
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for rows, splits in _stages(config, data):
            at = time.perf_counter()
            predict = fit(config.model, config.seed, data, rows)
            fitting += time.perf_counter() - at
            for split in (split for split in splits if len(data.rows[split])):
                outputs = predict(inputs_of(data, data.rows[split]))
                metrics[split], by_label = score(outputs, data, split)
                if by_label:
                    areas[split] = by_label
    circumstances: dict[str, Any] = {
        "seconds": round(time.perf_counter() - began, 3),
        "training_seconds": round(fitting, 3),
        "device": {"platform": "cpu", "devices": 1, "cores": 1},
        "versions": library_versions(PACKAGES) | {"code": _code()},
    }
    if said := sorted({str(warning.message).partition("\n")[0] for warning in heard}):
        circumstances["warnings"] = said
    return Outcome("done", 1, 1, 1, 1, metrics, areas), circumstances


def _stages(config: BaselineConfig, data: Dataset) -> list[tuple[Any, tuple[str, ...]]]:
    """Return which rows are fitted on, one fit after another, and which splits each stands for."""
    train, validation = data.rows["train"], data.rows["validation"]
    if not config.training.refit or not len(validation):
        return [(train, SPLITS)]
    return [(train, SPLITS[:2]), (np.union1d(train, validation), SPLITS[2:])]


@lru_cache(maxsize=2)
def _loaded(config: DataConfig) -> Dataset:
    """Return a data set, which the next run is likely to have too."""
    return load(config)


def _check(config: BaselineConfig, data: Dataset) -> None:
    method = config.model.name
    if data.weights is not None and method in WITHOUT_WEIGHTS:
        raise ConfigError(f"data.weight={config.data.weight}: {method} cannot weigh rows")


def _info(config: BaselineConfig, folder: Path) -> RunInfo:
    monitor = config.training.monitor
    name = f"{config.data.name}-{config.model.name}-s{config.seed}"
    is_validated = config.data.validation != 0
    return RunInfo(
        name=name,
        folder=folder,
        epochs=1,
        monitor=monitor,
        maximize=monitor in MAXIMIZED,
        split="validation" if is_validated else "train",
        config=asdict(config),
        fingerprint=fingerprint(config),
    )


def _code() -> str:
    return package_digest()[:12]
