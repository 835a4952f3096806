"""The display of a sweep on a terminal, drawn by rich from its own thread a few times a second."""

import contextlib
import io
import sys
from typing import IO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from snnjax.sinks.base import say
from snnjax.sinks.sweep_tally import SweepTally

_REFRESH_PER_SECOND = 4
_BAR_WIDTH = 24


class SweepBar:
    """Two lines of a terminal: how much is done and left; populations, epochs and pace.

    Args:
        tally: What to show.
        console: Where to draw; by default stdout, taken to be a terminal.
    """

    def __init__(self, tally: SweepTally, console: Console | None = None) -> None:
        self._tally = tally
        if console is None:
            stream = cast(IO[str], _Surviving(sys.stdout))
            console = Console(file=stream, force_terminal=True)
        self._console = console
        self._live = Live(
            get_renderable=self._draw,
            console=console,
            refresh_per_second=_REFRESH_PER_SECOND,
            transient=True,
            redirect_stderr=sys.stderr is not None and sys.stderr.isatty(),
        )
        try:
            self._live.start(refresh=True)
        except BaseException:  # Ctrl-C, just after the cursor was hidden
            self.close()
            raise

    def note(self, line: str) -> None:
        """Print a line above the display."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Take the display away, give the cursor back and print how the sweep ended."""
        self._live.stop()
        say(self._tally.ending())

    def _draw(self) -> RenderableType:
        tally = self._tally
        head = Table.grid(padding=(0, 2))
        head.add_column(no_wrap=True)
        head.add_column(no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(total=1.0, completed=tally.share(), width=_BAR_WIDTH)
        head.add_row(bar, Text("  ".join(filter(None, (tally.ended(), tally.left())))))
        return Group(head, Text(tally.details(), no_wrap=True, overflow="ellipsis"))


class _Surviving(io.TextIOBase):
    """A stream that swallows what can no longer be written: a terminal may go, a sweep goes on."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()
