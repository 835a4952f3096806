"""The wandb sink against wandb itself: read back with its own reader, or by a small server."""

import json
import os
import pty
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from snnjax.config.schema import WandbConfig
from snnjax.sinks.base import Evaluation
from snnjax.sinks.wandb_run import OUTAGE, Limits
from snnjax.sinks.wandb_sink import WandbSink, summary_of

from .wandb_files import inspect, rows_on_disk

pytestmark = pytest.mark.usefixtures("wandb")

KEY = "0" * 40
LIMITS = Limits(init=2, finish=2)
OFFLINE, ONLINE = WandbConfig(mode="offline"), WandbConfig(mode="online", group="g")
RESULT = {
    "status": "done",
    "best_epoch": 2,
    "device": {"kind": "cpu"},
    "metrics": {"test": {"accuracy": 0.75}},
}


def unused_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def log(sink, *evaluations, result=RESULT):
    """Write evaluations and the result; return how long the sink kept the run waiting."""
    started = time.perf_counter()
    for evaluation in evaluations:
        sink.write(evaluation)
    sink.finish(result)
    sink.close()
    return time.perf_counter() - started


def run_folders(run, kind="offline-run"):
    return sorted((run.folder / "wandb").glob(f"{kind}-*"))


def row_of(epoch, accuracy):
    values = {"loss": 1 / epoch, "accuracy": accuracy}
    columns = {f"{s}/{k}": v for s in ("train", "validation") for k, v in values.items()}
    return {"epoch": epoch, "step": 10 * epoch, **columns}


def test_an_offline_run_reads_back_with_wandb_itself(run, epoch_of, capfd):
    log(WandbSink(OFFLINE, run), *epoch_of(1, 0.25), *epoch_of(2, 0.5))
    [folder] = run_folders(run)
    assert rows_on_disk(folder) == [row_of(1, 0.25), row_of(2, 0.5)]
    overview = json.loads(inspect(folder, "--summary"))
    assert overview["state"] == "finished"
    assert (overview["name"], overview["project"]) == (run.name, "snnjax")
    assert overview["config"] == {**run.config, "fingerprint": run.fingerprint}
    summary = overview["summary"]
    assert (summary["status"], summary["best_epoch"]) == ("done", 2)
    assert summary["test/accuracy"] == 0.75
    assert capfd.readouterr() == ("", "")
    assert [p.name for p in run.folder.iterdir()] == ["wandb"]


def test_the_epoch_is_the_axis_of_every_metric(run, epoch_of):
    log(WandbSink(OFFLINE, run), *epoch_of(1, 0.25))
    records = [json.loads(line) for line in inspect(run_folders(run)[0]).splitlines()]
    metrics = [r["metric"] for r in records if r["type"] == "metric"]
    axes = {m["glob_name"]: m["step_metric"] for m in metrics if "glob_name" in m}
    assert axes == {"*": "epoch"}


def test_a_run_that_failed_is_marked_and_nan_is_kept(run):
    nan = Evaluation(1, 1, "train", {"loss": float("nan")})
    log(WandbSink(OFFLINE, run), nan, result={"status": "failed", "error": "ValueError: no"})
    [folder] = run_folders(run)
    overview = json.loads(inspect(folder, "--summary"))
    assert (overview["state"], overview["exit_code"]) == ("failed", 1)
    assert overview["summary"]["error"] == "ValueError: no"
    assert str(rows_on_disk(folder)[0]["train/loss"]).lower() == "nan"


def test_the_epochs_before_a_checkpoint_are_logged_again(run, epoch_of):
    sink = WandbSink(OFFLINE, run, earlier=epoch_of(1, 0.25))
    log(sink, *epoch_of(2, 0.5))
    assert rows_on_disk(run_folders(run)[0]) == [row_of(1, 0.25), row_of(2, 0.5)]


@pytest.mark.slow
def test_an_offline_run_contacts_nobody_and_ends_at_once(run):
    program = f"""
from pathlib import Path
from snnjax.config.schema import WandbConfig
from snnjax.sinks.base import RunInfo
from snnjax.sinks.wandb_sink import WandbSink
sink = WandbSink(WandbConfig(), RunInfo("n", Path({str(run.folder)!r}), 1, "loss", False, "train"))
sink.finish({{"status": "done"}})
sink.close()
"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0.1)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = {**os.environ, "WANDB_BASE_URL": url, "WANDB_API_KEY": KEY}
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], env=environment, timeout=30, check=True)
        assert time.perf_counter() - started < 8
        with pytest.raises(TimeoutError):
            silent.accept()
    assert len(run_folders(run)) == 1


@pytest.mark.parametrize("mode", ["disabled", "online"])
def test_the_configuration_and_not_the_environment_chooses_offline(
    run, epoch_of, monkeypatch, mode
):
    monkeypatch.setenv("WANDB_MODE", mode)
    log(WandbSink(OFFLINE, run), *epoch_of(1, 0.25))
    assert len(run_folders(run)) == 1


def test_many_runs_at_once(make_run, run, epoch_of):
    runs = [make_run(folder=run.folder / str(i)) for i in range(20)]
    sinks = [WandbSink(OFFLINE, member) for member in runs]
    for i, sink in enumerate(sinks):
        for evaluation in epoch_of(i + 1, 0.5):
            sink.write(evaluation)
        sink.finish(RESULT)
    for sink in sinks:
        sink.close()
    assert [len(run_folders(member)) for member in runs] == [1] * 20
    assert rows_on_disk(run_folders(runs[7])[0]) == [row_of(8, 0.5)]


def test_a_server_gets_every_row(run, epoch_of, server, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_MODE", "offline")  # the configuration decides
    log(WandbSink(ONLINE, run, limits=Limits()), *epoch_of(1, 0.25), *epoch_of(2, 0.5))
    sent = [{k: v for k, v in row.items() if not k.startswith("_")} for row in server.history]
    assert sent == [row_of(1, 0.25), row_of(2, 0.5)]
    assert json.loads(server.uploads["wandb-summary.json"])["test/accuracy"] == 0.75
    assert b"abc123" in server.uploads["config.yaml"]
    assert run_folders(run) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_server_out_of_reach_is_tried_once_and_the_runs_stay_offline(
    run, make_run, epoch_of, monkeypatch, capsys
):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{unused_port()}")
    assert log(WandbSink(ONLINE, run, limits=LIMITS), *epoch_of(1, 0.25)) < 10
    [folder] = run_folders(run)
    [warning] = [s for s in capsys.readouterr().err.splitlines() if s.startswith("snnjax")]
    assert warning.startswith("snnjax: wandb cannot go online")
    assert warning.endswith(f"wandb sync {folder}")
    assert rows_on_disk(folder) == [row_of(1, 0.25)]

    second = make_run(folder=run.folder / "second")
    assert log(WandbSink(ONLINE, second, limits=Limits()), *epoch_of(1, 0.25)) < 5
    assert len(run_folders(second)) == 1
    assert "snnjax" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_server_that_accepts_and_never_answers_is_left(run, epoch_of, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert log(WandbSink(ONLINE, run, limits=LIMITS), *epoch_of(1, 0.25)) < 10
    assert len(run_folders(run)) == 1


def test_without_a_key_a_run_stays_offline(run, epoch_of, server, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    log(WandbSink(ONLINE, run, limits=LIMITS), *epoch_of(1, 0.25))
    assert rows_on_disk(run_folders(run)[0]) == [row_of(1, 0.25)]
    assert "No API key" in capsys.readouterr().err
    assert server.operations == []


@pytest.mark.slow
def test_without_a_key_nobody_is_asked_for_one_at_a_terminal(run):
    program = f"""
from pathlib import Path
from snnjax.config.schema import WandbConfig
from snnjax.sinks.base import RunInfo
from snnjax.sinks.wandb_sink import WandbSink
run = RunInfo("n", Path({str(run.folder)!r}), 1, "loss", False, "train")
sink = WandbSink(WandbConfig(mode="online"), run)
sink.finish({{"status": "done"}})
sink.close()
"""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", program]
    subprocess.run(command, stdin=theirs, stdout=theirs, stderr=theirs, timeout=30, check=True)
    output = os.read(ours, 65536).decode()
    os.close(theirs)
    os.close(ours)
    assert "account" not in output
    assert "No API key" in output
    assert len(run_folders(run)) == 1


@pytest.mark.slow
def test_a_server_that_dies_costs_the_limit_and_no_data(run, epoch_of, server, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    sink = WandbSink(ONLINE, run, limits=LIMITS)
    for evaluation in epoch_of(1, 0.25):
        sink.write(evaluation)
    deadline = time.monotonic() + 10
    while "UpsertBucket" not in server.operations and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    server.stop()
    assert log(sink, *epoch_of(2, 0.5)) < 10
    [folder] = run_folders(run, "run")
    assert rows_on_disk(folder) == [row_of(1, 0.25), row_of(2, 0.5)]
    assert f"wandb sync {folder}" in capsys.readouterr().err
    assert OUTAGE.lasts()


@pytest.mark.slow
def test_writing_does_not_wait_for_a_server(run, epoch_of, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{unused_port()}")
    started = time.perf_counter()
    sink = WandbSink(ONLINE, run, limits=LIMITS)
    evaluations = epoch_of(1, 0.25)
    for _ in range(1000):
        sink.write(evaluations[0])
    assert time.perf_counter() - started < 1
    sink.finish(RESULT)
    sink.close()


def test_an_error_inside_wandb_is_one_warning(run, epoch_of, wandb, monkeypatch, capsys):
    def fail(**_):
        raise RuntimeError("broken")

    monkeypatch.setattr(wandb, "init", fail)
    log(WandbSink(OFFLINE, run), *epoch_of(1, 0.25))
    assert capsys.readouterr().err.splitlines() == [
        "snnjax: wandb stopped (RuntimeError: broken); metrics.jsonl is complete"
    ]


def test_a_wandb_that_hangs_is_left_behind(run, wandb, monkeypatch, capsys):
    released = threading.Event()

    def hang(**_):
        released.wait()
        raise RuntimeError("too late")

    monkeypatch.setattr(wandb, "init", hang)
    monkeypatch.setattr("snnjax.sinks.wandb_thread.GRACE", 0.1)
    sink = WandbSink(OFFLINE, run, limits=Limits(init=0.1, finish=0.1))
    assert log(sink) < 5
    assert "left behind" in capsys.readouterr().err
    released.set()
    sink._thread._thread.join()


@pytest.mark.parametrize(
    ("chosen", "environment", "sweep", "group"),
    [
        ("mine", "theirs", "sweeps/widths", "mine"),
        (None, "theirs", "sweeps/widths", "theirs"),
        (None, None, "sweeps/widths", "widths"),
        (None, None, "sweeps/2026-11-22/10-20-30", "2026-11-22/10-20-30"),
        (None, None, None, None),
    ],
)
def test_runs_of_a_sweep_are_grouped(make_run, monkeypatch, chosen, environment, sweep, group):
    if environment:
        monkeypatch.setenv("WANDB_RUN_GROUP", environment)
    run = make_run(sweep=None if sweep is None else Path(sweep))
    log(WandbSink(WandbConfig(group=chosen), run))
    records = [json.loads(line) for line in inspect(run_folders(run)[0]).splitlines()]
    [opened] = [record["run"] for record in records if record["type"] == "run"]
    assert opened.get("run_group") == group


def test_preparing_spares_the_threads_their_imports():
    program = """
import sys
from snnjax.config.schema import WandbConfig
from snnjax.sinks.wandb_run import prepare
prepare(WandbConfig(mode="disabled"))
before = "wandb" in sys.modules
prepare(WandbConfig(per="population"))
loaded = set(sys.modules)
import wandb
wandb.Table(columns=["run", "rate"], data=[["0", 0.1], ["1", None]], allow_mixed_types=True)
numeric = {"numpy", "pandas"}
print(before, [name for name in set(sys.modules) - loaded if name.split(".")[0] in numeric])
"""
    out = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert out.splitlines()[-1] == "False []"


def test_the_summary_is_flat():
    assert summary_of(RESULT) == {"status": "done", "best_epoch": 2, "test/accuracy": 0.75}
    assert summary_of({"status": "failed", "metrics": None}) == {"status": "failed"}
