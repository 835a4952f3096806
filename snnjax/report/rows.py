"""One run folder as one row of the run table."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from snnjax.config.errors import ConfigError
from snnjax.figures.records import flat, read_json
from snnjax.file_names import COMPOSED_FILE, CONFIG_FILE, ERROR_FILE, METRICS_FILE, RESULT_FILE
from snnjax.listing import state_of

SPLITS = ("train", "validation", "test")

_PLAIN = (
    *("epochs", "best_epoch", "scored_epoch", "fingerprint"),
    *("seconds", "training_seconds", "seconds_to_best"),
)
_EPOCH = re.compile(rb'\{"epoch": (\d+),')
_BRANCHES = ("versions", "device", "strategy")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_row(folder: Path) -> dict[str, Any]:
    """Return what a run folder says of its run, by column.

    The columns are the dotted keys of its configuration; `status` (done, diverged, failed, running
    or left), `epochs`, `best_epoch`, `seconds`; `objective`, what trials are chosen by; metrics as
    `SPLIT.NAME`, of single tasks as `SPLIT.roc_auc.TASK`; `rows.SPLIT`; `checksum` of the data;
    `versions.NAME`, `device.NAME`, `strategy.NAME`; `message`, why it failed.

    Raises:
        ConfigError: A file in it cannot be read, because it was written by halves, for example.
    """
    row = {key: _plain(value) for key, value in flat(_config(folder))}
    if (folder / ERROR_FILE).is_file() or not (folder / RESULT_FILE).is_file():
        row["status"] = state_of(folder)
        with suppress(ConfigError):
            row["message"] = str(read_json(folder / ERROR_FILE).get("message", ""))
        return row
    result = read_json(folder / RESULT_FILE)
    metrics = result.get("metrics")
    if not isinstance(metrics, Mapping):
        raise ConfigError(f"{folder / RESULT_FILE}: not a result of a run")
    row["status"] = str(result.get("status", "done"))
    row |= {name: result.get(name) for name in _PLAIN}
    row |= _of_splits(metrics, "") | _of_splits(result.get("roc_auc_by_task") or {}, "roc_auc.")
    for branch in _BRANCHES:
        row |= {k: _plain(v) for k, v in flat(result.get(branch) or {}, f"{branch}.")}
    data = result.get("data") or {}
    row["checksum"] = data.get("sha256")
    row |= {f"rows.{split}": data.get(f"{split}_rows") for split in SPLITS}
    row["objective"] = objective(folder, row, result)
    return row


def objective(folder: Path, row: Mapping[str, Any], result: Mapping[str, Any]) -> float | None:
    """Return the monitored metric on the validation rows, or on training rows where none are.

    It is smoothed as the run smoothed it (`training.smoothing`): the mean of the last so many
    epochs up to the best one. None of a run that has no healthy epoch.
    """
    monitor, smoothing = row.get("training.monitor"), row.get("training.smoothing") or 1
    split = "validation" if any(key.startswith("validation.") for key in row) else "train"
    value = row.get(f"{split}.{monitor}")
    best = result.get("best_epoch")
    if smoothing == 1 or value is None or split == "train" or not best:
        return value
    recent = _recent(folder / METRICS_FILE, split, str(monitor), best - smoothing, best)
    return sum(recent) / len(recent) if len(recent) == min(smoothing, best) else value


def _recent(path: Path, split: str, name: str, after: int, until: int) -> list[float]:
    """Return a metric's values in the epochs after one and until another."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found, mark = [], f'"split": "{split}"'.encode()
    for line in reversed(lines):
        head = _EPOCH.match(line)  # most lines need not be read to know that they are not needed
        epoch = int(head[1]) if head else until + 1
        if epoch <= after:
            break
        if epoch <= until and mark in line:
            with suppress(ValueError):
                value = json.loads(line).get(name)
                found += [] if value is None else [float(value)]
    return found


def _config(folder: Path) -> Mapping[str, Any]:
    """Return the configuration; of a run that failed early what Hydra composed, if it did."""
    if (folder / CONFIG_FILE).is_file():
        return read_json(folder / CONFIG_FILE)
    with suppress(OSError, yaml.YAMLError):
        composed = yaml.load((folder / COMPOSED_FILE).read_bytes(), Loader=_LOADER)
        return composed if isinstance(composed, Mapping) else {}
    return {}


def _of_splits(tree: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return numbers of splits by `SPLIT.NAME`; baselines have their own splits, too."""
    return {
        f"{split}.{prefix}{name}": value
        for split, values in tree.items()
        if isinstance(values, Mapping)
        for name, value in values.items()
        if value is None or isinstance(value, int | float)
    }


def _plain(value: Any) -> Any:
    """Return a value that a column can hold: lists as text."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value
