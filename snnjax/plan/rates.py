"""How long a machine takes for what is counted: fitted to measurements, kept in a file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from snnjax.config.errors import ConfigError
from snnjax.data.files import cache_folder
from snnjax.plan.work import FEATURES, KNOTS
from snnjax.whole_file import write_whole

_FIRST_KNOT = FEATURES.index(f"flops_{KNOTS[0]}")
COMPILED = ("start", "advance", "score")
"""The programs that a population needs."""


@dataclass(frozen=True)
class Rates:
    """What was measured of a machine.

    Attributes:
        seconds: For one unit of each of `work.FEATURES`, on one core or accelerator.
        compiling: Seconds for a program by what it does: those of any network, and those of each
            of its layers.
        run: Seconds for a run beside its training: its folder, its result.
        report: Seconds for an epoch of a run to be written down.
        compose: Seconds for a run before the first is trained, in the process that is started.
        start: Seconds that this process takes to come to life.
        run_bytes: Bytes of a run folder.
        report_bytes: Bytes of every epoch in it.
        machine: What it was measured on: `platform`, `kind`, `cores`, `memory` of an accelerator
            in bytes or None, `lanes`, versions, date.
    """

    seconds: Mapping[str, float]
    compiling: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    run: float = 0.0
    report: float = 0.0
    compose: float = 0.0
    start: float = 0.0
    run_bytes: float = 0.0
    report_bytes: float = 0.0
    machine: Mapping[str, Any] = field(default_factory=dict)

    def training(self, amounts: NDArray[np.float64]) -> float:
        """Return the seconds of an amount of work, (features,)."""
        return float(amounts @ np.array([self.seconds[name] for name in FEATURES]))

    def compilation(self, what: str, layers: int) -> float:
        """Return the seconds to compile a program of a network with so many layers."""
        base, slope = self.compiling.get(what, (0.0, 0.0))
        return base + slope * layers

    def with_flops(self, rate: float) -> "Rates":
        """Return these with so many FLOP/s at every width."""
        flops = dict.fromkeys(FEATURES[_FIRST_KNOT:], 1 / rate)
        return replace(self, seconds={**self.seconds, **flops})


def fit(amounts: NDArray[np.float64], seconds: NDArray[np.float64]) -> dict[str, float]:
    """Return the seconds of each unit of work that explain measurements best, none below 0.

    Relative errors are minimised. FLOPs are no faster in narrow layers than in wide ones, and in
    layers wider than any that was measured as fast as there.

    Args:
        amounts: (measurements, features).
        seconds: (measurements,), above 0.
    """
    flops = amounts[:, _FIRST_KNOT:]
    widest = int(np.flatnonzero(flops.any(0)).max(initial=0))
    # Column k of `steps` is what the seconds of a FLOP at knot k exceed those at knot k + 1 by.
    steps = np.cumsum(flops, axis=1)[:, : widest + 1]
    steps[:, -1] = flops.sum(1)
    columns = np.concatenate([amounts[:, :_FIRST_KNOT], steps], axis=1) / seconds[:, None]
    scale = np.where(columns.any(0), np.abs(columns).max(0), 1)
    found, _ = nnls(columns / scale, np.ones(len(seconds)))
    found = np.where(columns.any(0), found / scale, 0)
    excess = np.zeros(len(KNOTS))
    excess[: widest + 1] = found[_FIRST_KNOT:]
    per_flop = np.cumsum(excess[::-1])[::-1]
    per_flop[widest + 1 :] = per_flop[widest]
    return dict(zip(FEATURES, [*found[:_FIRST_KNOT], *per_flop], strict=True))


def default_file() -> Path:
    """Return where the calibration of this machine is kept."""
    return cache_folder() / "calibration.json"


def write(path: Path, rates: Rates) -> None:
    """Write a calibration.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(asdict(rates), indent=1) + "\n")


def read(path: Path) -> Rates:
    """Read a calibration.

    Raises:
        ConfigError: The file is none.
    """
    try:
        content = json.loads(path.read_bytes())
        rates = Rates(**content)
        mistakes = [*_mistakes(rates)]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        mistakes = [str(getattr(error, "strerror", None) or error)]
    if mistakes:
        raise ConfigError(
            f"{path}: no calibration ({mistakes[0]}); python -m snnjax.plan --calibrate {path} "
            "writes one on the machine that is meant"
        )
    return rates


def _mistakes(rates: Rates) -> Iterator[str]:
    """Yield what is wrong with the content of a calibration."""
    if set(rates.seconds) != set(FEATURES):
        yield f"seconds: allowed: {', '.join(FEATURES)}"
    names = [own.name for own in fields(Rates) if own.type in (float, "float")]
    numbers = [*rates.seconds.values(), *(getattr(rates, name) for name in names)]
    numbers += [number for pair in rates.compiling.values() for number in pair]
    if not all(isinstance(number, int | float) and 0 <= number < np.inf for number in numbers):
        yield "a number is missing or below 0"
    if "platform" not in rates.machine:
        yield "machine: lacks its platform"


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the height at 0 and the slope of the best line through points, none below 0."""
    places, heights = np.array(points, np.float64).T
    found, _ = nnls(np.stack([np.ones_like(places), places], axis=1), heights)
    return float(found[0]), float(found[1])
