"""`hydra/sweeper=product`: the grids of all methods of a sweep, or a share of them."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class ProductSweeper(Sweeper):
    """Every combination of the swept values, for each method those of its own grids.

    Unlike Hydra's own sweeper it rehearses nothing, which would compose every job a second time:
    the command line was checked before, and the launcher composes all jobs before it starts the
    first. See `snnjax.config.methods` for what the arguments mean.

    Args:
        max_batch_size: Most jobs that the launcher gets at once; None for all of a stage.
        params: Axes of all runs.
        methods: Methods, each with axes of its own.
        stages: Axes that are trained one after another.
        scaled: What `sweep.scale` takes a share of.
    """

    def __init__(
        self,
        max_batch_size: int | None = None,
        params: Mapping[str, Any] | None = None,
        methods: Mapping[str, Any] | None = None,
        stages: Sequence[Any] | None = None,
        scaled: Mapping[str, Any] | None = None,
    ) -> None:
        self.max_batch_size = max_batch_size
        self.settings: Mapping[str, Any] = {
            "params": params,
            "methods": methods,
            "stages": stages,
            "scaled": scaled,
        }

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher that the configuration asks for."""
        from hydra.core.plugins import Plugins

        self._context, self._master = hydra_context, config
        self._launcher: Any = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Sequence[Sequence[JobReturn]]:
        """Hand all jobs to the launcher, stage by stage; raise what a job raised.

        Args:
            arguments: The command line's overrides.
        """
        stages = self._jobs(arguments)
        if hasattr(self._launcher, "every_job"):
            self._launcher.every_job = [job for jobs in stages for job in jobs]
        folder = Path(str(self._master.hydra.sweep.dir))
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self._master, folder / "multirun.yaml")
        returns: list[Sequence[JobReturn]] = []
        first = 0
        for jobs in stages:
            for batch in self._batches(jobs):
                done = self._launcher.launch(batch, initial_job_idx=first)
                for job in done:
                    _ = job.return_value
                first += len(batch)
                returns.append(done)
        return returns

    def _jobs(self, arguments: Sequence[str]) -> list[list[list[str]]]:
        from snnjax.config.axes import axes_of, values_of
        from snnjax.config.methods import read_sweep

        parser = OverridesParser.create(config_loader=self._context.config_loader)
        settings = {name: _plain(value) for name, value in self.settings.items()}
        given = axes_of(parser, arguments)
        sweep = read_sweep(settings, given, partial(values_of, parser))
        share = float(OmegaConf.select(self._master, "sweep.scale", default=1.0))
        stages = sweep.jobs(share, partial(OmegaConf.select, self._master))
        return [[[*job] for job in jobs] for jobs in stages if jobs]

    def _batches(self, jobs: Sequence[Sequence[str]]) -> Sequence[Sequence[Sequence[str]]]:
        size = self.max_batch_size or len(jobs)
        return [jobs[start : start + size] for start in range(0, len(jobs), size)]


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
