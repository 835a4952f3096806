"""How far a sweep is: runs, populations, epochs, pace and time left, as numbers and as text."""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

from snnjax.sinks.track import duration

# Samples of the pace are this many seconds apart at least, and this share of the time so far.
_SPACING, _SHARE = 0.25, 0.005


class SweepTally:
    """Count what workers report; every method may be called from any thread.

    Args:
        runs: Runs of the sweep, those that ended before included.
        epochs: Planned epochs of the runs that are left to train.
        populations: Populations that are left to train.
        workers: Populations trained at once.
        ended_before: How the runs that ended before did: "done", "skipped", "diverged", "failed".
        clock: Seconds from anywhere.
    """

    def __init__(
        self,
        runs: int,
        epochs: int,
        populations: int,
        workers: int,
        ended_before: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.runs = runs
        self.planned = epochs
        self.epochs = 0
        self.started = clock()
        self._all = (populations, workers)
        self._populations = 0
        self._statuses = Counter(ended_before)
        self._before = self._statuses.total()
        self._clock = clock
        self._lock = threading.Lock()
        self._samples = deque([(self.started, 0)])
        self._sampled = -math.inf  # when the last sample was begun; the first one stays as it is

    def add_epochs(self, count: int) -> None:
        """Count epochs, summed over members."""
        with self._lock:
            self.epochs += count
            self._sample()

    def end_population(self, statuses: Iterable[str], unneeded: int) -> None:
        """Count the runs of a population, and planned epochs that they will not train."""
        with self._lock:
            self._populations += 1
            self._statuses.update(statuses)
            self.planned -= unneeded
            self._sample()

    def now(self) -> float:
        """Return the time on the clock."""
        return self._clock()

    def share(self) -> float:
        """Return the share of the planned work that is done, between 0 and 1."""
        if self.planned <= 0:
            return 1.0
        return min(1.0, self.epochs / self.planned)

    def counts(self) -> tuple[int, int]:
        """Return runs ended and epochs done."""
        with self._lock:
            return self._statuses.total(), self.epochs

    def opening(self) -> str:
        """Return the first line: what there is to do."""
        populations, workers = self._all
        before = f", {self._before} of them already ended" if self._before else ""
        several = "population" if populations == 1 else "populations"
        return f"{self.runs} runs{before}; {populations} {several}, {workers} at a time"

    def ended(self) -> str:
        """Return how many runs have ended, those that failed or diverged named."""
        with self._lock:
            total, counts = self._statuses.total(), dict(self._statuses)
        marred = ", ".join(f"{counts[s]} {s}" for s in ("failed", "diverged") if counts.get(s))
        return f"{total}/{self.runs} runs" + (f" ({marred})" if marred else "")

    def details(self) -> str:
        """Return populations, epochs and runs per second."""
        parts = [f"{self._populations}/{self._all[0]} populations"]
        parts.append(f"{self.epochs:,}/{self.planned:,} epochs")
        with self._lock:
            trained = self._statuses.total() - self._before
        elapsed = self.now() - self.started
        if trained and elapsed > 0:
            parts.append(f"{trained / elapsed:.3g} runs/s")
        return "  ".join(parts)

    def left(self) -> str:
        """Return the time left at the latest pace, nothing before that is known."""
        with self._lock:
            (since, before), (until, after) = self._samples[0], self._samples[-1]
            remaining = self.planned - self.epochs
        if remaining <= 0 or after <= before:
            return ""
        seconds = remaining * (until - since) / (after - before) - (self.now() - until)
        return f"ETA {duration(max(0.0, seconds))}"

    def line(self) -> str:
        """Return all there is to say while the sweep runs."""
        return "  ".join(filter(None, (self.ended(), self.details(), self.left())))

    def ending(self) -> str:
        """Return the last line: how far the sweep came, and in what time."""
        return f"{self.ended()}  {self.details()}  in {duration(self.now() - self.started)}"

    def _sample(self) -> None:
        """Note the epochs now; forget what was before the later half of the time so far.

        So the compilation at the start soon drops out of the pace, and so does what is past.
        What is reported at about the same time, as a chunk is, makes one sample.
        """
        now = self._clock()
        elapsed = now - self.started
        if now - self._sampled >= max(_SPACING, _SHARE * elapsed):
            self._samples.append((now, self.epochs))
            self._sampled = now
        else:
            self._samples[-1] = (now, self.epochs)
        while len(self._samples) > 2 and self._samples[1][0] <= now - elapsed / 2:
            self._samples.popleft()
