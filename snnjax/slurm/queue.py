"""What is asked of Slurm's own commands: which jobs are in its queue, and to repeat this one."""

import os
import re
import shutil
import subprocess
from collections.abc import Collection

from snnjax.config.errors import ConfigError

_SECONDS = 60  # that a command of Slurm may take


def require() -> None:
    """Refuse a machine without Slurm or without submitit.

    Raises:
        ConfigError: Saying what is missing.
    """
    missing = [name for name in ("sbatch", "squeue", "srun") if shutil.which(name) is None]
    if missing:
        raise ConfigError(
            f"hydra/launcher=slurm: there is no {missing[0]} on this machine; allowed: a machine "
            "from which jobs can be submitted, or hydra/launcher=population"
        )
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise ConfigError(
            "hydra/launcher=slurm: submitit is not installed; pip install 'snnjax[slurm]'"
        ) from None


def in_queue(jobs: Collection[str]) -> set[str] | None:
    """Return which jobs wait or run, None where Slurm does not answer.

    Args:
        jobs: As 12 or, tasks of an array, 12_3.
    """
    if not jobs:
        return set()
    # Asked for by its number, a job that has been forgotten is an error.
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return set(jobs) & set(told.split())


def own_job() -> str:
    """Return the number of the job that this process is in, as `in_queue` does."""
    # The last task of an array has the number of the whole: asked for by that, all are repeated.
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")


def restarts() -> int:
    """Return how often the job that this process is in has been started again."""
    return int(os.environ.get("SLURM_RESTART_COUNT") or 0)


def is_preempted() -> bool:
    """Tell whether Slurm is taking the node from the job that this process is in for another one.

    Where the cluster passes no other signal on, all that such a job is sent is SIGTERM, as is one
    that is cancelled or put back into the queue: but it still counts as running then.
    """
    command = ["scontrol", "show", "job", "--oneliner", own_job()]
    env = {**os.environ, "SLURM_TIME_FORMAT": "standard"}
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=True, env=env
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return bool(re.search(r" JobState=RUNNING .* PreemptTime=\d", told))


def requeue() -> bool:
    """Put the job that this process is in back into the queue; return whether that was done."""
    command = ["scontrol", "requeue", own_job()]
    try:
        return subprocess.run(command, timeout=_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
