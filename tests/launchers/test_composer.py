"""Jobs composed by exchanging values equal those that Hydra composes from its files."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import slow_but
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from hydra_plugins.snnjax_launchers.composer import Composer
from hydra_plugins.snnjax_launchers.yaml_template import YamlTemplate
from snnjax.config.sources import folder, register

SWEEPS = {
    "values": (
        ["seed=0", "optimizer.learning_rate=0.1", "model.dropout=0"],
        ["seed=7", "optimizer.learning_rate=1e-3", "model.dropout=0.5"],
    ),
    "groups and values": (
        ["model=snn", "data=uci", "data.name=wine", "+experiment=uci", "optimizer=nadam"],
        ["model=msra", "data=uci", "data.name=letter", "+experiment=uci", "optimizer=sgd"],
        ["model=msra", "data=uci", "data.name=abalone", "+experiment=uci", "optimizer=sgd"],
    ),
    "grids of methods": (
        ["data.name=wine", "model=snn", "model.form=conic", "model.dropout=0.05"],
        ["data.name=wine", "model=resnet", "model.form=diavolo", "model.bottleneck=0.25"],
        ["data.name=iris", "model=snn", "model.form=rectangular", "model.dropout=0"],
    ),
    "interpolations": (
        ["seed=3", "data.fold=${seed}", "logging.wandb.group=width-${model.width}"],
        ["seed=2", "data.fold=${seed}", "logging.wandb.group=x-${hydra:job.num}"],
    ),
    "text that needs quotes": (
        ["data.root='a: b'", "logging.wandb.group=null"],
        ["data.root='#1'", "logging.wandb.group='1e3'"],
        ["data.root=" + "/".join(["a folder"] * 20), "logging.wandb.group='true'"],
    ),
    "groups and interpolations": (
        ["model=snn", "data.name=wine", "logging.wandb.group=${model.activation}", "seed=1"],
        ["model=msra", "data.name=wine", "logging.wandb.group=${model.activation}", "seed=2"],
        ["model=msra", "data.name=iris", "logging.wandb.group=${data.name}-${seed}", "seed=3"],
        ["model=msra", "data.name=iris", "logging.wandb.group=plain", "seed=${data.fold}"],
    ),
    "sections": (
        ["logging.wandb={group: one, mode: online}", "seed=1"],
        ["logging.wandb={group: two}", "seed=2"],
        ["logging.wandb={project: three}", "seed=3"],
    ),
    "of Hydra's job": (
        ["seed=1", "logging.wandb.group=${hydra:job.id}"],
        ["seed=2", "logging.wandb.group=${hydra:runtime.output_dir}"],
        ["seed=3", "logging.wandb.group=${hydra:runtime.output_dir}"],
    ),
    "arguments of an optimizer": (
        ["optimizer=yogi", "++optimizer.arguments.b1=0.8"],
        ["optimizer=yogi", "++optimizer.arguments.b1=1e-2"],
        ["optimizer=lamb", "++optimizer.arguments.mask=null"],
    ),
    "added and forced": (
        ["++seed=4", "data.validation=default"],
        ["++seed=5", "data.validation=0.2"],
    ),
}


SUBDIRS = (
    "${model.name}/${hydra.job.num}",
    "${hydra.job.override_dirname}/${seed}-${hydra.job.num}",
)


# Quick, every other sweep has the other folders.
PAIRS = [*itertools.product(SWEEPS, SUBDIRS)]
PAIRS = slow_but(PAIRS, *range(0, len(PAIRS), 4), *range(3, len(PAIRS), 4))


@pytest.fixture
def subdir() -> str:
    return SUBDIRS[0]


@pytest.fixture
def context(tmp_path: Path, subdir: str) -> Iterator[tuple[HydraContext, DictConfig]]:
    register()
    setup_globals()
    loader = ConfigLoaderImpl(create_config_search_path(str(folder("conf"))))
    overrides = [
        f"hydra.sweep.dir={tmp_path}/ours",
        f"hydra.sweep.subdir='{subdir}'",
    ]
    master = loader.load_configuration("config", overrides, run_mode=RunMode.MULTIRUN)
    HydraConfig.instance().set_config(master)
    yield HydraContext(loader, Callbacks()), master
    GlobalHydra.instance().clear()


def by_hydra(context: HydraContext, master: DictConfig, number: int, overrides: list[str]) -> Path:
    """Make a job's folder as BasicLauncher does."""
    composed = context.config_loader.load_sweep_config(master, overrides)
    with open_dict(composed):
        composed.hydra.job.id = composed.hydra.job.num = number
    resolved = {}

    def keep(cfg: DictConfig) -> None:
        resolved["task"] = OmegaConf.to_container(cfg, resolve=True)

    done = run_job(keep, composed, "hydra.sweep.dir", "hydra.sweep.subdir", context, False)
    done.return_value  # noqa: B018  raises what the job raised
    return Path(done.hydra_cfg.hydra.runtime.output_dir), resolved["task"]


@pytest.mark.parametrize(("name", "subdir"), PAIRS)
def test_jobs_equal_hydras_own(name, context, tmp_path):
    hydra, master = context
    jobs = list(SWEEPS[name])
    composer = Composer(hydra.config_loader, master)
    # Twice and backwards, so that each job also comes after another of its family.
    for number, overrides in enumerate([*jobs, *reversed(jobs)]):
        job = composer.compose(number, overrides)
        assert not (job.folder / ".hydra").exists()
        job.make_folder()
        ours = {path.name: path.read_text() for path in (job.folder / ".hydra").iterdir()}
        expected_folder, expected = by_hydra(hydra, master, number, overrides)
        assert job.folder == expected_folder
        assert job.config == expected
        theirs = {path.name: path.read_text() for path in (expected_folder / ".hydra").iterdir()}
        assert ours == theirs


def test_a_template_exchanges_lists_groups_and_nothing():
    config = OmegaConf.create(
        {"a": {"b": [1, 2], "c": {"d": None, "e": "x y"}}, "f": "one\ntwo", "g": {}, "h": True}
    )
    template = YamlTemplate(config)
    assert template.render({}) == OmegaConf.to_yaml(config)
    changes = {"a.b": [], "a.c.e": "a: b", "f": None, "h": [3, {"k": 1}], "a.c.d": 0.5}
    for size in range(len(changes) + 1):
        for some in itertools.combinations(changes, size):
            expected = config.copy()
            for key in some:
                OmegaConf.update(expected, key, changes[key], merge=False)
            values = {key: changes[key] for key in some}
            assert template.render(values) == OmegaConf.to_yaml(expected)


def test_a_thousand_jobs_need_few_compositions(context, monkeypatch):
    hydra, master = context
    composed = []
    original = type(hydra.config_loader).load_sweep_config

    def count(self, *arguments):
        composed.append(arguments)
        return original(self, *arguments)

    monkeypatch.setattr(type(hydra.config_loader), "load_sweep_config", count)
    composer = Composer(hydra.config_loader, master)
    jobs = itertools.product(("snn", "msra"), range(50))
    folders = {
        composer.compose(n, [f"model={model}", f"seed={seed}"]).folder
        for n, (model, seed) in enumerate(jobs)
    }
    assert len(folders) == 100
    assert len(composed) == 2
