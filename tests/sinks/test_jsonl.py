import errno
import json
import math
import signal
import subprocess
import sys

import numpy as np
import pytest

from snnjax.sinks.base import Evaluation
from snnjax.sinks.jsonl import MetricsFile, read_evaluations

FIRST = Evaluation(1, 10, "train", {"loss": 0.5, "accuracy": 0.25})


def write(run, *evaluations):
    sink = MetricsFile(run)
    for evaluation in evaluations:
        sink.write(evaluation)
    sink.close()
    return sink


def test_a_line_per_evaluation_with_keys_in_stable_order(run):
    swapped = Evaluation(2, 20, "validation", {"accuracy": 0.5, "loss": 0.1})
    sink = write(run, FIRST, swapped)
    assert sink.path == run.folder / "metrics.jsonl"
    assert sink.path.read_text().splitlines() == [
        '{"epoch": 1, "step": 10, "split": "train", "accuracy": 0.25, "loss": 0.5}',
        '{"epoch": 2, "step": 20, "split": "validation", "accuracy": 0.5, "loss": 0.1}',
    ]


def test_numbers_read_back_exactly(run):
    values = {"loss": 0.1 + 0.2, "accuracy": float(np.float32(0.1)), "mse": 1e-320}
    sink = write(run, Evaluation(1, 1, "train", values))
    assert read_evaluations(sink.path)[0].metrics == values


def test_numpy_scalars_are_numbers(run):
    sink = write(run, Evaluation(1, 1, "train", {"loss": np.float32(0.5)}))
    assert read_evaluations(sink.path)[0].metrics == {"loss": 0.5}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_null(run, value):
    sink = write(run, Evaluation(1, 1, "train", {"loss": value}))
    line = sink.path.read_text()
    assert json.loads(line, parse_constant=pytest.fail)["loss"] is None
    assert math.isnan(read_evaluations(sink.path)[0].metrics["loss"])


@pytest.mark.parametrize("name", ["epoch", "step", "split"])
def test_a_metric_cannot_take_the_place_of_a_column(name):
    with pytest.raises(ValueError, match=name):
        Evaluation(1, 1, "train", {name: 1.0})


def test_a_fresh_run_replaces_a_stale_file(run, epoch_of):
    write(run, *epoch_of(1, 0.5), *epoch_of(2, 0.6))
    sink = write(run, FIRST)
    assert sink.earlier == []
    assert read_evaluations(sink.path) == [FIRST]


def test_going_on_from_a_checkpoint_keeps_the_lines_up_to_it(run, make_run, epoch_of):
    before = [e for epoch in (1, 2, 3) for e in epoch_of(epoch, 0.5)]
    path = write(run, *before).path
    with path.open("a") as file:
        file.write('{"epoch": 4, "st')
    sink = write(make_run(start_epoch=2), *epoch_of(3, 0.9))
    assert sink.earlier == before[:4]
    assert read_evaluations(path) == [*before[:4], *epoch_of(3, 0.9)]


def test_a_torn_line_is_not_kept_even_if_the_checkpoint_is_later(run, make_run):
    path = write(run, FIRST).path
    with path.open("a") as file:
        file.write('{"epoch": 1, "step": 10, "split": "validation"}')
    assert read_evaluations(path) == [FIRST]
    later = Evaluation(6, 60, "train", {"loss": 0.25})
    write(make_run(start_epoch=5), later)
    assert read_evaluations(path) == [FIRST, later]


def test_a_broken_line_in_the_middle_is_an_error(run):
    path = write(run, FIRST).path
    path.write_text('{"loss": 1}\n' + path.read_text())
    with pytest.raises(ValueError, match="not an evaluation"):
        read_evaluations(path)


def test_a_killed_run_keeps_every_finished_line(tmp_path):
    program = f"""
import time
from pathlib import Path
from snnjax.sinks import Evaluation, RunInfo
from snnjax.sinks.jsonl import MetricsFile
sink = MetricsFile(RunInfo("n", Path({str(tmp_path)!r}), 10**6, "loss", False, "train"))
for epoch in range(1, 301):
    sink.write(Evaluation(epoch, epoch, "train", {{"loss": 1 / epoch}}))
print("written", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    epochs = [e.epoch for e in read_evaluations(tmp_path / "metrics.jsonl")]
    assert epochs == list(range(1, 301))


def test_a_full_disk_is_an_error_that_names_the_file(run):
    sink = MetricsFile(run)
    sink._file.close()
    try:
        sink._file = open("/dev/full", "ab")  # noqa: SIM115
    except OSError:
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match=r"metrics\.jsonl") as caught:
        sink.write(FIRST)
    assert caught.value.errno == errno.ENOSPC
    sink.close()
