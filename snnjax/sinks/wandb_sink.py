"""Weights & Biases from a thread of its own, so that training never waits for a server.

Opening a run takes half a second, a dead server twenty, a logged row a third of a millisecond.
All of it happens beside the training; only `close` waits, and only within the limits.
"""

import contextlib
import queue
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from snnjax.config.schema import WandbConfig
from snnjax.sinks.base import Evaluation, RunInfo, warn
from snnjax.sinks.wandb_run import LIMITS, Limits, close_run, load_wandb, open_run

# Evaluations of one epoch make one row; a row is sent after this many seconds without another.
ROW_WAIT = 1.0
# What starting the wandb process and writing to a slow disk may take beyond the limits.
GRACE = 30.0


def summary_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten `result.json` to what a table of runs shows: scalars, and "split/metric"."""
    scalars = {k: v for k, v in result.items() if isinstance(v, str | int | float)}
    metrics = result.get("metrics") or {}
    return scalars | {
        f"{s}/{name}": v for s, values in metrics.items() for name, v in values.items()
    }


class WandbSink:
    """Mirror a run to Weights & Biases.

    Args:
        config: Its mode is "offline" or "online".
        run: The run.
        earlier: Evaluations before the checkpoint from which the run goes on; wandb gets them
            again, because every process opens a wandb run of its own.
        limits: How long a server may keep `close` waiting.
    """

    def __init__(
        self,
        config: WandbConfig,
        run: RunInfo,
        earlier: Iterable[Evaluation] = (),
        limits: Limits = LIMITS,
    ) -> None:
        # Here and not in the thread: two threads that import NumPy at once, one through wandb and
        # one through JAX, find it half done.
        load_wandb()
        self._config = config
        self._run = run
        self._limits = limits
        self._inbox: queue.SimpleQueue[Evaluation | Mapping[str, Any]] = queue.SimpleQueue()
        self._is_finished = False
        for evaluation in earlier:
            self._inbox.put(evaluation)
        self._thread = threading.Thread(target=self._work, name="wandb-sink", daemon=True)
        self._thread.start()

    def write(self, evaluation: Evaluation) -> None:
        """Hand an evaluation to the thread."""
        if self._thread.is_alive():
            self._inbox.put(evaluation)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Hand the result to the thread, which begins to close the wandb run."""
        self._is_finished = True
        self._inbox.put(result)

    def close(self) -> None:
        """Wait for the thread, but not for ever."""
        if not self._is_finished:
            self.finish({"status": "failed"})
        self._thread.join(self._limits.init + self._limits.finish + GRACE)
        if self._thread.is_alive():
            warn("wandb does not answer and is left behind; metrics.jsonl is complete")

    def _work(self) -> None:
        try:
            opened = open_run(self._config, self._run, self._limits)
            result = self._log_rows(opened)
            exit_code = 0 if result.get("status") in ("done", "diverged") else 1
            close_run(opened, summary_of(result), exit_code, self._limits)
        except Exception as error:
            warn(f"wandb stopped ({type(error).__name__}: {error}); metrics.jsonl is complete")

    def _log_rows(self, opened: Any) -> Mapping[str, Any]:
        """Log a row per epoch until the result comes, and return that."""
        row: dict[str, float] = {}
        while True:
            item = self._next(wait=ROW_WAIT if row else None)
            if row and not (isinstance(item, Evaluation) and item.epoch == row["epoch"]):
                opened.log(row)
                row = {}
            if isinstance(item, Evaluation):
                row |= {"epoch": item.epoch, "step": item.step}
                row |= {f"{item.split}/{k}": float(v) for k, v in item.metrics.items()}
            elif item is not None:
                return item

    def _next(self, wait: float | None) -> Evaluation | Mapping[str, Any] | None:
        with contextlib.suppress(queue.Empty):
            return self._inbox.get(timeout=wait)
        return None
