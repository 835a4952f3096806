"""A Weights & Biases run in a thread of its own, so that training never waits for a server.

Opening a run takes half a second, a dead server twenty, a logged row a third of a millisecond.
All of it happens beside the training; only `close` waits, and only within the limits.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from snnjax.config.schema import WandbConfig
from snnjax.sinks.base import RunInfo, warn
from snnjax.sinks.wandb_run import LIMITS, Limits, close_run, load_wandb, open_run

# What starting the wandb process and writing to a slow disk may take beyond the limits.
GRACE = 30.0

T = TypeVar("T")


class Inbox(Generic[T]):
    """What the training hands over and the thread takes out."""

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._queue: queue.SimpleQueue[T] = queue.SimpleQueue()
        for item in items:
            self._queue.put(item)

    def put(self, item: T) -> None:
        """Hand an item over."""
        self._queue.put(item)

    def take(self, wait: float | None = None) -> T | None:
        """Return the next item, or None if none comes within `wait` seconds."""
        with contextlib.suppress(queue.Empty):
            return self._queue.get(timeout=wait)
        return None


# Logs what comes out of the inbox until the end does; returns the summary and the exit code.
Log = Callable[[Any, Inbox[T]], tuple[Mapping[str, Any], int]]


class WandbThread(Generic[T]):
    """Open a wandb run, let `log` fill it and close it.

    Args:
        config: Its mode is "offline" or "online".
        run: The run.
        log: Called in the thread with the open wandb run and the inbox.
        items: What lies in the inbox from the start.
        limits: How long a server may keep `close` waiting.
    """

    def __init__(
        self,
        config: WandbConfig,
        run: RunInfo,
        log: Log[T],
        items: Iterable[T] = (),
        limits: Limits = LIMITS,
    ) -> None:
        # Here and not in the thread: two threads that import NumPy at once, one through wandb and
        # one through JAX, find it half done.
        load_wandb()
        self._config = config
        self._run = run
        self._log = log
        self._limits = limits
        self._inbox = Inbox(items)
        self._thread = threading.Thread(target=self._work, name="wandb-sink", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Hand an item to the thread, unless that gave up."""
        if self._thread.is_alive():
            self._inbox.put(item)

    def close(self) -> None:
        """Wait for the thread, but not for ever; the item that ends it comes before."""
        self._thread.join(self._limits.init + self._limits.finish + GRACE)
        if self._thread.is_alive():
            warn("wandb does not answer and is left behind; metrics.jsonl is complete")

    def _work(self) -> None:
        try:
            opened = open_run(self._config, self._run, self._limits)
            summary, exit_code = self._log(opened, self._inbox)
            close_run(opened, summary, exit_code, self._limits)
        except Exception as error:
            warn(f"wandb stopped ({type(error).__name__}: {error}); metrics.jsonl is complete")
