import io
import sys

import pytest
from rich.console import Console

from snnjax.sinks import Evaluation
from snnjax.sinks.bar import Bar
from snnjax.sinks.console import PlainLines, make_console
from snnjax.sinks.track import Track, duration

from .terminal import HIDE_CURSOR, SHOW_CURSOR, interrupted_after


def train(sink, clock, epoch_of, epochs, seconds, chunk=1):
    """Write epochs of `seconds` each, `chunk` of them arriving together."""
    for epoch in epochs:
        if (epoch - 1) % chunk == 0:
            clock.time += chunk * seconds
        for evaluation in epoch_of(epoch, epoch / 100):
            sink.write(evaluation)


def plain(run, clock, every=1, earlier=()):
    stream = io.StringIO()
    return PlainLines(Track(run, earlier, clock), every, stream), stream


def shown(stream):
    lines = stream.getvalue().splitlines()
    return [int(line.split()[1].split("/")[0]) for line in lines if line.startswith("epoch")]


def test_a_plain_line_says_it_all(run, clock, epoch_of):
    sink, stream = plain(run, clock)
    train(sink, clock, epoch_of, range(1, 13), seconds=4.9)
    assert stream.getvalue().splitlines()[-1] == (
        "epoch 12/50  train loss 0.08333  acc 0.12  validation loss 0.08333  acc 0.12"
        "  best 0.12 @ 12  4.9 s/epoch  ETA 3:06"
    )


def test_the_best_epoch_is_chosen_as_training_does(make_run, epoch_of):
    """By the mean of three epochs, and only where that gains enough."""
    track = Track(make_run(smoothing=3, min_gain=0.1))
    best = []
    for epoch, value in enumerate([0.5, 0.1, 0.6, 0.65, 0.9, 0.7], 1):
        for evaluation in epoch_of(epoch, value):
            track.update(evaluation)
        best.append(track.best)
    assert [epoch for _, epoch in best] == [1, 1, 1, 1, 5, 5]
    assert best[-1][0] == pytest.approx((0.6 + 0.65 + 0.9) / 3)


def test_every_epoch_of_a_slow_run_has_a_line(run, clock, epoch_of):
    sink, stream = plain(run, clock)
    train(sink, clock, epoch_of, range(1, 51), seconds=5)
    assert shown(stream) == list(range(1, 51))


def test_a_fast_run_has_its_first_line_its_last_and_few_between(make_run, clock, epoch_of):
    sink, stream = plain(make_run(epochs=10_000), clock)
    train(sink, clock, epoch_of, range(1, 10_001), seconds=0.001)
    epochs = shown(stream)
    assert (epochs[0], epochs[-1]) == (1, 10_000)
    assert 9 <= len(epochs) <= 12


def test_a_long_run_gets_a_few_hundred_lines(make_run, clock, epoch_of):
    sink, stream = plain(make_run(epochs=20_000), clock)
    train(sink, clock, epoch_of, range(1, 20_001), seconds=1)
    assert 100 < len(shown(stream)) < 800


def test_every_is_followed_however_fast_the_run_is(run, clock, epoch_of):
    sink, stream = plain(run, clock, every=20)
    train(sink, clock, epoch_of, range(1, 51), seconds=0.001)
    assert shown(stream) == [1, 20, 40, 50]


def test_the_last_epoch_of_a_stopped_run_is_shown_and_how_it_ended(run, clock, epoch_of):
    sink, stream = plain(run, clock, every=10)
    train(sink, clock, epoch_of, range(1, 14), seconds=1)
    test = {"loss": 1.5, "accuracy": 0.25}
    sink.write(Evaluation(7, 70, "test", test))
    sink.finish({"status": "diverged", "best_epoch": 7, "seconds": 61.2, "metrics": {"test": test}})
    assert shown(stream) == [1, 10, 13]
    assert stream.getvalue().splitlines()[-1] == (
        f"diverged at epoch 13/50  best epoch 7  test loss 1.5  acc 0.25  1:01  {run.folder}"
    )


@pytest.mark.parametrize(("maximize", "best"), [(True, "best 0.9 @ 2"), (False, "best 0.1 @ 1")])
def test_best_is_the_first_of_the_best_in_the_given_direction(make_run, clock, maximize, best):
    track = Track(make_run(maximize=maximize), (), clock)
    for epoch, value in enumerate([0.1, 0.9, float("nan"), 0.9, 0.1], start=1):
        track.update(Evaluation(epoch, epoch, "validation", {"accuracy": value}))
        track.update(Evaluation(epoch, epoch, "train", {"accuracy": 0.95}))
    assert best in track.line()


def test_the_best_epoch_before_a_checkpoint_counts(make_run, clock, epoch_of):
    sink, stream = plain(make_run(start_epoch=3), clock, earlier=epoch_of(2, 0.99))
    train(sink, clock, epoch_of, [4], seconds=1)
    assert "best 0.99 @ 2" in stream.getvalue()


@pytest.mark.parametrize("chunk", [1, 10, 25])
def test_the_time_left_is_right_when_epochs_arrive_in_chunks(make_run, clock, epoch_of, chunk):
    track = Track(make_run(epochs=1000), (), clock)
    clock.time += 30  # compilation
    sink = PlainLines(track, stream=io.StringIO())
    train(sink, clock, epoch_of, range(1, 101), seconds=0.5, chunk=chunk)
    assert track.pace() == pytest.approx(0.5)
    assert track.eta() == "ETA 7:30"


def test_no_time_left_is_invented_from_the_first_epoch(run, clock, epoch_of):
    sink, stream = plain(run, clock)
    train(sink, clock, epoch_of, [1], seconds=60)
    assert "ETA" not in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (182, "3:02"), (3661, "1:01:01")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_the_loss_stands_beside_the_metric_that_is_watched(make_run, clock):
    track = Track(make_run(monitor="macro_f1"), (), clock)
    values = {"accuracy": 0.5, "loss": 0.25, "macro_f1": 0.75}
    track.update(Evaluation(1, 1, "validation", values))
    assert track.brief() == "loss 0.25  macro_f1 0.75  best 0.75 @ 1"


def test_progress_chooses_the_console(run, monkeypatch):
    track = Track(run)
    assert make_console("none", 1, track) is None
    assert isinstance(make_console("plain", 1, track), PlainLines)
    assert isinstance(make_console("auto", 1, track), PlainLines)  # pytest is no terminal
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    bar = make_console("bar", 1, track)
    assert isinstance(bar, Bar)
    bar.close()


@pytest.mark.parametrize("width", [50, 80, 160])
def test_the_bar_shows_progress_on_one_line_and_gives_the_cursor_back(run, clock, epoch_of, width):
    stream = io.StringIO()
    bar = Bar(Track(run, (), clock), Console(force_terminal=True, file=stream, width=width))
    train(bar, clock, epoch_of, range(1, 31), seconds=2)
    bar._progress.refresh()
    drawn = stream.getvalue()
    assert drawn.startswith(HIDE_CURSOR)
    assert "\n" not in drawn
    for part in ("digits-snn-s0", "30/50", "ETA 0:40"):
        assert part in drawn
    if width >= 80:
        assert "loss 0.03333  acc 0.3" in drawn
    bar.finish({"status": "interrupted"})
    bar.close()
    assert stream.getvalue().rindex(SHOW_CURSOR) > stream.getvalue().rindex(HIDE_CURSOR)
    assert "interrupted at epoch 30/50" in stream.getvalue()


@pytest.mark.parametrize("shown", [b"0/1000000", b"9/1000000"], ids=["at the start", "later"])
def test_ctrl_c_at_a_terminal_leaves_it_in_order(tmp_path, shown):
    program = f"""
import itertools, time
from pathlib import Path
from snnjax.config.schema import LoggingConfig, WandbConfig
from snnjax.sinks import Evaluation, RunInfo, open_sinks
run = RunInfo("n", Path({str(tmp_path)!r}), 10**6, "loss", False, "train")
with open_sinks(LoggingConfig(wandb=WandbConfig(mode="disabled")), run) as sinks:
    for epoch in itertools.count(1):
        sinks.write(Evaluation(epoch, epoch, "train", {{"loss": 1 / epoch}}))
        time.sleep(0.01)
"""
    code, text = interrupted_after(program, shown)
    assert code != 0
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)
    assert shown.startswith(b"0") or "interrupted at epoch" in text
