import errno
import io
import sys

import pytest

from snnjax.config.schema import LoggingConfig, WandbConfig
from snnjax.sinks import composite, open_sinks, read_evaluations
from snnjax.sinks.composite import Sinks

QUIET = LoggingConfig(progress="none", wandb=WandbConfig(mode="disabled"))
PLAIN = LoggingConfig(progress="plain", wandb=WandbConfig(mode="disabled"))


class Recorder:
    """A sink that notes every call and fails when told to."""

    def __init__(self, fails_at=None, error=None):
        self.calls = []
        self.results = []
        self._fails_at = fails_at
        self._error = error or RuntimeError("out of order")

    def _note(self, call):
        self.calls.append(call)
        if call == self._fails_at:
            raise self._error

    def write(self, evaluation):
        self._note("write")

    def finish(self, result):
        self.results.append(result)
        self._note("finish")

    def close(self):
        self._note("close")


@pytest.fixture
def mirror(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(composite, "make_console", lambda *_: recorder)
    return recorder


def test_a_run_from_start_to_end(run, epoch_of, capsys):
    with open_sinks(PLAIN, run) as sinks:
        for evaluation in epoch_of(1, 0.5):
            sinks.write(evaluation)
        sinks.finish({"status": "done", "best_epoch": 1, "seconds": 1})
    assert read_evaluations(run.folder / "metrics.jsonl") == epoch_of(1, 0.5)
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == f"done  best epoch 1  0:01  {run.folder}"
    assert err == ""


def test_finish_comes_once_and_close_after_it(run, mirror):
    with open_sinks(QUIET, run) as sinks:
        sinks.finish({"status": "done"})
        sinks.finish({"status": "failed"})
        assert mirror.calls == ["finish"]
    assert mirror.calls == ["finish", "close"]
    assert mirror.results == [{"status": "done"}]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(1), "interrupted"),
        (ValueError("no"), "failed"),
    ],
)
def test_an_error_finishes_every_sink_and_goes_through(run, mirror, epoch_of, error, status):
    def work():
        with open_sinks(QUIET, run) as sinks:
            sinks.write(epoch_of(1, 0.5)[0])
            raise error

    with pytest.raises(type(error)):
        work()
    assert mirror.calls == ["write", "finish", "close"]
    assert mirror.results[0]["status"] == status
    assert type(error).__name__ in mirror.results[0]["error"]
    assert len(read_evaluations(run.folder / "metrics.jsonl")) == 1


def test_a_block_left_without_a_result_failed(run, mirror):
    with open_sinks(QUIET, run):
        pass
    assert mirror.results[0]["status"] == "failed"


@pytest.mark.parametrize("call", ["write", "finish"])
def test_a_failing_mirror_is_dropped_with_one_warning(epoch_of, capsys, call):
    record, broken, healthy = Recorder(), Recorder(call), Recorder()
    sinks = Sinks(record)
    for mirror in (broken, healthy):
        sinks.add(lambda mirror=mirror: mirror)
    for evaluation in epoch_of(1, 0.5):
        sinks.write(evaluation)
    sinks.finish({"status": "done"})
    sinks.close()
    assert record.calls == healthy.calls == ["write", "write", "finish", "close"]
    assert broken.calls[-2:] == [call, "close"]
    assert capsys.readouterr().err.splitlines() == [
        "snnjax: Recorder failed and is off for this run: RuntimeError: out of order"
    ]


def test_a_mirror_that_does_not_start_or_close_is_only_reported(capsys):
    sinks = Sinks(record := Recorder())
    sinks.add(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    sinks.add(lambda: Recorder("close"))
    sinks.close()
    assert record.calls == ["close"]
    assert "did not start: ZeroDivisionError" in (err := capsys.readouterr().err)
    assert "Recorder did not close: RuntimeError" in err


def test_a_console_whose_pipe_is_closed_does_not_end_the_run(run, epoch_of, monkeypatch, capsys):
    class ClosedPipe(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", ClosedPipe())
    with open_sinks(PLAIN, run) as sinks:
        for evaluation in epoch_of(1, 0.5):
            sinks.write(evaluation)
        sinks.finish({"status": "done"})
    assert len(read_evaluations(run.folder / "metrics.jsonl")) == 2
    assert "PlainLines failed" in capsys.readouterr().err


def test_a_full_disk_ends_the_run_and_the_mirrors_hear_of_it(run, mirror, epoch_of, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device", "metrics.jsonl")
    record = Recorder("write", full)
    record.earlier = []
    monkeypatch.setattr(composite, "MetricsFile", lambda _: record)
    with (
        pytest.raises(OSError, match=r"No space left.*metrics\.jsonl"),
        open_sinks(QUIET, run) as s,
    ):
        s.write(epoch_of(1, 0.5)[0])
    assert record.calls == ["write", "finish", "close"]
    assert mirror.calls == ["finish", "close"]
    assert mirror.results[0]["status"] == "failed"


def test_a_share_is_told_what_was_before_a_checkpoint(make_run, epoch_of):
    with open_sinks(QUIET, make_run()) as sinks:
        for epoch in (1, 2, 3):
            for evaluation in epoch_of(epoch, 0.5):
                sinks.write(evaluation)
    share = Recorder()
    logging = LoggingConfig(progress="none", wandb=WandbConfig(per="population"))
    with open_sinks(logging, make_run(start_epoch=2), share) as sinks:
        sinks.write(epoch_of(3, 0.5)[0])
        sinks.finish({"status": "done"})
    assert share.calls == ["write"] * 5 + ["finish", "close"]


def test_a_run_folder_that_cannot_be_made_is_an_error(run):
    run.folder.write_text("a file")
    with pytest.raises(OSError, match="run"), open_sinks(QUIET, run):
        pass


def test_what_is_not_asked_for_is_not_imported(tmp_path, run_code):
    program = f"""
from pathlib import Path
from snnjax.config.schema import LoggingConfig, WandbConfig
from snnjax.sinks import Evaluation, RunInfo, open_sinks
run = RunInfo("n", Path({str(tmp_path)!r}), 1, "loss", False, "train")
with open_sinks(LoggingConfig(wandb=WandbConfig(mode="disabled")), run) as sinks:
    sinks.write(Evaluation(1, 1, "train", {{"loss": 1.0}}))
    sinks.finish({{"status": "done"}})
"""
    done, imported = run_code(program)
    assert done.returncode == 0
    assert not imported & {"wandb", "rich", "jax"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics.jsonl"]
