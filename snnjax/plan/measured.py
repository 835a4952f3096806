"""What a machine takes, read from the runs of finished sweeps."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from snnjax.config.errors import ConfigError
from snnjax.config.strict import from_hydra
from snnjax.file_names import CONFIG_FILE, RESULT_FILE
from snnjax.plan.groups import Group, group
from snnjax.plan.networks import network_of
from snnjax.plan.rates import Rates, fit, line
from snnjax.plan.work import PER_DISPATCH, work_of
from snnjax.summary import run_folders

_LOCKSTEP = re.compile(r"(\d+) in lockstep")
# What each of three programs takes of the time that a population waits for all of them.
_SHARES = {"start": 0.25, "advance": 0.5, "score": 0.25}

Run = tuple[Any, Mapping[str, Any]]


def rates_from(sweep: Path, base: Rates | None = None) -> Rates:
    """Return what the device took on which the runs below a folder were trained.

    Runs of one network on one data set are one measurement. What a run takes beside its training
    is among its seconds; the rest is that of `base`.

    Args:
        sweep: The folder of finished sweeps.
        base: What is known of a machine like it; None for nothing.

    Raises:
        ConfigError: There are no finished runs, or they are of several kinds of devices.
    """
    runs = [*_read(sweep)]
    if not runs:
        raise ConfigError(f"from={sweep}: no finished runs below this folder")
    devices = {(r["device"]["platform"], r["device"]["kind"]) for _, r in runs}
    if len(devices) > 1:
        kinds = ", ".join(sorted(kind for _, kind in devices))
        raise ConfigError(f"from={sweep}: trained on {kinds}; allowed: runs of one kind of device")
    amounts, seconds, compiling = _measurements(runs)
    device = runs[0][1]["device"]
    machine = {
        **(base.machine if base and base.machine["platform"] == device["platform"] else {}),
        **{name: device[name] for name in ("platform", "cores")},
        "from": f"{len(runs)} runs in {sweep}",
    }
    if device["platform"] != "cpu":
        machine["kind"] = device["kind"]
    rates = base or Rates({})
    if compiling:
        rates = replace(
            rates,
            compiling={
                what: line([(layers, share * taken) for layers, taken in compiling])
                for what, share in _SHARES.items()
            },
        )
    found = fit(np.stack(amounts), np.array(seconds))
    return replace(rates, seconds=found, run=0.0, report=0.0, machine=machine)


def _read(sweep: Path) -> Iterator[Run]:
    """Yield configuration and result of every run that is done."""
    for folder in run_folders(sweep):
        try:
            result = json.loads((folder / RESULT_FILE).read_bytes())
            config = from_hydra(json.loads((folder / CONFIG_FILE).read_bytes()))
            result["training_seconds"], result["device"]["kind"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if result.get("status") == "done":
            yield config, result


def _measurements(
    runs: Sequence[Run],
) -> tuple[list[Any], list[float], list[tuple[float, float]]]:
    """Return work and seconds of each network on each data set, and layers and compile seconds."""
    by_config: dict[Any, list[Mapping[str, Any]]] = {}
    for config, result in runs:
        by_config.setdefault(config, []).append(result)
    groups, _ = group([(config, len(results)) for config, results in by_config.items()])
    amounts: dict[Any, Any] = {}
    seconds: dict[Any, float] = {}
    compiling: dict[Group, tuple[float, float]] = {}
    for own in groups:
        layers = network_of(own.kind.program, own.whole).layers
        for entry in own.entries:
            key = (own, entry.config.data.name)
            for result in by_config[entry.config]:
                work = work_of(own.kind.program, own.problem, entry.data, result["epochs"])
                amounts[key] = amounts.get(key, 0) + _shared(work.amounts, result)
                seconds[key] = seconds.get(key, 0.0) + float(result["training_seconds"])
                taken = float(result["compile_seconds"])
                compiling[own] = (layers, max(taken, compiling.get(own, (0, 0.0))[1]))
    timed = [key for key, taken in seconds.items() if taken > 0]
    points = [point for point in compiling.values() if point[1] > 0]
    if not timed:
        raise ConfigError("from: the runs took no time; allowed: runs of some thousandths")
    return [amounts[key] for key in timed], [seconds[key] for key in timed], points


def _shared(amounts: Any, result: Mapping[str, Any]) -> Any:
    """Return what a run takes of what members in lockstep take together."""
    strategy = result.get("strategy") or {}
    match = _LOCKSTEP.fullmatch(str(strategy.get("map")))
    lanes = min(int(match[1]), int(strategy.get("population", 1))) if match else 1
    own = amounts.copy()
    own[: len(PER_DISPATCH)] /= lanes
    return own
