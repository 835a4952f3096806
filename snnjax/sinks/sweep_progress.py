"""The progress of a sweep: one display on a terminal, plain lines everywhere else."""

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

from snnjax.sinks.base import say
from snnjax.sinks.console import is_terminal, line_spacing
from snnjax.sinks.sweep_tally import SweepTally


class Display(Protocol):
    """Where the tally of a sweep is shown."""

    def refresh(self) -> None:
        """Hear that the tally has changed; called often, from any thread."""

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
        return PopulationProgress(self._tally, self._display, epochs)

    def note(self, line: str) -> None:
        """Show a line above the display; nothing where no progress is asked for."""
        if self._display is not None:
            self._display.note(line)


class PopulationProgress:
    """The part of one population in the progress of its sweep."""

    def __init__(self, tally: SweepTally, display: Display | None, planned: int) -> None:
        self._tally = tally
        self._display = display
        self._left = planned
        self._lock = threading.Lock()

    def epochs(self, count: int = 1) -> None:
        """Count epochs that members have ended."""
        with self._lock:
            self._left -= count
        self._tally.add_epochs(count)
        self._refresh()

    def ended(self, statuses: Iterable[str]) -> None:
        """Count the runs by how they ended: "done", "skipped", "diverged" or "failed"."""
        self._tally.end_population(statuses, unneeded=self._left)
        self._refresh()

    def _refresh(self) -> None:
        if self._display is not None:
            self._display.refresh()


class SweepLines:
    """Lines for logs and pipes: the first, the last, and some in between."""

    def __init__(self, tally: SweepTally) -> None:
        self._tally = tally
        self._printed_at = tally.now()
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Print a line if one is due."""
        if not self._is_due():
            return
        with self._lock:
            if self._is_due():  # still: another thread may have printed it meanwhile
                self._printed_at = self._tally.now()
                say(self._tally.line())

    def note(self, line: str) -> None:
        """Print a line."""
        with self._lock:
            say(line)

    def close(self) -> None:
        """Print the last line."""
        self.note(self._tally.ending())

    def _is_due(self) -> bool:
        now = self._tally.now()
        return now - self._printed_at >= line_spacing(now - self._tally.started)


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
