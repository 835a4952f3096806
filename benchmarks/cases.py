"""The sweeps that are measured, and what their arithmetic amounts to."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

DROPOUT = 0.05


class Wanted(NamedTuple):
    """A ratio to reach: the seconds of a peer over ours, with an empty or a filled cache."""

    ours: str
    peer: str
    ratio: float


@dataclass(frozen=True)
class Case:
    """A sweep over seeds and learning rates of one network on one UCI set."""

    data: str
    depth: int
    width: int
    trials: int
    epochs: int = 20
    batch_size: int = 128
    wanted: tuple[Wanted, ...] = field(default=(), compare=False)

    @property
    def network(self) -> str:
        return f"{self.data} d{self.depth} w{self.width}"

    @property
    def name(self) -> str:
        return f"{self.network}, {self.trials} trials, {self.epochs} epochs"

    def shortened(self, share: float, trials: int | None) -> "Case":
        """Take a share of the epochs and at most so many trials."""
        return replace(
            self,
            epochs=max(1, round(share * self.epochs)),
            trials=min(self.trials, trials or self.trials),
        )


COLD, WARM = "cold", "warm"

CASES = (
    Case("letter", 8, 256, 64, wanted=(Wanted(COLD, "processes", 1.8), Wanted(COLD, "eager", 3.0))),
    Case("letter", 8, 32, 64, wanted=(Wanted(COLD, "processes", 6.0),)),
    Case("letter", 20, 100, 16, wanted=(Wanted(COLD, "processes", 3.0),)),
    Case("letter", 4, 1024, 8, wanted=(Wanted(COLD, "processes", 1.25),)),
    Case("abalone", 8, 32, 64),
    Case("abalone", 8, 100, 64),
    Case("abalone", 8, 256, 64),
    Case(
        "wine",
        8,
        32,
        64,
        epochs=100,
        batch_size=32,
        wanted=(Wanted(COLD, "processes", 3.0), Wanted(WARM, "processes", 18.0)),
    ),
)

# Where the planner is compared with fixed strategies, by the time spent training.
STRATEGY_CASES = (
    Case("wine", 8, 32, 64, epochs=100, batch_size=32),
    Case("letter", 8, 32, 64, epochs=8),
    Case("letter", 20, 100, 16, epochs=4),
    Case("letter", 8, 256, 16, epochs=2),
    Case("letter", 4, 1024, 8, epochs=1),
)


def axes(trials: int) -> tuple[int, int]:
    """Return numbers of learning rates and seeds, as alike as can be, whose product is given."""
    rates = max(n for n in range(1, math.isqrt(trials) + 1) if trials % n == 0)
    return rates, trials // rates


def learning_rates(count: int) -> list[float]:
    """Space learning rates evenly on a logarithmic scale between 0.005 and 0.02."""
    places = [(place + 0.5) / count for place in range(count)]
    return [round(0.005 * 4**place, 6) for place in places]


def load_rows(case: Case) -> dict[str, Any]:
    """Load the rows that a trial trains and validates on, as arrays, and the number of classes."""
    import numpy as np

    from snnjax.config.schema import DataConfig
    from snnjax.data.load import load

    data = load(DataConfig(name=case.data, standardize="none"))
    train, validation = data.rows["train"], data.rows["validation"]
    return {
        "features": data.features[train],
        "targets": data.targets[train].astype(np.int64),
        "validation_features": data.features[validation],
        "validation_targets": data.targets[validation].astype(np.int64),
        "outputs": data.outputs,
    }


def save_rows(rows: Mapping[str, Any], path: Path) -> Path:
    """Save rows for a peer, which then spends no time on reading text."""
    import numpy as np

    np.savez(path, **{name: rows[name] for name in rows if name != "outputs"})
    return path


def flops_of(case: Case, rows: Mapping[str, Any]) -> int:
    """Count the floating-point operations of the matrix products of a sweep.

    A weight costs 2 per row forward and 4 backward; validation rows go forward only.
    """
    widths = [rows["features"].shape[1], *[case.width] * case.depth, rows["outputs"]]
    weights = sum(fan_in * fan_out for fan_in, fan_out in pairwise(widths))
    trained, validated = len(rows["features"]), len(rows["validation_features"])
    return case.trials * case.epochs * weights * (6 * trained + 2 * validated)
