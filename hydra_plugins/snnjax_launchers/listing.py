"""A launcher that trains nothing: it passes on which jobs it was asked to launch."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class ListingLauncher(Launcher):
    """Calls the task once for every batch, with the overrides of its jobs."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember whom to tell."""
        self._tell = task_function

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Tell of a batch of jobs."""
        self._tell(job_overrides)
        return []
