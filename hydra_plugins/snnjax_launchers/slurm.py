"""`hydra/launcher=slurm`: the jobs of a multirun trained by an array of Slurm's jobs."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn

from hydra_plugins.snnjax_launchers.population import PopulationLauncher

if TYPE_CHECKING:
    from snnjax.multirun import Train


class SlurmLauncher(PopulationLauncher):
    """Makes every job's folder, divides the jobs among the tasks of an array, and submits it.

    Args:
        members: Most runs in one population; None leaves the number to the machine.
        workers: Populations that a task trains at once; None for one per core or one on GPUs.
        lanes: Members computed in lockstep; None leaves the number to the machine.
        settings: See `snnjax.slurm.Settings`.
    """

    def __init__(
        self,
        members: int | None = None,
        workers: int | None = None,
        lanes: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(members, workers, lanes)
        self.settings = settings

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Let Slurm train a batch of jobs; NaN is returned of those without a result."""
        from snnjax.slurm.queue import require
        from snnjax.slurm.settings import Settings

        Settings(**self.settings).check()
        require()
        return super().launch(job_overrides, initial_job_idx)

    def train(self) -> "Train":
        """Return what trains the runs: Slurm."""
        from snnjax.slurm.launch import train_by_slurm
        from snnjax.slurm.settings import Settings

        return partial(train_by_slurm, settings=Settings(**self.settings))
