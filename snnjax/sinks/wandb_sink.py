"""One run mirrored to a Weights & Biases run of its own."""

from collections.abc import Iterable, Mapping
from typing import Any

from snnjax.config.schema import WandbConfig
from snnjax.sinks.base import Evaluation, RunInfo
from snnjax.sinks.wandb_run import LIMITS, Limits
from snnjax.sinks.wandb_thread import Inbox, WandbThread

# Evaluations of one epoch make one row; a row is sent after this many seconds without another.
ROW_WAIT = 1.0

_Item = Evaluation | Mapping[str, Any]


def metrics_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten the metrics of `result.json` to "split/metric"."""
    metrics = result.get("metrics") or {}
    return {f"{s}/{name}": v for s, values in metrics.items() for name, v in values.items()}


def summary_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten `result.json` to what a table of runs shows: scalars, and "split/metric"."""
    scalars = {k: v for k, v in result.items() if isinstance(v, str | int | float)}
    return scalars | metrics_of(result)


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
        self._is_finished = False
        self._thread: WandbThread[_Item] = WandbThread(config, run, _log_run, earlier, limits)

    def write(self, evaluation: Evaluation) -> None:
        """Hand an evaluation to the thread."""
        self._thread.put(evaluation)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Hand the result to the thread, which begins to close the wandb run."""
        self._is_finished = True
        self._thread.put(result)

    def close(self) -> None:
        """Wait for the thread, but not for ever."""
        if not self._is_finished:
            self.finish({"status": "failed"})
        self._thread.close()


def _log_run(opened: Any, inbox: Inbox[_Item]) -> tuple[dict[str, Any], int]:
    """Log a row per epoch until the result comes."""
    row: dict[str, Any] = {}
    while True:
        item = inbox.take(wait=ROW_WAIT if row else None)
        if row and not (isinstance(item, Evaluation) and item.step == row["step"]):
            opened.log(row)
            row = {}
        if isinstance(item, Evaluation):
            row |= {"epoch": item.epoch, "step": item.step}
            row |= {f"{item.split}/{k}": float(v) for k, v in item.metrics.items()}
            row |= {f"{item.split}/{k}": _histogram(*v) for k, v in item.histograms.items()}
        elif item is not None:
            return summary_of(item), 0 if item.get("status") in ("done", "diverged") else 1


def _histogram(counts: Any, edges: Any) -> Any:
    import wandb

    return wandb.Histogram(np_histogram=(counts, edges))
