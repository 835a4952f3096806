"""The progress bar, drawn by rich from its own thread a few times a second."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from snnjax.sinks.base import Evaluation
from snnjax.sinks.track import Track

REFRESH_PER_SECOND = 4


class TrackColumn(ProgressColumn):
    """A text that is made when the bar is drawn and not when an epoch ends.

    Where the terminal is narrow this is the column that is cut.
    """

    def __init__(self, make_text: Callable[[], str]) -> None:
        self._make_text = make_text
        super().__init__()

    def render(self, task: Task) -> Text:
        """Return the text as it is now."""
        return Text(self._make_text(), no_wrap=True, overflow="ellipsis")


class Bar:
    """Epochs done, latest metrics, best epoch and time left, on one line of a terminal.

    Args:
        track: What to show.
        console: Where to draw; by default stdout, taken to be a terminal.
    """

    def __init__(self, track: Track, console: Console | None = None) -> None:
        self._track = track
        self._console = Console(force_terminal=True) if console is None else console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=10, table_column=Column(no_wrap=True)),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TrackColumn(track.eta),
            TrackColumn(track.brief),
            console=self._console,
            refresh_per_second=REFRESH_PER_SECOND,
        )
        self._task = self._progress.add_task(
            track.run.name, total=track.run.epochs, completed=track.epoch
        )
        try:
            self._progress.start()
        except BaseException:  # Ctrl-C, just after the cursor was hidden
            self._progress.stop()
            raise

    def write(self, evaluation: Evaluation) -> None:
        """Take in an evaluation; the next drawing shows it."""
        self._track.update(evaluation)
        if evaluation.split == self._track.run.split:
            self._progress.update(self._task, completed=evaluation.epoch)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Leave the bar as it is, give the cursor back and print how the run ended."""
        self._progress.stop()
        ending = self._track.ending(result)
        self._console.print(ending, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Give the cursor back, whatever happened before."""
        self._progress.stop()
