"""Arrays of populations on a real Slurm, equal to a local sweep whatever happens to them."""

import contextlib
import os
import signal
import subprocess

import pytest

from tests.slurm.cluster import (
    DATA,
    SHORT,
    WARNS,
    Cluster,
    check_equal,
    ended,
    finished,
    start,
    until,
)

pytestmark = pytest.mark.slow


def test_an_array_of_populations_equals_a_local_sweep(cluster: Cluster, tmp_path):
    said = ended(cluster.start(sweep=SHORT))
    finished(tmp_path / "local", "hydra.launcher.workers=1", sweep=SHORT)
    check_equal(cluster.sweep, tmp_path / "local" / "out")
    # By program: no task has to compile two networks.
    assert cluster.submissions() == [[["0", "1"], ["2", "3"]]]
    assert "4 runs in 2 tasks" in said
    assert "4 done" in said
    again = ended(cluster.start(sweep=SHORT))  # nothing is left to submit
    assert "tasks" not in again
    assert len(cluster.submissions()) == 1


def test_a_task_put_back_into_the_queue_goes_on(cluster: Cluster, local):
    process = cluster.start()
    cluster.until_training(0, 1)
    cluster.ask("scontrol", "requeue", cluster.job_of(0))
    ended(process)
    assert cluster.resumed_epoch(0) is not None
    assert cluster.resumed_epoch(1) is None
    check_equal(cluster.sweep, local)


@pytest.mark.parametrize("cluster", ["", WARNS], indirect=True, ids=["warned", "SIGTERM"])
def test_preempted_tasks_go_on(cluster: Cluster, local):
    process = cluster.start()
    cluster.until_training(0, 1)
    cluster.preempt()
    ended(process)
    # Slurm ends one after the other, with seconds between them in which the other may get done.
    assert cluster.resumed_epoch(0) or cluster.resumed_epoch(1)
    assert "back in the queue" in cluster.log(cluster.job_of(0)) + cluster.log(cluster.job_of(1))
    check_equal(cluster.sweep, local)


def test_a_task_whose_time_is_up_goes_on(cluster: Cluster, tmp_path):
    # Slurm looks every 30 seconds, so that its warning comes after 20 to 50 of the 60: the run
    # must take longer than that on the fastest machine.
    sweep = (*DATA, "seed=0", "training.epochs=60000", "training.batch_size=8")
    process = cluster.start("hydra.launcher.time=1", "hydra.launcher.warning=10", sweep=sweep)
    local = start(tmp_path / "local", "checkpoint.every=null", sweep=sweep)
    ended(process)
    ended(local)
    assert "back in the queue" in cluster.log(cluster.job_of(0))
    assert cluster.resumed_epoch(0) is not None
    check_equal(cluster.sweep, tmp_path / "local" / "out")


def test_a_cancelled_task_is_submitted_again_alone(cluster: Cluster, local):
    process = cluster.start()
    cluster.until_training(0, 1)
    cluster.ask("scancel", cluster.job_of(0))
    said = ended(process, code=1)
    assert "1 runs have not ended, but no job is left" in said
    assert cluster.states() == {"done": 1, "left": 1}
    before = (cluster.sweep / "1" / "result.json").read_bytes()
    ended(cluster.start())
    assert cluster.submissions() == [[["0"], ["1"]], [["0"]]]
    assert (cluster.sweep / "1" / "result.json").read_bytes() == before
    assert cluster.resumed_epoch(0) is not None
    check_equal(cluster.sweep, local)


DYING = """
import os
from pathlib import Path
import jax

def activation(x):
    armed = Path("armed")
    if "SLURM_JOB_ID" in os.environ and armed.exists():
        armed.unlink()
        os._exit(9)
    return jax.nn.relu(x)
"""


def test_a_task_that_dies_is_submitted_again_alone(cluster: Cluster, tmp_path):
    sweep = (
        *("-m", "data.name=sklearn_digits", "model=mlp", "model.depth=2", "model.width=8"),
        *("model.activation=tanh,dying:activation", "training.epochs=3", "hydra.sweep.dir=out"),
    )
    for folder in (cluster.work, tmp_path / "local"):
        folder.mkdir()
        (folder / "dying.py").write_text(DYING)
    (cluster.work / "armed").touch()
    ended(cluster.start(sweep=sweep), code=1)
    assert not (cluster.work / "armed").exists()
    assert cluster.states() == {"done": 1, "left": 1}
    ended(cluster.start(sweep=sweep))
    assert cluster.submissions() == [[["0"], ["1"]], [["1"]]]
    finished(tmp_path / "local", "hydra.launcher.workers=1", sweep=sweep)
    check_equal(cluster.sweep, tmp_path / "local" / "out")


def test_jobs_survive_the_shell_that_submitted_them(cluster: Cluster, local):
    process = cluster.start()
    cluster.until_training(0)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    other = cluster.start()  # waits for what is in the queue
    said = ended(other)
    assert len(cluster.submissions()) == 1
    assert "tasks" not in said
    check_equal(cluster.sweep, local)
    assert cluster.resumed_epoch(0) is None


def test_two_shells_that_start_at_once_submit_once(cluster: Cluster):
    for process in [cluster.start(sweep=SHORT), cluster.start(sweep=SHORT)]:
        ended(process)
    assert len(cluster.submissions()) == 1
    assert cluster.states() == {"done": 4}


def test_ctrl_c_once_slurm_has_the_array_tells_its_number(cluster: Cluster):
    process = cluster.start(sweep=SHORT)
    until(lambda: bool(cluster.jobs()), "the array is in the queue")
    os.killpg(process.pid, signal.SIGINT)
    said = ended(process, code=130)
    assert "job 1: 4 runs in 2 tasks" in said
    assert "scancel 1" in said
    assert len(cluster.submissions()) == 1


def test_interrupted_waiting_leaves_the_jobs_alone(cluster: Cluster, local):
    process = cluster.start()
    cluster.until_training(0, 1)
    os.killpg(process.pid, signal.SIGINT)
    said = ended(process, code=130)
    assert "scancel" in said
    assert "python -m snnjax.status" in said
    cluster.until_idle()
    assert cluster.states() == {"done": 2}
    check_equal(cluster.sweep, local)


def test_a_controller_that_comes_back_finds_the_jobs(cluster: Cluster, local):
    process = cluster.start()
    cluster.until_training(0, 1)
    cluster.restart_controller()
    ended(process)
    check_equal(cluster.sweep, local)
    assert cluster.resumed_epoch(0) is None


def test_a_lost_node_loses_no_more_than_a_checkpoint(cluster: Cluster, local):
    process = cluster.start("checkpoint.every=0.5")
    cluster.until_training(0, 1)
    until(lambda: any(cluster.sweep.glob("checkpoints/*/index")), "a checkpoint is written")
    (node,) = cluster.ask("sinfo", "--noheader", "--format=%n").split()
    cluster.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    until(lambda: all(state == "PENDING" for _, state in cluster.jobs()), "the jobs wait")
    with contextlib.suppress(subprocess.CalledProcessError):  # it came back by itself
        cluster.ask("scontrol", "update", f"nodename={node}", "state=resume")
    ended(process)
    assert cluster.resumed_epoch(0) or cluster.resumed_epoch(1)
    check_equal(cluster.sweep, local)


def test_what_slurm_does_not_take_is_one_line(cluster: Cluster):
    said = ended(cluster.start("hydra.launcher.partition=nowhere", sweep=SHORT), code=2)
    (line,) = [line for line in said.splitlines() if line.startswith("snnjax: error:")]
    assert "hydra/launcher=slurm: sbatch: Batch job submission failed: Invalid partition" in line


def test_detached_returns_at_once_and_is_found_again(cluster: Cluster):
    said = cluster.submit("hydra.launcher.extra={mail-type: FAIL}", sweep=SHORT)
    assert "scancel" in said
    (script,) = (cluster.sweep / "slurm").glob("*submission.sh")
    assert "#SBATCH --mail-type=FAIL\n" in script.read_text()
    assert sum(cluster.states().values()) == 4
    cluster.until_idle()
    assert cluster.states() == {"done": 4}
