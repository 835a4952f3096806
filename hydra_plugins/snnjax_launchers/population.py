"""`hydra/launcher=population`: the jobs of a multirun trained together, each in its own folder."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.snnjax_launchers.composer import Composer
from snnjax.experiment import Means


class PopulationLauncher(Launcher):
    """Makes every job's folder as Hydra would, then hands all jobs over at once.

    Args:
        members: Most runs in one population; None leaves the number to the machine.
        workers: Populations trained at once; None leaves the number to the machine.
        lanes: Members computed in lockstep; None leaves the number to the machine.
    """

    def __init__(
        self, members: int | None = None, workers: int | None = None, lanes: int | None = None
    ) -> None:
        self.means = Means(members, workers, lanes)

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
        from snnjax.app import run_jobs

        setup_globals()
        composer = Composer(self.context.config_loader, self.config)
        jobs = [
            composer.compose(initial_job_idx + position, overrides)
            for position, overrides in enumerate(job_overrides)
        ]
        objectives = run_jobs(jobs, self.means)
        return [
            JobReturn(job.overrides, status=JobStatus.COMPLETED, _return_value=objective)
            for job, objective in zip(jobs, objectives, strict=True)
        ]
