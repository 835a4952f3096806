"""What the product sweeper hands to a launcher, and which numbers the runs get."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.snnjax_launchers.population import PopulationLauncher
from hydra_plugins.snnjax_launchers.product import ProductSweeper
from snnjax.config.sources import folder, register
from snnjax.listing import list_runs

STAGED: dict[str, Any] = {
    "params": {"seed": "0,1"},
    "methods": {"snn": {"model.dropout": "0,0.05"}, "resnet": [{"model.depth": "2"}]},
    "stages": [{"data.name": "iris,wine"}, {"data.name": "letter"}],
}


class Noting:
    """Stands in for a launcher; notes what it is given, and lists runs as one does."""

    def __init__(self, folder: Path) -> None:
        self.every_job: Sequence[Sequence[str]] = ()
        self.batches: list[list[list[str]]] = []
        self.firsts: list[int] = []
        self.folder = folder

    def launch(self, jobs: Sequence[Sequence[str]], initial_job_idx: int) -> list[Any]:
        self.batches.append([[*job] for job in jobs])
        self.firsts.append(initial_job_idx)
        return [SimpleNamespace(return_value=0.0) for _ in jobs]


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[tuple[HydraContext, DictConfig]]:
    register()
    loader = ConfigLoaderImpl(create_config_search_path(str(folder("conf"))))
    given = [f"hydra.sweep.dir={tmp_path}/out"]
    master = loader.load_configuration("config", given, run_mode=RunMode.MULTIRUN)
    HydraConfig.instance().set_config(master)
    yield HydraContext(loader, Callbacks()), master
    GlobalHydra.instance().clear()


@pytest.fixture
def noting(
    loaded: tuple[HydraContext, DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Noting:
    launcher = Noting(tmp_path / "out")

    def instantiate(self: Plugins, **_: Any) -> Noting:
        return launcher

    monkeypatch.setattr(Plugins, "instantiate_launcher", instantiate)
    return launcher


def sweep(
    loaded: tuple[HydraContext, DictConfig], settings: dict[str, Any], *given: str, **more: Any
) -> None:
    context, master = loaded
    sweeper = ProductSweeper(**OmegaConf.create(settings), **more)
    task: Any = lambda _: None  # noqa: E731
    function: TaskFunction = task
    sweeper.setup(hydra_context=context, task_function=function, config=master)
    sweeper.sweep([*given])


def test_stages_are_batches_and_numbers_go_on(loaded, noting) -> None:
    sweep(loaded, STAGED)
    assert [len(batch) for batch in noting.batches] == [2 * 2 * 3, 2 * 3]
    assert noting.firsts == [0, 12]
    assert [*noting.every_job] == [job for batch in noting.batches for job in batch]
    assert (noting.folder / "multirun.yaml").exists()


def test_batches_have_at_most_as_many_runs_as_asked_for(loaded, noting) -> None:
    sweep(loaded, STAGED, max_batch_size=5)
    assert [len(batch) for batch in noting.batches] == [5, 5, 2, 5, 1]
    assert noting.firsts == [0, 5, 10, 12, 17]


def test_a_share_is_that_of_the_configuration(loaded, noting) -> None:
    _, master = loaded
    master.sweep.scale = 0.5
    scaled = {"rounded": ["training.epochs"], "first": ["seed"], "evenly": ["model.*"]}
    sweep(loaded, STAGED | {"scaled": scaled}, "model=snn")
    assert [job[-1] for job in noting.batches[1]] == ["training.epochs=50"]


class Listing(PopulationLauncher):
    """Lists the runs as the launcher does, and trains none."""

    def __init__(self, master: DictConfig) -> None:
        super().__init__()
        self.config = master
        self.given: dict[tuple[str, ...], int] = {}

    def launch(self, jobs: Sequence[Sequence[str]], initial_job_idx: int) -> list[Any]:
        folder = Path(self.config.hydra.sweep.dir)
        rows = [
            (number, folder / str(number), job)
            for number, job in zip(self.numbers(jobs, initial_job_idx), jobs, strict=True)
        ]
        list_runs(folder, rows)
        self.given |= {tuple(job): number for number, _, job in rows}
        return [SimpleNamespace(return_value=0.0) for _ in jobs]


def test_more_seeds_leave_the_numbers_of_every_stage_as_they_were(loaded, monkeypatch) -> None:
    launcher = Listing(loaded[1])
    monkeypatch.setattr(Plugins, "instantiate_launcher", lambda self, **_: launcher)
    sweep(loaded, STAGED)
    before, launcher.given = launcher.given, {}
    assert sorted(before.values()) == [*range(18)]
    sweep(loaded, STAGED | {"params": {"seed": "2,0,1"}})
    assert {job: launcher.given[job] for job in before} == before
    assert sorted(launcher.given.values()) == [*range(27)]
