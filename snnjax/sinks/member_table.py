"""The runs of a population as a table: what sets them apart, how they ended, how good they are."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from snnjax.sinks.base import RunInfo
from snnjax.sinks.wandb_sink import metrics_of

_ABSENT = object()
_ENDS = ("status", "best_epoch", "epochs")


def varying_keys(configs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the dotted keys whose values differ among `configs`, in the order they stand there."""
    flat = [dict(_leaves(config)) for config in configs]
    keys = dict.fromkeys(key for config in flat for key in config)
    first = flat[0]
    return tuple(
        key
        for key in keys
        if any(config.get(key, _ABSENT) != first.get(key, _ABSENT) for config in flat)
    )


def common_config(config: Mapping[str, Any], varying: Sequence[str]) -> dict[str, Any]:
    """Return `config` without the dotted keys that vary."""
    common: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            inner = [k.removeprefix(f"{key}.") for k in varying if k.startswith(f"{key}.")]
            common[key] = common_config(value, inner)
        elif key not in varying:
            common[key] = value
    return common


def member_table(
    members: Sequence[RunInfo], keys: Sequence[str], results: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and the rows: run, `keys`, status, best epoch, epochs, metrics.

    Args:
        members: The runs.
        keys: The dotted keys that set them apart.
        results: The content of `result.json` of each. NaN and infinities become None.
    """
    metrics = [metrics_of(result) for result in results]
    names = list(dict.fromkeys(name for one in metrics for name in one))
    ends = [*_ENDS, *(["error"] if any("error" in result for result in results) else [])]
    rows = []
    for run, result, values in zip(members, results, metrics, strict=True):
        flat = dict(_leaves(run.config))
        row = [run_name(run), *(flat.get(key) for key in keys), *(result.get(end) for end in ends)]
        row += [values.get(name) for name in names]
        rows.append([_cell(value) for value in [*row, run.fingerprint]])
    return ["run", *keys, *ends, *names, "fingerprint"], rows


def data_sets(members: Sequence[RunInfo]) -> list[str]:
    """Return the data set of each member, or nothing where all have the same.

    Metrics of different data sets are not to be compared or averaged.
    """
    names = [str((run.config.get("data") or {}).get("name", "")) for run in members]
    return names if len(set(names)) > 1 else [""] * len(names)


def run_name(run: RunInfo) -> str:
    """Return the name of a run inside its sweep: that of its folder."""
    return run.folder.name if run.sweep is None else os.path.relpath(run.folder, run.sweep)


def _leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _cell(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(value)
