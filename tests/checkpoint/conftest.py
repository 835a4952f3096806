"""Runs that are stopped at an epoch of choice and go on, in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snnjax import interruption
from snnjax.checkpoint import keeper
from snnjax.sinks.jsonl import MetricsFile


@pytest.fixture(autouse=True)
def save_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing but `checkpoint.every` decide how often is saved."""
    monkeypatch.setattr(keeper, "_PARTS", 0.0)


@pytest.fixture
def stopped_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Return a function that trains until an epoch is reported and then is asked to stop."""
    write = MetricsFile.write

    def train(function: Callable[[], object], epoch: int) -> None:
        def stop(self: MetricsFile, evaluation: object) -> None:
            write(self, evaluation)
            if evaluation.epoch == epoch:
                interruption.ask()

        with monkeypatch.context() as patch:
            patch.setattr(MetricsFile, "write", stop)
            try:
                with pytest.raises(KeyboardInterrupt):
                    function()
            finally:
                interruption.withdraw()

    yield train
    interruption.withdraw()


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a run or a sweep, the oldest first."""
    found = [path for path in folder.glob("checkpoints/*") if path.is_dir()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)
