"""What many runs show together: the mean, least and greatest metric at every epoch."""

import math
from collections.abc import Iterator, Sequence

from snnjax.sinks.base import Evaluation, RunInfo
from snnjax.sinks.member_table import data_sets


class Curves:
    """Aggregate the monitored metric of members over the epochs, each data set apart.

    An epoch is settled when no member can add to it any more: each has passed it, or has ended.
    Only then does it become a row, which is never corrected afterwards.
    """

    def __init__(self, members: Sequence[RunInfo]) -> None:
        self._members = members
        self._prefixes = [f"{name}/" if name else "" for name in data_sets(members)]
        self._open = dict.fromkeys(range(len(members)), 0)  # the latest epoch of each
        self._epochs: dict[int, dict[str, _Spread]] = {}

    def add(self, member: int, evaluation: Evaluation) -> None:
        """Take in an evaluation of a member; splits other than its watched one are left out."""
        run = self._members[member]
        value = evaluation.metrics.get(run.monitor)
        if evaluation.split != run.split or value is None:
            return
        name = f"{self._prefixes[member]}{run.split}/{run.monitor}"
        spreads = self._epochs.setdefault(evaluation.epoch, {})
        spreads.setdefault(name, _Spread()).add(float(value))
        if evaluation.epoch >= run.epochs:
            self.end(member)
        elif member in self._open:
            self._open[member] = evaluation.epoch

    def end(self, member: int) -> None:
        """Wait for this member no longer."""
        self._open.pop(member, None)

    def settled(self) -> Iterator[dict[str, float]]:
        """Yield the rows of the epochs that were settled since the last call."""
        until = min(self._open.values(), default=math.inf)
        for epoch in sorted(epoch for epoch in self._epochs if epoch <= until):
            row: dict[str, float] = {"epoch": epoch}
            for name, spread in self._epochs.pop(epoch).items():
                row |= {f"{name}/{statistic}": v for statistic, v in spread.statistics().items()}
            yield row


class _Spread:
    """Count, sum and extremes of the finite ones among some values."""

    def __init__(self) -> None:
        self._count, self._sum = 0, 0.0
        self._low, self._high = math.inf, -math.inf

    def add(self, value: float) -> None:
        if math.isfinite(value):
            self._count += 1
            self._sum += value
            self._low, self._high = min(self._low, value), max(self._high, value)

    def statistics(self) -> dict[str, float]:
        """Return mean, min, max and the number of members behind them, which alone may be 0."""
        if not self._count:
            return {"members": 0}
        mean = self._sum / self._count
        return {"mean": mean, "min": self._low, "max": self._high, "members": self._count}
