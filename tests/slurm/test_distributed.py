"""A run over several tasks of one job, on a real Slurm: JAX finds the others by itself."""

import sys
from pathlib import Path

import pytest

from tests.slurm.cluster import QUIET, ROOT, WARNS, Cluster, result, until

pytestmark = pytest.mark.slow
# Lines of the command come before those of the script: one node, no GPU.
OPTIONS = (
    "--nodes=1", "--ntasks-per-node=2", "--gpus-per-node=0", "--cpus-per-task=1", "--mem=2G",
    "--time=10", "--output=job.log",
)  # fmt: skip
RUN = (
    "data.name=sklearn_digits", "model.depth=1", "model.width=8", "training.epochs=500",
    "training.batch_size=64", *QUIET,
)  # fmt: skip


@pytest.mark.parametrize(
    ("cluster", "disturb"),
    [("", Cluster.tell_to_save), (WARNS, Cluster.preempt)],
    indirect=["cluster"],
)
def test_all_tasks_stop_when_one_is_told_to_and_go_on_together(
    cluster: Cluster, monkeypatch, disturb
):
    """Told to save, all end with the same code, by which the script puts the job back."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    cluster.work.mkdir()
    script = str(ROOT / "slurm" / "distributed.sbatch")
    monkeypatch.chdir(cluster.work)
    job = cluster.ask("sbatch", "--parsable", *OPTIONS, script, "out/0", *RUN).strip()
    cluster.until_training(0)
    disturb(cluster, job)
    until(lambda: "interrupted" in (cluster.work / "job.log").read_text(), "the tasks stop")
    until(lambda: (cluster.sweep / "0" / "result.json").exists(), "the run ends")
    told = result(cluster.sweep / "0")
    assert told["epochs"] == 500
    assert told["device"]["processes"] == 2
    assert told["strategy"]["devices_per_member"] == 2
    assert told["checkpoint"]["resumed_epoch"] >= 25
