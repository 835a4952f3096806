"""The progress of a sweep: its arithmetic by a clock of our own, its display at a real terminal."""

import errno
import io
import os
import sys
import threading
import time

import pytest
from rich.console import Console

from snnjax.sinks.sweep_bar import SweepBar
from snnjax.sinks.sweep_progress import SweepLines, SweepProgress, open_sweep_progress
from snnjax.sinks.sweep_tally import SweepTally

from .terminal import (
    HIDE_CURSOR,
    SHOW_CURSOR,
    interrupted_after,
    read_until,
    start_at_a_terminal,
)


@pytest.fixture
def tally(clock):
    """500 runs, 20 of them ended before; 48,000 epochs in 8 populations of 60."""
    return SweepTally(500, 48_000, 8, 2, ["done"] * 19 + ["failed"], clock)


def sizes(**changes):
    return {"runs": 4, "epochs": 40, "populations": 2, "workers": 1} | changes


def test_the_counts(tally, clock):
    assert tally.opening() == "500 runs, 20 of them already ended; 8 populations, 2 at a time"
    assert tally.line() == "20/500 runs (1 failed)  0/8 populations  0/48,000 epochs"
    progress = SweepProgress(tally, None)
    clock.time += 30
    population = progress.population(epochs=6_000)
    population.epochs(5_000)
    population.epochs(1_000)
    population.ended(["done"] * 57 + ["failed", "diverged", "skipped"])
    assert tally.line() == (
        "80/500 runs (2 failed, 1 diverged)  1/8 populations  6,000/48,000 epochs  2 runs/s"
        "  ETA 3:30"
    )
    clock.time += 30
    assert tally.ending() == (
        "80/500 runs (2 failed, 1 diverged)  1/8 populations  6,000/48,000 epochs  1 runs/s"
        "  in 1:00"
    )


def test_epochs_that_stopped_runs_do_not_need_are_planned_no_longer(tally):
    population = SweepProgress(tally, None).population(epochs=6_000)
    population.epochs(1_000)
    population.ended(["done"] * 60)
    assert (tally.epochs, tally.planned) == (1_000, 43_000)
    assert tally.share() == pytest.approx(1 / 43)


def test_the_time_left_forgets_the_compilation(tally, clock):
    clock.time += 10
    for _ in range(100):
        clock.time += 1
        tally.add_epochs(100)
    assert tally.left() == "ETA 6:20"


def test_the_time_left_follows_a_change_of_pace(clock):
    tally = SweepTally(2, 10_000, 2, 1, clock=clock)
    for pace in (100, 10):
        for _ in range(60):
            clock.time += 1
            tally.add_epochs(pace)
    assert tally.left() == "ETA 5:40"


def test_the_time_left_runs_down_between_reports(tally, clock):
    clock.time += 100
    tally.add_epochs(24_000)
    clock.time += 40
    assert tally.left() == "ETA 1:00"
    clock.time += 100
    assert tally.left() == "ETA 0:00"


def test_a_night_leaves_few_samples_behind(clock):
    tally = SweepTally(2, 10**9, 2, 1, clock=clock)
    for _ in range(50_000):
        clock.time += 1
        tally.add_epochs(1)
    assert len(tally._samples) < 500


def test_threads_lose_no_count(clock):
    tally = SweepTally(80, 80_000, 8, 8, clock=clock)
    progress = SweepProgress(tally, None)

    def work():
        population = progress.population(epochs=10_000)
        for _ in range(10_000):
            population.epochs()
        population.ended(["done"] * 10)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.line() == "80/80 runs  8/8 populations  80,000/80,000 epochs"


def test_plain_lines_are_few_and_the_last_is_always_there(tally, clock, capsys, monkeypatch):
    monkeypatch.setattr("snnjax.sinks.sweep_progress._TICK", 1e6)  # here the test does the looking
    lines = SweepLines(tally)
    population = SweepProgress(tally, lines).population(epochs=48_000)
    for _ in range(48_000):
        clock.time += 0.01
        population.epochs()
        lines.tick()
    lines.note("a line of its own")
    lines.close()
    printed = capsys.readouterr().out.splitlines()
    assert printed[-2:] == ["a line of its own", tally.ending()]
    assert 150 < len(printed) < 300
    assert all("ETA" in line for line in printed[:-2])


def test_nothing_new_is_no_line(tally, clock, capsys, monkeypatch):
    monkeypatch.setattr("snnjax.sinks.sweep_progress._TICK", 1e6)
    lines = SweepLines(tally)
    tally.add_epochs(10)
    for _ in range(100):
        clock.time += 10
        lines.tick()
    assert len(capsys.readouterr().out.splitlines()) == 1
    lines.close()


def test_lines_come_by_themselves(capsys, monkeypatch):
    monkeypatch.setattr("snnjax.sinks.sweep_progress._TICK", 0.01)
    monkeypatch.setattr("snnjax.sinks.console.INTERVAL", 0.0)
    with open_sweep_progress("plain", **sizes()) as progress:
        progress.population(epochs=40).epochs(7)
        printed, deadline = "", time.monotonic() + 10
        while " 7/40 epochs" not in printed and time.monotonic() < deadline:
            printed += capsys.readouterr().out
            time.sleep(0.01)
    assert " 7/40 epochs" in printed


def test_a_log_has_the_first_line_and_the_last(capsys):
    with open_sweep_progress("auto", **sizes()) as progress:
        progress.population(epochs=20).ended(["done"] * 2)
    first, last = capsys.readouterr().out.splitlines()
    assert first == "4 runs; 2 populations, 1 at a time"
    assert last.startswith("2/4 runs  1/2 populations  0/20 epochs")


def test_no_progress_is_silent(capfd):
    with open_sweep_progress("none", **sizes()) as progress:
        population = progress.population(epochs=20)
        population.epochs(20)
        population.ended(["done"] * 2)
        progress.note("nothing")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("progress", ["plain", "bar"])
def test_a_closed_stdout_does_not_end_the_sweep(monkeypatch, progress):
    class ClosedPipe(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

        def flush(self):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", ClosedPipe())
    with open_sweep_progress(progress, **sizes()) as shown:
        shown.note("a line")
        population = shown.population(epochs=40)
        population.epochs(40)
        population.ended(["done"] * 4)


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_bar_is_two_lines_and_gives_the_cursor_back(tally, clock, capsys, width):
    stream = io.StringIO()
    bar = SweepBar(tally, Console(force_terminal=True, file=stream, width=width))
    population = SweepProgress(tally, bar).population(epochs=6_000)
    clock.time += 60
    population.epochs(6_000)
    population.ended(["done"] * 59 + ["diverged"])
    stream.truncate(stream.seek(0))
    bar._live.refresh()
    drawn = stream.getvalue()
    bar.close()
    assert drawn.count("\n") == 1
    assert "80/500 runs (1 failed, 1 diverged)" in drawn
    assert "1/8 populations  6,000/48,000 epochs  1 runs/s" in drawn
    if width >= 80:
        assert "ETA 7:00" in drawn
    left = stream.getvalue()
    assert left.rindex(SHOW_CURSOR) > left.rfind(HIDE_CURSOR)
    assert capsys.readouterr().out.splitlines() == [tally.ending()]


def test_a_note_comes_above_the_bar_as_it_is(tally):
    stream = io.StringIO()
    bar = SweepBar(tally, Console(force_terminal=True, file=stream, width=80))
    bar.note("out of memory: [bold] 32 members a chunk")
    print("something else")
    bar.close()
    shown = stream.getvalue()
    assert "out of memory: [bold] 32 members a chunk\n" in shown
    assert "something else\n" in shown


SWEEP = """
import time
from snnjax.sinks.sweep_progress import open_sweep_progress
with open_sweep_progress("auto", runs=4, epochs=10**6, populations=2, workers=1) as progress:
    population = progress.population(epochs=10**6)
    while True:
        population.epochs()
        time.sleep(0.01)
"""


@pytest.mark.parametrize("shown", [b"0/1,000,000", b"9/1,000,000"], ids=["at the start", "later"])
def test_ctrl_c_at_a_terminal_leaves_it_in_order(shown):
    code, text = interrupted_after(SWEEP, shown)
    assert code != 0
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)
    assert text.splitlines()[-1].split("  in ")[0].endswith("epochs")


def test_a_terminal_that_goes_away_does_not_end_the_sweep():
    program = SWEEP.replace("while True:", "for _ in range(100):") + "open('/dev/null').close()"
    process, terminal = start_at_a_terminal(program)
    read_until(terminal, b"/1,000,000")
    os.close(terminal)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, b"")
