"""The machine that an estimate is for: what is known of it, and how many there are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from snnjax.config.errors import ConfigError
from snnjax.plan.estimate import Place
from snnjax.plan.rates import Rates, default_file, read, write
from snnjax.plan.work import FEATURES
from snnjax.sinks.base import say
from snnjax.strategy import core_count

OWN = ("nodes", "gpus", "cores", "from", "rate", "memory")
"""Keys of the planner itself."""

_LEAST = {"nodes": 1, "gpus": 0, "cores": 1}
_GIGA = 1e9


@dataclass(frozen=True)
class Asked:
    """What a command line says of machines; None where it is silent.

    Attributes:
        nodes: Machines.
        gpus: Accelerators of each.
        cores: Cores of each.
        rate: FLOP/s of an accelerator or a core.
        memory: Gigabytes of an accelerator.
        sweep: A folder of finished sweeps.
        calibration: A file that was written on such a machine.
    """

    nodes: int | None = None
    gpus: int | None = None
    cores: int | None = None
    rate: float | None = None
    memory: float | None = None
    sweep: Path | None = None
    calibration: Path | None = None

    @classmethod
    def read(cls, own: Mapping[str, str], calibration: Path | None = None) -> "Asked":
        """Return the planner's own keys as numbers.

        Raises:
            ConfigError: One is none, or out of range.
        """
        numbers = {key: _number(key, text) for key, text in own.items() if key != "from"}
        sweep = Path(own["from"]) if "from" in own else None
        return cls(**numbers, sweep=sweep, calibration=calibration)  # type: ignore[arg-type]


def rates_of(asked: Asked) -> Rates:
    """Return what is known of the machine; this one is measured if nothing is.

    Raises:
        ConfigError: Nothing is known of such accelerators, or a file is no calibration.
    """
    known = _calibration(asked)
    if asked.sweep is not None:
        from snnjax.plan.measured import rates_from

        known = rates_from(asked.sweep, known)
    has_others = bool(asked.gpus) and (known is None or known.machine["platform"] == "cpu")
    if has_others and asked.rate is None:
        raise ConfigError(
            f"gpus={asked.gpus}: nothing is known of such accelerators; allowed: --calibration "
            "FILE, written there by python -m snnjax.plan --calibrate FILE; from=DIR, the folder "
            "of a sweep that was trained there; or rate=, its FLOP/s"
        )
    if known is None and not has_others:
        say("nothing is known of this machine yet")
        known = read(remeasure(""))
    known = known or Rates(dict.fromkeys(FEATURES, 0.0))
    if has_others:  # of the CPU's file only what a host takes
        machine = {"platform": "accelerator", "kind": "an accelerator"}
        known = replace(known, seconds=dict.fromkeys(FEATURES, 0.0), machine=machine)
    if asked.rate is not None:
        source = {"from": f"rate={asked.rate:g}"}
        if has_others:
            source["from"] += ", all but the arithmetic left out of training"
        known = replace(known.with_flops(asked.rate), machine={**known.machine, **source})
    return known


def place_of(asked: Asked, rates: Rates) -> Place:
    """Return where the sweep is to be trained.

    Raises:
        ConfigError: An accelerator whose memory is not known.
    """
    is_cpu = rates.machine["platform"] == "cpu"
    gpus = asked.gpus if asked.gpus is not None else int(not is_cpu)
    if is_cpu or not gpus:
        cores = asked.cores or int(rates.machine.get("cores") or core_count())
        return Place(asked.nodes or 1, 0, cores)
    memory = asked.memory and asked.memory * _GIGA
    memory = memory or rates.machine.get("memory")
    if not memory:
        raise ConfigError(
            f"gpus={gpus}: how much memory each has is not known; allowed: memory= in gigabytes"
        )
    return Place(asked.nodes or 1, gpus, memory=int(memory))


def remeasure(file: str) -> Path:
    """Measure this machine and write it into a file, by default in the user's cache folder.

    Raises:
        OSError: It cannot be written.
    """
    from snnjax.plan.calibrate import calibrate

    path = Path(file) if file else default_file()
    path.parent.mkdir(parents=True, exist_ok=True)  # before it takes two minutes
    write(path, calibrate(lambda line: say(f"measuring {line}")))
    say(f"{path}: written")
    return path


def _calibration(asked: Asked) -> Rates | None:
    if asked.calibration is not None:
        return read(asked.calibration)
    return read(default_file()) if default_file().exists() else None


def _number(key: str, text: str) -> float:
    is_count = key in _LEAST
    try:
        number = int(text) if is_count else float(text)
    except ValueError:
        number = -1
    if is_count and number >= _LEAST[key]:
        return number
    if not is_count and 0 < number < float("inf"):
        return number
    allowed = f"integers from {_LEAST[key]}" if is_count else "numbers above 0"
    raise ConfigError(f"{key}={text}: out of range; allowed: {allowed}")
