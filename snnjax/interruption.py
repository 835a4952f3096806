"""Signals that are heard: in every thread, and where Python would swallow them.

Python delivers Ctrl-C as an exception in whatever code the main thread runs next. If that is a
callback whose exceptions are ignored (JAX has one that runs at garbage collection), it is lost;
other threads never hear it at all. So it is also written down, and asked for at every epoch.
What schedulers send before they end a job (SIGTERM, SIGUSR1, SIGUSR2) is heard alike.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# A shell's numbers of programs that a signal ended: 128 and the signal.
_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
]
EXIT_CODES = frozenset(128 + number for number in _SIGNALS)
"""Exit codes of interrupted programs: 130 Ctrl-C, 143 SIGTERM, 138 SIGUSR1, 140 SIGUSR2."""

_asked = threading.Event()
_heard = threading.Event()
_last = {"signal": int(signal.SIGINT), "time": 0.0}


class _Thread(threading.local):
    """What holds for one thread: raise nothing in the middle of anything; hear nothing."""

    is_deferring = False
    is_deaf = False


_thread = _Thread()


def ask(number: int | None = None) -> None:
    """Ask all training in this process to stop, perhaps by a signal that another one was sent."""
    if not _asked.is_set():
        _last["time"] = time.monotonic()
        _last["signal"] = number or _last["signal"]
    _asked.set()


def withdraw() -> None:
    """Take the request back, once everything has stopped."""
    _asked.clear()


def is_asked() -> bool:
    """Tell whether stopping was asked for."""
    return _asked.is_set()


def is_heard() -> bool:
    """Tell whether signals are being written down."""
    return _heard.is_set()


def asked_by() -> int:
    """Return the signal by which stopping was asked for, 0 if it was not."""
    return int(_last["signal"]) if _asked.is_set() else 0


def check() -> None:
    """Stop here if stopping was asked for.

    Raises:
        KeyboardInterrupt: It was.
    """
    if _asked.is_set() and not _thread.is_deaf:
        raise KeyboardInterrupt


def seconds_left(grace: float) -> float | None:
    """Return how much is left of the time after stopping was asked for; None if it was not."""
    if not _asked.is_set():
        return None
    return max(0.0, _last["time"] + grace - time.monotonic())


def begin_grace() -> None:
    """Let the time after stopping was asked for begin now: what came before could not be helped."""
    _last["time"] = time.monotonic()


def exit_code() -> int:
    """Return the exit code of a program that the last signal ended."""
    return 128 + int(_last["signal"])


@contextmanager
def deferred() -> Iterator[None]:
    """Let a signal raise nothing while the block runs, but at its calls of `check`.

    A second Ctrl-C raises at once.
    """
    before, _thread.is_deferring = _thread.is_deferring, True
    try:
        yield
    finally:
        _thread.is_deferring = before


@contextmanager
def unheard() -> Iterator[None]:
    """Let this thread finish what it is at: `check` raises nothing while the block runs."""
    before, _thread.is_deaf = _thread.is_deaf, True
    try:
        yield
    finally:
        _thread.is_deaf = before


@contextmanager
def heard() -> Iterator[None]:
    """Write signals down while the block runs; only the main thread can ask for that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        is_first = not _asked.is_set()
        if is_first:
            _last["signal"] = number
        ask()
        # Schedulers repeat themselves; who presses Ctrl-C again does not want to wait.
        if (is_first and not _thread.is_deferring) or (not is_first and number == signal.SIGINT):
            raise KeyboardInterrupt

    def report(unraisable: "sys.UnraisableHookArgs") -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):  # that one is written down
            reporter(unraisable)

    handlers = {number: signal.signal(number, note) for number in _SIGNALS}
    reporter, sys.unraisablehook = sys.unraisablehook, report
    _last["signal"] = int(signal.SIGINT)
    withdraw()
    was_heard = _heard.is_set()
    _heard.set()
    try:
        yield
    finally:
        if not was_heard:
            _heard.clear()
        sys.unraisablehook = reporter
        for number, handler in handlers.items():
            signal.signal(number, handler)
        withdraw()
