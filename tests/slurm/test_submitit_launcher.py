"""Hydra's own launcher for Slurm: each run in a task of its own, which saves when it is told to."""

import contextlib
import os
import signal

import pytest

from snnjax import app, interruption
from tests.slurm import conftest
from tests.slurm.cluster import WARNS, Cluster, check_equal, ended, start

LAUNCHER = (
    "hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=10",
    "hydra.launcher.max_num_timeout=20", "hydra.launcher.cpus_per_task=1",
)  # fmt: skip


def test_what_a_signal_does_elsewhere_is_done_after_saving(monkeypatch):
    """A launcher's own handler must not cut the saving short, nor go without its signal."""
    order = []

    def saves(cfg: object) -> float:
        assert interruption.is_heard()
        try:
            signal.raise_signal(signal.SIGUSR2)
        finally:
            order.append("saved")
        return 0.0

    def requeues(number: int, frame: object) -> None:
        order.append("requeued")
        raise SystemExit

    monkeypatch.setattr(app, "_run_job", saves)
    before = signal.signal(signal.SIGUSR2, requeues)
    try:
        with pytest.raises(SystemExit):
            app.run_job(None)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert order == ["saved", "requeued"]
    assert not interruption.is_heard()
    assert not interruption.is_asked()


def test_who_hears_signals_already_is_left_alone(monkeypatch):
    def interrupted(cfg: object) -> float:
        signal.raise_signal(signal.SIGTERM)
        return 0.0

    monkeypatch.setattr(app, "_run_job", interrupted)
    monkeypatch.setattr(app, "_pass_on", lambda code: pytest.fail("it was heard by two"))
    with interruption.heard(), pytest.raises(KeyboardInterrupt):
        app.run_job(None)


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["", WARNS], indirect=True, ids=["warned", "SIGTERM"])
def test_preempted_runs_go_on(cluster: Cluster, local, monkeypatch):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    monkeypatch.setenv("PATH", str(conftest.SCRIPTS / "bin"), prepend=":")  # sacct
    process = start(cluster.work, *LAUNCHER)
    try:
        cluster.until_training(0, 1)
        cluster.preempt()
        ended(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert cluster.resumed_epoch(0) or cluster.resumed_epoch(1)
    check_equal(cluster.sweep, local)
