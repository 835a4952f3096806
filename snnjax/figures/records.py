"""Run folders as the figures see them: settings, diagnostics, metrics. Reads files only."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnjax.array_file import NotArraysError, read_arrays
from snnjax.config.errors import ConfigError
from snnjax.file_names import (
    CONFIG_FILE,
    DIAGNOSTICS_FILE,
    METRICS_FILE,
    RESULT_FILE,
    SURFACE_FILE,
)

Array = NDArray[Any]

_ALWAYS = ("epoch", "step", "layers", "kernels")
_SURFACES = ("cross_entropy", "quadratic")
_BY_LAYER = (
    *("activation_", "preactivation_", "saturated", "dead", "revived"),
    *("predicted_", "omega", "tau"),
)
_BY_KERNEL = ("weight_", "update_norm", "gradient_norm")


@dataclass(frozen=True)
class Run:
    """What a run folder holds.

    Attributes:
        folder: The folder.
        settings: The resolved configuration by dotted key.
        record: The arrays of its diagnostics by name, see docs/diagnostics.md; empty without.
        history: The lines of its metrics, in order.
        best_epoch: The epoch whose metrics are reported; None where no result is there yet.
    """

    folder: Path
    settings: Mapping[str, Any]
    record: Mapping[str, Array] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    best_epoch: int | None = None


@dataclass(frozen=True)
class Surface:
    """Two loss surfaces over the same two weights.

    Attributes:
        folder: Where their file lies.
        first: Values of one weight, (n,).
        second: Values of the other, (n,).
        cross_entropy: The loss, (n, n): one row for each value of the first weight.
        quadratic: The same of the quadratic cost.
    """

    folder: Path
    first: Array
    second: Array
    cross_entropy: Array
    quadratic: Array


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Return the runs in and below some folders, each once.

    Raises:
        ConfigError: A folder is not there, or a file in a run folder cannot be read.
    """
    found = dict.fromkeys(
        path.resolve() for folder in folders for path in holding(folder, CONFIG_FILE, inside=False)
    )
    return [_read_run(path) for path in found if _has_data(path)]


def read_surfaces(folders: Sequence[Path]) -> list[Surface]:
    """Return the loss surfaces in and below some folders, each once; raises as `read_runs`."""
    found = dict.fromkeys(
        path.resolve() for folder in folders for path in holding(folder, SURFACE_FILE)
    )
    return [_read_surface(path) for path in found]


def holding(folder: Path, name: str, *, inside: bool = True) -> list[Path]:
    """Return the folders that hold a file of some name, 10 after 9.

    Args:
        folder: Where to look, the folder itself among them.
        name: Of the file.
        inside: Whether to look inside of those found, too.

    Raises:
        ConfigError: There is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    found = []
    for root, folders, files in os.walk(folder):
        if name in files:
            found.append(Path(root))
            if not inside:
                folders.clear()
    return sorted(found, key=natural)


def natural(path: Path) -> list[tuple[int, str]]:
    """Return what sorts paths with numbers in the order of these."""
    return [(len(part), part) for part in path.parts]


def _has_data(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (DIAGNOSTICS_FILE, METRICS_FILE))


def _read_run(folder: Path) -> Run:
    settings = dict(flat(read_json(folder / CONFIG_FILE)))
    path = folder / DIAGNOSTICS_FILE
    record = _checked(path, _read_arrays(path)) if path.is_file() else {}
    result = folder / RESULT_FILE
    best = read_json(result).get("best_epoch") if result.is_file() else None
    return Run(folder, settings, record, read_history(folder), best)


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics, in order; none where it has written none.

    Raises:
        ConfigError: A line but the last, which may be being written, cannot be read.
    """
    return _read_lines(folder / METRICS_FILE)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        ConfigError: It cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: cannot be read: not a JSON object")
    return content


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a file that may be being written."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = []
    for place, line in enumerate(lines):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            if place + 1 < len(lines):
                raise ConfigError(f"{path}: line {place + 1}: {_reason(error)}") from error
    return [line for line in found if isinstance(line, dict)]


def _read_arrays(path: Path) -> dict[str, Array]:
    try:
        return read_arrays(path)
    except (OSError, NotArraysError) as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return said.splitlines()[0]


def _checked(path: Path, record: dict[str, Array]) -> dict[str, Array]:
    """Return the record, whose arrays must agree in looks, layers and kernels."""
    missing = [name for name in _ALWAYS if name not in record]
    if missing:
        raise ConfigError(f"{path}: holds no {', '.join(missing)}: not a file of diagnostics")
    looks = len(np.atleast_1d(record["epoch"]))
    if not looks:
        return {}
    for name, values in record.items():
        expected = _expected(name, record, looks)
        if values.shape[: len(expected)] != expected:
            problem = f"shape {values.shape}; expected {expected} at its beginning"
            raise ConfigError(f"{path}: {name} has {problem}")
    return record


def _expected(name: str, record: Mapping[str, Array], looks: int) -> tuple[int, ...]:
    if name in ("layers", "kernels") or name.startswith("fixed_"):
        return ()
    if name.startswith(_BY_LAYER):
        return looks, len(record["layers"])
    if name.startswith(_BY_KERNEL):
        return looks, len(record["kernels"])
    return (looks,)


def _read_surface(folder: Path) -> Surface:
    path = folder / SURFACE_FILE
    arrays = _read_arrays(path)
    missing = [name for name in ("first", "second", *_SURFACES) if name not in arrays]
    if missing:
        raise ConfigError(f"{path}: holds no {', '.join(missing)}")
    first, second = np.atleast_1d(arrays["first"]), np.atleast_1d(arrays["second"])
    for name in _SURFACES:
        if arrays[name].shape != (len(first), len(second)):
            problem = f"shape {arrays[name].shape}; expected {(len(first), len(second))}"
            raise ConfigError(f"{path}: {name} has {problem}")
    return Surface(folder, first, second, *(arrays[name] for name in _SURFACES))


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a tree, each with its dotted key."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
