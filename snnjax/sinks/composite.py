"""All sinks of a run behind one: open them, write to them, and be sure that they are finished."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from snnjax.config.schema import LoggingConfig
from snnjax.sinks.base import Evaluation, RunInfo, Sink, warn
from snnjax.sinks.console import make_console
from snnjax.sinks.jsonl import MetricsFile
from snnjax.sinks.track import Track
from snnjax.sinks.wandb_sink import WandbSink


class Sinks:
    """The record of a run (`metrics.jsonl`) and its mirrors (console, wandb).

    A mirror that fails is dropped with one line on stderr and the run goes on. The record has
    no substitute: if it cannot be written, the OSError goes through.
    """

    def __init__(self, record: Sink) -> None:
        self._record = record
        self._mirrors: list[Sink] = []
        self._is_finished = False

    def add(self, make: Callable[[], Sink | None]) -> None:
        """Start a mirror; `make` may decide that there is none."""
        with _report("a sink did not start"):
            if (mirror := make()) is not None:
                self._mirrors.append(mirror)

    def write(self, evaluation: Evaluation) -> None:
        """Write one evaluation everywhere, the record first.

        Raises:
            OSError: The record cannot be written.
        """
        self._record.write(evaluation)
        self._tell_mirrors("write", evaluation)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Tell every sink the content of `result.json`; once, later calls do nothing."""
        if self._is_finished:
            return
        self._is_finished = True
        self._record.finish(result)
        self._tell_mirrors("finish", result)

    def close(self) -> None:
        """Close every sink, the record first and wandb, which may take a while, last."""
        with contextlib.ExitStack() as stack:
            for mirror in reversed(self._mirrors):
                stack.callback(_close, mirror)
            stack.callback(self._record.close)

    def _tell_mirrors(self, method: Literal["write", "finish"], what: Any) -> None:
        for mirror in tuple(self._mirrors):
            try:
                getattr(mirror, method)(what)
            except Exception as error:
                self._mirrors.remove(mirror)
                warn(f"{_name(mirror)} failed and is off for this run: {_describe(error)}")
                with contextlib.suppress(Exception):
                    mirror.close()


@contextlib.contextmanager
def open_sinks(logging: LoggingConfig, run: RunInfo, share: Sink | None = None) -> Iterator[Sinks]:
    """Open the sinks that a configuration asks for, and finish them however the block is left.

    Call `finish` with the result inside the block. A block that is left without it finishes as
    "interrupted" (Ctrl-C, exit) or "failed" (any other error). Leaving the block waits for
    wandb, so write `result.json` before that.

    Several runs may have their sinks open at once; give all but one `progress="none"`.

    Args:
        logging: What is asked for.
        run: The run.
        share: What stands for a wandb run of its own: its share in that of its population.

    Raises:
        OSError: `metrics.jsonl` cannot be written.
    """
    record = MetricsFile(run)
    sinks = Sinks(record)
    try:
        track = Track(run, record.earlier)
        sinks.add(lambda: make_console(logging.progress, logging.every, track))
        if logging.wandb.mode != "disabled":
            sinks.add(lambda: _wandb_sink(logging, run, share, record.earlier))
        yield sinks
        sinks.finish({"status": "failed", "error": "the run ended without a result"})
    except BaseException as error:
        is_stop = not isinstance(error, Exception)
        status = "interrupted" if is_stop else "failed"
        sinks.finish({"status": status, "error": _describe(error)})
        raise
    finally:
        sinks.close()


def _wandb_sink(
    logging: LoggingConfig, run: RunInfo, share: Sink | None, earlier: Sequence[Evaluation]
) -> Sink:
    """Return a sink that knows what was evaluated before the run went on."""
    if share is None:
        return WandbSink(logging.wandb, run, earlier)
    for evaluation in earlier:
        share.write(evaluation)
    return share


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _name(sink: Sink) -> str:
    return type(sink).__name__


def _close(mirror: Sink) -> None:
    with _report(f"{_name(mirror)} did not close"):
        mirror.close()


@contextlib.contextmanager
def _report(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        warn(f"{what}: {_describe(error)}")
