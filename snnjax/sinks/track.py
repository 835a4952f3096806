"""What a console says about a run: latest metrics, best epoch, pace and time left, as text."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from snnjax.sinks.base import DIAGNOSTICS, Evaluation, RunInfo

SHORT = {"accuracy": "acc"}
# Evaluations of epochs that ran inside one compiled chunk arrive together; closer ones than
# this (seconds) say nothing about how long an epoch takes.
BURST = 0.05


def duration(seconds: float) -> str:
    """Format seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def metrics_text(metrics: Mapping[str, float], monitor: str) -> str:
    """Format the loss and one more metric: the monitored one, else the first that is no loss."""
    other = monitor if monitor != "loss" else next((m for m in metrics if m != "loss"), "loss")
    shown = [name for name in dict.fromkeys(("loss", other)) if name in metrics]
    return "  ".join(f"{SHORT.get(name, name)} {metrics[name]:.4g}" for name in shown)


def _speed(pace: float) -> str:
    return f"{pace:.3g} s/epoch" if pace >= 1 else f"{1000 * pace:.3g} ms/epoch"


class Track:
    """Follow a run: feed it every evaluation, ask it for text when there is room to show it."""

    def __init__(
        self,
        run: RunInfo,
        earlier: Iterable[Evaluation] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run = run
        self.epoch = run.start_epoch
        self.best: tuple[float, int] | None = None
        self.started = clock()
        self._clock = clock
        self._latest: dict[str, Mapping[str, float]] = {}
        self._recent: deque[float] = deque(maxlen=run.smoothing)
        self._first: tuple[float, int] | None = None
        self._last = (self.started, 0)
        for evaluation in earlier:
            self._compare(evaluation)

    def update(self, evaluation: Evaluation) -> None:
        """Take in one evaluation; the test split is left for the last line."""
        if evaluation.split in ("test", DIAGNOSTICS):
            return
        now = self._clock()
        self.epoch = evaluation.epoch
        self._latest[evaluation.split] = evaluation.metrics
        self._compare(evaluation)
        if self._first is None:
            self._first = self._last = (now, evaluation.epoch)
        elif now - self._last[0] >= BURST and evaluation.epoch > self._last[1]:
            self._last = (now, evaluation.epoch)

    def now(self) -> float:
        """Return the time on the clock that the pace is taken with."""
        return self._clock()

    def pace(self) -> float | None:
        """Return seconds per epoch since the first one, which compiles and does not count."""
        if self._first is None or self._last[1] == self._first[1]:
            return None
        return (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])

    def line(self) -> str:
        """Return all there is to say after an epoch: every split, best epoch, pace, time left."""
        splits = (f"{s} {metrics_text(m, self.run.monitor)}" for s, m in self._latest.items())
        pace = self.pace()
        speed = "" if pace is None else _speed(pace)
        epoch = f"epoch {self.epoch}/{self.run.epochs}"
        return "  ".join(filter(None, (epoch, *splits, self._best_text(), speed, self.eta())))

    def brief(self) -> str:
        """Return the metrics of the watched split and its best epoch."""
        watched = metrics_text(self._latest.get(self.run.split, {}), self.run.monitor)
        return "  ".join(filter(None, (watched, self._best_text())))

    def eta(self) -> str:
        """Return the time left, or nothing before it is known."""
        pace, left = self.pace(), self.run.epochs - self.epoch
        return "" if pace is None or left <= 0 else f"ETA {duration(left * pace)}"

    def ending(self, result: Mapping[str, Any]) -> str:
        """Return the last line of a run: how it ended, how well, how long it took, and where."""
        status = str(result.get("status", "done"))
        where = "" if status == "done" else f" at epoch {self.epoch}/{self.run.epochs}"
        parts = [status + where]
        if result.get("best_epoch") is not None:
            parts.append(f"best epoch {result['best_epoch']}")
        if test := (result.get("metrics") or {}).get("test"):
            parts.append(f"test {metrics_text(test, self.run.monitor)}")
        parts.append(duration(result.get("seconds") or self._clock() - self.started))
        return "  ".join([*parts, str(self.run.folder)])

    def _best_text(self) -> str:
        return "" if self.best is None else f"best {self.best[0]:.4g} @ {self.best[1]}"

    def _compare(self, evaluation: Evaluation) -> None:
        value = evaluation.metrics.get(self.run.monitor)
        if evaluation.split != self.run.split or value is None or value != value:
            return
        self._recent.append(float(value))
        smoothed = sum(self._recent) / len(self._recent)
        sign = 1 if self.run.maximize else -1
        if self.best is None or sign * smoothed > sign * self.best[0] + self.run.min_gain:
            self.best = (smoothed, evaluation.epoch)
