"""`hydra/launcher=population`: the jobs of a multirun trained together, each in its own folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.snnjax_launchers.composer import Composer

if TYPE_CHECKING:
    from snnjax.multirun import Train


class PopulationLauncher(Launcher):
    """Makes every job's folder as Hydra would, then hands all jobs over at once.

    Jobs that the folder of the multirun already has keep their numbers when others are added.

    Args:
        members: Most runs in one population; None leaves the number to the machine.
        workers: Populations trained at once; None leaves the number to the machine.
        lanes: Members computed in lockstep; None leaves the number to the machine.
        processes: Processes that are started on the folder of the multirun; None for this one.
    """

    def __init__(
        self,
        members: int | None = None,
        workers: int | None = None,
        lanes: int | None = None,
        processes: int | None = None,
    ) -> None:
        self.means = (members, workers, lanes, processes)
        # Of all batches, if there are several: numbers that earlier starts gave hold for all.
        self.every_job: Sequence[Sequence[str]] = ()

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember what Hydra composes jobs with."""
        self.context = hydra_context
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Train a batch of jobs; a failed one returns NaN and leaves `error.json` behind."""
        # Hydra imports every plugin at every start: not with what loads NumPy.
        from snnjax.experiment import Means
        from snnjax.multirun import run_jobs

        setup_globals()
        sweep = Path(str(self.config.hydra.sweep.dir)).absolute()
        composer = Composer(self.context.config_loader, self.config)
        numbers = self.numbers(job_overrides, initial_job_idx)
        jobs = [
            composer.compose(number, overrides)
            for number, overrides in zip(numbers, job_overrides, strict=True)
        ]
        objectives = run_jobs(jobs, sweep, Means(*self.means), self.train())
        return [
            JobReturn(job.overrides, status=JobStatus.COMPLETED, _return_value=objective)
            for job, objective in zip(jobs, objectives, strict=True)
        ]

    def numbers(self, jobs: Sequence[Sequence[str]], first: int) -> list[int]:
        """Return the numbers of a batch of jobs, as the folder of the multirun has them.

        Args:
            jobs: Their overrides.
            first: How many came before them in other batches.
        """
        from snnjax.listing import job_numbers

        sweep = Path(str(self.config.hydra.sweep.dir)).absolute()
        if not self.every_job:
            return job_numbers(sweep, jobs, first)
        return job_numbers(sweep, self.every_job, 0)[first : first + len(jobs)]

    def train(self) -> "Train | None":
        """Return what trains the runs; None for this process."""
        return None
