"""Ctrl-C that is heard: in every thread, and where Python would swallow it.

Python delivers Ctrl-C as an exception in whatever code the main thread runs next. If that is a
callback whose exceptions are ignored (JAX has one that runs at garbage collection), it is lost;
other threads never hear it at all. So it is also written down, and asked for at every epoch.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked = threading.Event()


def ask() -> None:
    """Ask all training in this process to stop."""
    _asked.set()


def withdraw() -> None:
    """Take the request back, once everything has stopped."""
    _asked.clear()


def check() -> None:
    """Stop here if stopping was asked for.

    Raises:
        KeyboardInterrupt: It was.
    """
    if _asked.is_set():
        raise KeyboardInterrupt


@contextmanager
def heard() -> Iterator[None]:
    """Write Ctrl-C down while the block runs; only the main thread can ask for that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        ask()
        raise KeyboardInterrupt

    def report(unraisable: "sys.UnraisableHookArgs") -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):  # that one is written down
            reporter(unraisable)

    handler, reporter = signal.signal(signal.SIGINT, note), sys.unraisablehook
    sys.unraisablehook = report
    withdraw()
    try:
        yield
    finally:
        sys.unraisablehook = reporter
        signal.signal(signal.SIGINT, handler)
        withdraw()
