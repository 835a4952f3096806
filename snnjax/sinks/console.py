"""The console: a progress bar on a terminal, plain lines everywhere else."""

import os
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO

from snnjax.sinks.base import Evaluation, Sink
from snnjax.sinks.track import Track

# A plain line comes at most once in this many seconds, and in this share of the time so far:
# about a hundred lines for the first two minutes, a few hundred for a night.
INTERVAL = 1.0
SHARE = 0.01


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether `stream` is a terminal on which a line can be drawn again."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def make_console(
    progress: Literal["auto", "bar", "plain", "none"], every: int, track: Track
) -> Sink | None:
    """Choose the console sink that `logging.progress` asks for.

    Args:
        progress: "auto" draws a bar on a terminal and prints lines elsewhere; "bar" draws even
            where stdout is no terminal (a job step without one of its own, say); "none" is silent.
        every: Lines come at epochs that are multiples of it. Left at 1, they are also spaced
            in time; any other value was chosen by someone and is followed.
        track: What to show.
    """
    if progress == "none":
        return None
    if progress == "bar" or (progress == "auto" and is_terminal(sys.stdout)):
        from snnjax.sinks.bar import Bar  # rich takes a while to import

        return Bar(track)
    return PlainLines(track, every)


def line_spacing(elapsed: float) -> float:
    """Return the seconds between two plain lines after `elapsed` seconds."""
    return max(INTERVAL, SHARE * elapsed)


class PlainLines:
    """Lines for logs and pipes: the first epoch, the last one, and some in between."""

    def __init__(self, track: Track, every: int = 1, stream: TextIO | None = None) -> None:
        self._track = track
        self._every = every
        self._stream = sys.stdout if stream is None else stream
        self._printed_at: float | None = None
        self._pending = False

    def write(self, evaluation: Evaluation) -> None:
        """Take in an evaluation and print the epoch's line if one is due."""
        self._track.update(evaluation)
        if evaluation.split == self._track.run.split:
            self._pending = True
            if self._is_due(evaluation.epoch):
                self._print_epoch()

    def finish(self, result: Mapping[str, Any]) -> None:
        """Print the last epoch, if it was not, and how the run ended."""
        if self._pending:
            self._print_epoch()
        print(self._track.ending(result), file=self._stream, flush=True)

    def close(self) -> None:
        """Do nothing: the stream belongs to others."""

    def _is_due(self, epoch: int) -> bool:
        if self._printed_at is None or epoch == self._track.run.epochs:
            return True
        if epoch % self._every:
            return False
        now = self._track.now()
        spacing = line_spacing(now - self._track.started)
        return self._every > 1 or now - self._printed_at >= spacing

    def _print_epoch(self) -> None:
        print(self._track.line(), file=self._stream, flush=True)
        self._printed_at = self._track.now()
        self._pending = False
