"""The batch scripts for those who start without the launcher, on a real Slurm."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.cluster import (
    QUIET,
    ROOT,
    SHORT,
    WARNS,
    Cluster,
    check_equal,
    finished,
    result,
    until,
)

pytestmark = pytest.mark.slow
# Lines of the command come before those of the script.
OPTIONS = ("--cpus-per-task=1", "--mem=1G", "--time=10", "--output=%x-%A_%a.log")


@pytest.fixture
def submit(cluster: Cluster, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    cluster.work.mkdir()

    def submit(*command: str) -> str:
        done = subprocess.run(
            ["sbatch", "--parsable", *OPTIONS, *command],
            cwd=cluster.work, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    return submit


def test_tasks_that_share_a_folder_train_each_run_once(cluster: Cluster, submit, tmp_path):
    script, sweep = str(ROOT / "slurm" / "sweep.sbatch"), [*SHORT, *QUIET]
    submit("--array=0-1", script, "out", *sweep)
    cluster.until_idle()
    finished(tmp_path / "local", "hydra.launcher.workers=1", sweep=SHORT)
    check_equal(cluster.sweep, tmp_path / "local" / "out")
    logs = [path.read_text() for path in cluster.work.glob("*.log")]
    assert len(logs) == 2
    account = json.loads((cluster.sweep / "sweep.json").read_bytes())
    assert account["runs"] == 4


@pytest.mark.parametrize(
    ("cluster", "disturb"),
    [("", Cluster.tell_to_save), (WARNS, Cluster.preempt)],
    indirect=["cluster"],
)
def test_a_run_that_is_stopped_goes_back_into_the_queue(cluster: Cluster, submit, disturb):
    arguments = ["data.name=sklearn_digits", "model.depth=2", "model.width=8", *QUIET]
    script, long = str(ROOT / "slurm" / "run.sbatch"), ["training.epochs=3000"]
    job = submit(script, "out/0", *arguments, *long, "training.batch_size=8")
    cluster.until_training(0)
    disturb(cluster, job)
    until(lambda: (cluster.sweep / "0" / "result.json").exists(), "the run ends")
    told = result(cluster.sweep / "0")
    assert told["epochs"] == 3000
    assert told["checkpoint"]["resumed_epoch"] >= 25
