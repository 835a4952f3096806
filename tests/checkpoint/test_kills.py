"""Killed at any moment and started again: the same numbers, to the last bit, and nothing left."""

import signal
import subprocess
import time

import pytest

from snnjax.sinks.jsonl import read_evaluations

from .killing import beginnings, check_equal, finished, killed, start, total_lines

RUN = (
    *("data.name=sklearn_wine", "model.depth=3", "model.width=16", "schedule=plateau"),
    *("training.batch_size=2", "hydra.run.dir=run"),
)
SWEEP = (
    *("-m", "data.name=sklearn_digits", "model.depth=3", "model.width=16", "schedule=plateau"),
    *("model=snn,batchnorm", "seed=range(4)", "optimizer=sgd,adam", "hydra.sweep.dir=run"),
    *("hydra.launcher.workers=2", "hydra.launcher.members=3"),
)


def check(tmp_path, arguments, *, runs, epochs, kills, span):
    folder, deaths, arguments = kill_often(tmp_path, arguments, runs, epochs, kills, span)
    check_resumed(deaths, finished(folder, *arguments))
    (tmp_path / "whole").mkdir()
    finished(tmp_path / "whole", *arguments, "checkpoint.every=null")
    folders = [path.parent for path in (tmp_path / "whole").rglob("result.json")]
    for own in folders:
        check_equal(own, folder / own.relative_to(tmp_path / "whole"))
    left = [path.name for path in folder.rglob("checkpoints/*")]
    assert left == ["final"] * len(folders)
    assert len(folders) == runs
    assert [death.code for death in deaths] == [-signal.SIGKILL] * kills
    return deaths


def kill_often(tmp_path, arguments, runs, epochs, kills, span):
    """Kill a training so many times; one that ended before that is begun again, and longer."""
    for attempt in range(8):
        folder = tmp_path / f"killed-{attempt}"
        folder.mkdir()
        own = (*arguments, f"training.epochs={epochs}")
        deaths = []
        for seed in range(kills):
            death = killed(folder, *own, seed=seed, span=span)
            if death.code == 0 or len([*folder.rglob("result.json")]) == runs:
                break
            deaths.append(death)
        else:
            return folder, deaths, own
        epochs *= 1 + kills // (len(deaths) + 1)
    raise AssertionError("the training ends before it is killed as often as it should be")


def check_resumed(deaths, last):
    """Every run goes on from the newest checkpoint that the start before had finished."""
    for before, began in zip(deaths, [*(death.began for death in deaths[1:]), last], strict=True):
        for folder, epoch in began.items():
            assert epoch == before.kept.get(folder, 0), folder


def resumed(deaths):
    """Count the starts in which a run went on after an epoch."""
    return sum(any(death.began.values()) for death in deaths)


def test_a_run_killed_twice(tmp_path):
    deaths = check(tmp_path, RUN, runs=1, epochs=3000, kills=2, span=0.3)
    assert list(deaths[1].kept.values()) > [0]  # killed in its third or fourth save


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "runs", "epochs", "span", "least"),
    [(RUN, 1, 8000, 0.8, 15), (SWEEP, 16, 3000, 2.0, 10)],
    ids=["run", "sweep"],
)
def test_what_is_killed_twenty_times(tmp_path, arguments, runs, epochs, span, least):
    deaths = check(tmp_path, arguments, runs=runs, epochs=epochs, kills=20, span=span)
    assert len(deaths) == 20
    # The second start is killed in its third or fourth save: from then on a run has checkpoints.
    # A sweep has none where it is killed between two populations, and before the next one saves.
    assert resumed(deaths) >= least
    assert any(death.is_writing for death in deaths)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("-m", "seed=0,1,2")], ids=["run", "sweep"])
@pytest.mark.parametrize(
    ("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGUSR1", 138), ("SIGUSR2", 140)]
)
def test_what_a_signal_ends_goes_on(tmp_path, name, code, arguments):
    """It leaves within the grace, with the signal's code, and loses nothing that it reported."""
    settings = (*arguments, *RUN, "training.epochs=1000000", "hydra.sweep.dir=run")
    settings += ("checkpoint.every=1000", "checkpoint.grace=15")
    process = start(tmp_path, *settings)
    wait_for_lines(tmp_path, process, 1000)
    process.send_signal(getattr(signal, name))
    asked = time.monotonic()
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == code
    assert time.monotonic() - asked < 20
    assert "Traceback" not in complaint
    reported = {path: read_evaluations(path)[-1].epoch for path in tmp_path.rglob("metrics.jsonl")}
    again = start(tmp_path, *settings)
    wait_for_lines(tmp_path, again, total_lines(tmp_path) + 100)
    again.kill()
    began = beginnings(again.communicate()[0])
    assert {path.parent for path in reported} == set(began)
    for path, epoch in reported.items():
        assert began[path.parent] >= epoch > 0
        lines = [line.epoch for line in read_evaluations(path) if line.split == "train"]
        assert lines == [*range(1, lines[-1] + 1)]


def wait_for_lines(folder, process: subprocess.Popen, count: int) -> None:
    deadline = time.monotonic() + 120
    while total_lines(folder) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
