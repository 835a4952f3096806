"""What is asked of Slurm for each task of an array."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snnjax.config.errors import ConfigError

_COUNTS = {"tasks": 1, "parallel": 1, "time": 1, "cpus": 1, "gpus": 0, "requeues": 0, "warning": 1}
_NAMES = ("partition", "account", "qos", "constraint")


@dataclass(frozen=True)
class Settings:
    """What `hydra.launcher` says beside what it says of populations.

    Attributes:
        detach: Return when the array has been submitted.
        tasks: Most tasks that the sweep is divided into.
        parallel: Most tasks at once; None for all.
        partition: Of the cluster, None for its default; so are the three after it.
        account: To be charged.
        qos: Quality of service.
        constraint: Features that a node must have.
        time: Minutes a task may take at a time.
        gpus: GPUs of a task.
        cpus: Cores of a task.
        memory: Gigabytes of a task; None for the cluster's default.
        setup: Shell commands before Python is started.
        requeues: How often a task may be started again.
        warning: Seconds before the end of its time at which a task is told to save.
        extra: Other options of sbatch by their long names; None for none.
    """

    detach: bool = False
    tasks: int = 8
    parallel: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    time: int = 60
    gpus: int = 0
    cpus: int = 1
    memory: float | None = None
    setup: Sequence[str] = ()
    requeues: int = 20
    warning: int = 90
    extra: Mapping[str, Any] | None = None

    def check(self) -> None:
        """Refuse what Slurm could not be asked for.

        Raises:
            ConfigError: Naming the key of the launcher, its value and what is allowed.
        """
        for name, least in _COUNTS.items():
            value = getattr(self, name)
            is_count = isinstance(value, int) and not isinstance(value, bool) and value >= least
            if not (is_count or (name == "parallel" and value is None)):
                raise _refusal(name, value, f"integers from {least}")
        for name in _NAMES:
            if not isinstance(value := getattr(self, name), str | None):
                raise _refusal(name, value, "a name, or null for the cluster's default")
        if self.memory is not None and not _is_positive(self.memory):
            raise _refusal("memory", self.memory, "gigabytes above 0, or null")
        if not isinstance(self.detach, bool):
            raise _refusal("detach", self.detach, "true and false")
        if isinstance(self.setup, str) or not all(isinstance(line, str) for line in self.setup):
            raise _refusal("setup", self.setup, "a list of shell commands")
        if not isinstance(self.extra, Mapping | None):
            raise _refusal("extra", self.extra, "options of sbatch by their long names, or null")
        if self.warning >= 60 * self.time:
            end = f"hydra.launcher.time={self.time}: minutes"
            raise _refusal("warning", self.warning, f"seconds below {60 * self.time} ({end})")

    def too_short_for(self, grace: float) -> str:
        """Return what to say where saving may take longer than the warning; else nothing.

        Args:
            grace: Seconds that saving may take.
        """
        if grace <= self.warning:
            return ""
        return (
            f"hydra.launcher.warning={self.warning}: Slurm may end a task before it has saved; "
            f"recommended: more than checkpoint.grace={grace:g}"
        )

    def for_submitit(self, name: str) -> dict[str, Any]:
        """Return the parameters of submitit's Slurm executor for a job of a name."""
        asked: dict[str, Any] = {key: getattr(self, key) for key in _NAMES}
        if self.gpus:
            asked["gpus_per_node"] = self.gpus
        if self.memory is not None:
            asked["mem"] = f"{math.ceil(self.memory * 1024)}M"
        return {key: value for key, value in asked.items() if value is not None} | {
            "job_name": name,
            "time": self.time,
            "nodes": 1,
            "ntasks_per_node": 1,
            "cpus_per_task": self.cpus,
            "setup": [*self.setup],
            "signal_delay_s": self.warning,
            "array_parallelism": self.parallel or self.tasks,
            # Signals reach steps only; and a step no longer inherits the cores of its job.
            "use_srun": True,
            "srun_args": [f"--cpus-per-task={self.cpus}"],
            "additional_parameters": {"requeue": True, **(self.extra or {})},
        }


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _refusal(name: str, value: Any, allowed: str) -> ConfigError:
    shown = "null" if value is None else str(value).lower() if value is True else value
    return ConfigError(f"hydra.launcher.{name}={shown}: allowed: {allowed}")
