"""Two processes of this machine that train one run together; one of them is disturbed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import snnjax
from snnjax.checkpoint.store import read_index
from snnjax.distributed import main
from snnjax.sinks import read_evaluations
from tests.checkpoint.killing import check_equal

ROOT = Path(snnjax.__file__).parent.parent
# The program, with short chunks, and saving as often as it can.
PROGRAM = """
from snnjax import distributed, programs
from snnjax.checkpoint import keeper
keeper._PARTS, programs._MAX_CHUNK = 0.0, 8
distributed.run()
"""
RUN = (
    "data.name=sklearn_wine", "model.depth=1", "model.width=8", "model.dropout=0.1",
    "training.batch_size=64", "training.epochs=300", "logging=quiet", "checkpoint.every=0.1",
    "checkpoint.final=true", "hydra.run.dir=run",
)  # fmt: skip
PATIENCE = 600


class Pair:
    """Two processes that were started with the same command, each in a folder of its own."""

    def __init__(self, folders: Sequence[Path], *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
        self.processes = [
            subprocess.Popen(
                [
                    sys.executable, "-c", PROGRAM, f"--coordinator=127.0.0.1:{port}",
                    "--processes=2", f"--process={number}", *arguments,
                ],
                cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for number, folder in enumerate(folders)
        ]  # fmt: skip

    def ended(self) -> tuple[list[int], list[str]]:
        """Wait for both; return their exit codes and what they complained of."""
        try:
            complaints = [one.communicate(timeout=PATIENCE)[1] for one in self.processes]
        finally:
            for one in self.processes:
                one.kill()
        return [one.returncode for one in self.processes], complaints


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Make a folder for each process: the second one needs nothing of the first one's."""
    made = [tmp_path / "first", tmp_path / "second"]
    for folder in made:
        folder.mkdir()
    return made


def disturbed(pair: Pair, run: Path, number: int) -> None:
    """Kill one of them, once some epochs were reported and a state is kept."""
    until_kept(pair, run, 32)
    pair.processes[number].kill()


def until_kept(pair: Pair, run: Path, count: int) -> None:
    """Wait until so many lines were reported and a state is kept."""
    give_up = time.monotonic() + PATIENCE
    while lines(run) < count or not any(run.glob("checkpoints/*/index")):
        assert time.monotonic() < give_up
        assert pair.processes[0].poll() is None, pair.ended()
        time.sleep(0.005)


def lines(run: Path) -> int:
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def result(run: Path) -> dict:
    return json.loads((run / "result.json").read_bytes())


@pytest.mark.slow
def test_two_processes_train_as_one_and_go_on_to_the_last_bit(folders, tmp_path):
    """One is killed, the other ends; then both end as if nothing had been.

    What signals do is tested where they come from: tests/slurm/test_distributed.py.
    """
    straight = tmp_path / "straight"
    straight.mkdir()
    run = folders[0] / "run"

    pair = Pair(folders, *RUN)
    disturbed(pair, run, 1)
    codes, complaints = pair.ended()
    assert codes == [1, -signal.SIGKILL]
    assert "process 0: another process has failed or is gone" in complaints[0]
    assert not (run / "result.json").exists()

    assert Pair(folders, *RUN).ended()[0] == [0, 0]
    assert result(run)["checkpoint"]["resumed_epoch"] >= 8
    assert not list(folders[1].iterdir())  # the second one writes nothing

    assert Pair([straight, tmp_path], *RUN).ended()[0] == [0, 0]
    check_equal(run, straight / "run")

    told = result(run)
    assert told["device"]["processes"] == told["strategy"]["devices_per_member"] == 2
    check_numbers_of_one(run, tmp_path)


def check_numbers_of_one(run: Path, folder: Path, epochs: int = 10) -> None:
    """Compare the first epochs of a run with those that one process trains, but for rounding."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "snnjax.train", *RUN, f"training.epochs={epochs}"]
    subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)
    ours, theirs = (read_evaluations(one / "metrics.jsonl") for one in (run, folder / "run"))
    theirs = [line for line in theirs if line.split != "test"]
    assert len(theirs) == 2 * epochs
    for own, other in zip(ours, theirs, strict=False):
        assert (own.epoch, own.step, own.split) == (other.epoch, other.step, other.split)
        assert own.metrics == pytest.approx(other.metrics, rel=1e-5)


@pytest.mark.slow
def test_what_took_longer_than_the_grace_is_kept(folders):
    """An epoch of 1221 steps is one chunk; who is signalled early in it saves it all the same."""
    run = folders[0] / "run"
    long = ("data.name=sklearn_digits", "model.depth=2", "training.batch_size=1")
    pair = Pair(folders, *RUN, *long, "checkpoint.grace=1")
    until_kept(pair, run, 2)
    pair.processes[0].terminate()
    codes, complaints = pair.ended()
    assert codes == [143, 143]
    assert "no time" not in complaints[0]
    assert kept_epochs(run)[-1] == read_evaluations(run / "metrics.jsonl")[-1].epoch


def kept_epochs(run: Path) -> list[int]:
    """Return the epochs of the checkpoints of a run, in their order."""
    indices = [read_index(path.parent.parent) for path in run.glob("checkpoints/*/index/metadata")]
    return sorted(index["members"][0]["epoch"] for index in indices)


@pytest.mark.slow
def test_processes_with_other_data_are_refused(folders):
    for number, folder in enumerate(folders):
        rows = "".join(f"{n},{n * number % 5},{n % 2}\n" for n in range(40))
        (folder / "own.csv").write_text(f"a,b,c\n{rows}")
    codes, complaints = Pair(
        folders, "data=table", "data.path=own.csv", "hydra.run.dir=run", "logging=quiet"
    ).ended()
    assert codes == [2, 2]
    assert "process 1 on" in complaints[0]
    assert "table holds other data" in complaints[0]
    assert not (folders[0] / "run" / "result.json").exists()


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--processes=2"], "--coordinator: is missing"),
        (["--coordinator=here", "--processes=2", "--process=0"], "--coordinator=here: allowed"),
        (["--coordinator=h:99999", "--processes=2", "--process=0"], "HOST:PORT"),
        (["--coordinator=h:1", "--processes=0", "--process=0"], "--processes=0"),
        (["--coordinator=h:1", "--processes=2", "--process=2"], "--process=2: out of range"),
    ],
)
def test_processes_that_cannot_be_are_refused(argv, told, capsys):
    assert main([*argv, "seed=1"]) == 2
    assert told in capsys.readouterr().err
