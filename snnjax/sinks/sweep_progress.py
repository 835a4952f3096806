"""The progress of a sweep: one display on a terminal, plain lines everywhere else."""

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

from snnjax.sinks.base import say
from snnjax.sinks.console import is_terminal, line_spacing
from snnjax.sinks.sweep_tally import SweepTally

# Seconds between two looks of the plain lines at the tally.
_TICK = 0.5


class Display(Protocol):
    """Where the tally of a sweep is shown, by a thread of the display's own."""

    def note(self, line: str) -> None:
        """Show a line that stays, above what changes."""

    def close(self) -> None:
        """Show how it ended and leave the terminal in order."""


class SweepProgress:
    """What a sweep tells while it trains; every method may be called from any thread."""

    def __init__(self, tally: SweepTally, display: Display | None) -> None:
        self._tally = tally
        self._display = display

    def population(self, epochs: int) -> "PopulationProgress":
        """Begin a population whose members are to train so many epochs, summed over them."""
        return PopulationProgress(self._tally, epochs)

    def note(self, line: str) -> None:
        """Show a line above the display; nothing where no progress is asked for."""
        if self._display is not None:
            self._display.note(line)


class PopulationProgress:
    """The part of one population in the progress of its sweep."""

    def __init__(self, tally: SweepTally, planned: int) -> None:
        self._tally = tally
        self._left = planned
        self._lock = threading.Lock()

    def epochs(self, count: int = 1) -> None:
        """Count epochs that members have ended."""
        with self._lock:
            self._left -= count
        self._tally.add_epochs(count)

    def ended(self, statuses: Iterable[str]) -> None:
        """Count the runs by how they ended: "done", "skipped", "diverged" or "failed"."""
        self._tally.end_population(statuses, unneeded=self._left)


class SweepLines:
    """Lines for logs and pipes: the first, the last, and some in between."""

    def __init__(self, tally: SweepTally) -> None:
        self._tally = tally
        self._printed_at = tally.now()
        self._printed = tally.counts()
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sweep-lines", daemon=True)
        self._thread.start()

    def tick(self) -> None:
        """Print a line if one is due and has something new to say."""
        now = self._tally.now()
        counts = self._tally.counts()
        is_due = now - self._printed_at >= line_spacing(now - self._tally.started)
        if is_due and counts != self._printed:
            self._printed_at, self._printed = now, counts
            self.note(self._tally.line())

    def note(self, line: str) -> None:
        """Print a line."""
        with self._lock:
            say(line)

    def close(self) -> None:
        """Print the last line."""
        self._is_closed.set()
        self._thread.join()
        self.note(self._tally.ending())

    def _work(self) -> None:
        while not self._is_closed.wait(_TICK):
            self.tick()


@contextmanager
def open_sweep_progress(
    progress: Literal["auto", "bar", "plain", "none"],
    *,
    runs: int,
    epochs: int,
    populations: int,
    workers: int,
    ended_before: Iterable[str] = (),
) -> Iterator[SweepProgress]:
    """Show the progress of a sweep while the block runs, and how it ended however it is left.

    Args:
        progress: "auto" draws on a terminal and prints lines elsewhere; "bar" draws everywhere;
            "none" is silent.
        runs: Runs of the sweep, those that ended before included.
        epochs: Planned epochs of the runs that are left to train.
        populations: Populations that are left to train.
        workers: Populations trained at once.
        ended_before: How the runs that ended before did: "done", "skipped", "diverged", "failed".
    """
    tally = SweepTally(runs, epochs, populations, workers, ended_before)
    if progress == "none":
        yield SweepProgress(tally, None)
        return
    say(tally.opening())
    display = _make_display(progress, tally)
    try:
        yield SweepProgress(tally, display)
    finally:
        display.close()


def _make_display(progress: str, tally: SweepTally) -> Display:
    if progress == "bar" or (progress == "auto" and is_terminal(sys.stdout)):
        from snnjax.sinks.sweep_bar import SweepBar  # rich takes a while to import

        return SweepBar(tally)
    return SweepLines(tally)
