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
from snnjax.distributed import main
from tests.checkpoint.killing import check_equal

ROOT = Path(snnjax.__file__).parent.parent
# The program, with short chunks, and saving as often as it can.
PROGRAM = """
from snnjax import distributed, programs
from snnjax.checkpoint import keeper
keeper._PARTS, programs._MAX_CHUNK = 0.0, 4
distributed.run()
"""
RUN = (
    "data.name=sklearn_wine", "model.depth=1", "model.width=8", "model.dropout=0.1",
    "training.batch_size=32", "training.epochs=400", "logging=quiet", "checkpoint.every=0.02",
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


def disturbed(pair: Pair, run: Path, number: int, by: signal.Signals) -> None:
    """Send a signal to one of them, once some more epochs were reported and a state is kept."""
    before, give_up = lines(run), time.monotonic() + PATIENCE
    while lines(run) < before + 32 or not any(run.glob("checkpoints/*/index")):
        assert time.monotonic() < give_up
        assert pair.processes[0].poll() is None, pair.ended()
        time.sleep(0.005)
    pair.processes[number].send_signal(by)


def lines(run: Path) -> int:
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def result(run: Path) -> dict:
    return json.loads((run / "result.json").read_bytes())


@pytest.mark.slow
def test_two_processes_train_as_one_and_go_on_to_the_last_bit(folders, tmp_path):
    """One is told to save, one is killed; then they end as if nothing had been."""
    alone = tmp_path / "alone"
    alone.mkdir()
    run = folders[0] / "run"

    pair = Pair(folders, *RUN)
    disturbed(pair, run, 1, signal.SIGUSR1)
    codes, _ = pair.ended()
    assert codes == [138, 138]
    saved = lines(run)

    pair = Pair(folders, *RUN)
    disturbed(pair, run, 0, signal.SIGKILL)
    codes, complaints = pair.ended()
    assert codes[0] == -signal.SIGKILL
    assert codes[1] != 0
    assert "another process has failed or is gone" in complaints[1] or codes[1] < 0
    assert lines(run) >= saved

    assert Pair(folders, *RUN).ended()[0] == [0, 0]
    assert result(run)["checkpoint"]["resumed_epoch"] >= saved // 2
    assert not list(folders[1].iterdir())  # the second one writes nothing

    assert Pair([alone, tmp_path], *RUN).ended()[0] == [0, 0]
    check_equal(run, alone / "run")


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one(folders, tmp_path):
    few = (*RUN, "training.epochs=3", "logging.progress=plain")
    assert Pair(folders, *few).ended()[0] == [0, 0]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "snnjax.train", *few]
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)
    together, alone = result(folders[0] / "run"), result(tmp_path / "run")
    for split, metrics in alone["metrics"].items():
        assert together["metrics"][split] == pytest.approx(metrics, rel=1e-5)
    assert together["fingerprint"] == alone["fingerprint"]
    assert together["device"]["processes"] == together["strategy"]["devices_per_member"] == 2


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
