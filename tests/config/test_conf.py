"""Every YAML file composes and converts; the files are found by listing the folders."""

from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest
from conftest import check_each
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from snnjax.config.errors import ConfigError
from snnjax.config.fields import entries, is_open, leaves, own_leaves, sections, subsections
from snnjax.config.preflight import preflight
from snnjax.config.schema import CONVOLUTIONAL, Config
from snnjax.config.sources import ADDED_GROUPS, describe_groups, folder, groups, register
from snnjax.config.strict import from_hydra
from snnjax.data import catalog

# Of those that are optax's by name one stands for all.
SIMILAR = ("adabelief", "lamb", "optax", "radam")
OPTIMIZERS = [name for name in groups()["optimizer"] if name not in SIMILAR]
CHOICES = [(group, name) for group, names in groups().items() for name in names]
# Choices of `model` that are perceptrons of one activation rather than networks by name.
OF_ONE_ACTIVATION = ("sigmoid", "tanh", "leaky")

FILES = [path for top in ("conf", "sweeps") for path in sorted(folder(top).glob("**/*.yaml"))]


def compose_with(*overrides: str) -> DictConfig:
    if not GlobalHydra.instance().is_initialized():
        initialize_config_dir(str(folder("conf")), version_base="1.3")
    return compose("config", list(overrides))


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Iterator[None]:
    register()
    yield
    GlobalHydra.instance().clear()


def override(group: str, name: str) -> str:
    return f"{'+' if group in ADDED_GROUPS else ''}{group}={name}"


def keys_of(section: Any, prefix: str = "") -> set[str]:
    """Return every dotted key, those too that have no meaning beside the others."""
    keys = set()
    for name, leaf in own_leaves(type(section), prefix).items():
        given = getattr(section, name)
        keys |= {own.path for own, _ in entries(leaf, given)} if is_open(leaf) else {leaf.path}
    for name in subsections(type(section)):
        keys |= keys_of(getattr(section, name), f"{prefix}{name}.")
    return keys


# A choice that makes sense beside another than the default only.
BESIDE = {
    ("schedule", "onecycle"): ["optimizer=momentum"],
    ("data", "table"): [f"data.path={Path(__file__)}"],
    ("data", "images"): [f"data.path={Path(__file__).parent}"],
    ("sweep", "glorot_images"): [f"data.path={Path(__file__).parent}"],
}


@pytest.mark.parametrize("choice", CHOICES, ids="=".join)
def test_every_choice_composes_and_converts(choice: tuple[str, str]) -> None:
    cfg = compose_with(override(*choice), *BESIDE.get(choice, []))
    config = from_hydra(cfg)
    assert keys_of(config) == paths_of(OmegaConf.to_container(cfg))  # --cfg job shows every key


def paths_of(node: object, prefix: str = "") -> set[str]:
    if not isinstance(node, dict):
        return {prefix}
    return {path for k, v in node.items() for path in paths_of(v, f"{prefix}.{k}" if prefix else k)}


MODELS = groups()["model"]


@pytest.mark.parametrize("experiment", groups()["experiment"])
def test_experiments_go_with_every_model_and_every_optimizer(experiment: str) -> None:
    """Every optimizer beside some model that the experiment's images, or rows, are for."""
    is_of_images = experiment.endswith("_cnn")
    fitting = [model for model in MODELS if (model in CONVOLUTIONAL) == is_of_images]
    pairs = [*zip(cycle(fitting), OPTIMIZERS, strict=False)]
    pairs += [(model, "sgd") for model in MODELS if model not in fitting]
    check_each(pairs, " and ".join, lambda pair: goes_with(experiment, *pair))


@pytest.mark.slow
@pytest.mark.parametrize("experiment", groups()["experiment"])
def test_experiments_go_with_every_pair_of_both(experiment: str) -> None:
    pairs = product(MODELS, OPTIMIZERS)
    check_each(pairs, " and ".join, lambda pair: goes_with(experiment, *pair))


def goes_with(experiment: str, model: str, optimizer: str) -> None:
    names = (("experiment", experiment), ("model", model), ("optimizer", optimizer))
    cfg = compose_with(*(override(*name) for name in names))
    if model in CONVOLUTIONAL and cfg.data.name not in catalog.images():
        with pytest.raises(ConfigError, match=f"{cfg.data.name} holds no images"):
            from_hydra(cfg)
        return
    if experiment == "cifar_cnn" and model not in CONVOLUTIONAL:
        with pytest.raises(ConfigError, match=r"conv_dropout=0\.1: has no meaning without"):
            from_hydra(cfg)
        return
    config = from_hydra(cfg)
    assert config.model.name == ("mlp" if model in OF_ONE_ACTIVATION else model)


def test_without_arguments_the_defaults_of_the_schema_hold() -> None:
    assert from_hydra(compose_with()) == Config()


@pytest.mark.parametrize("sweep", groups()["sweep"])
def test_every_job_of_a_sweep_is_valid(sweep: str) -> None:
    GlobalHydra.instance().clear()
    preflight([f"+sweep={sweep}", *BESIDE.get(("sweep", sweep), [])])


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_files_say_what_they_are_and_set_known_keys(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("#")
    assert path.parent.name not in ADDED_GROUPS or "@package _global_" in path.read_text()


def test_cifar_is_the_keras_study() -> None:
    config = from_hydra(compose_with("+experiment=cifar"))
    assert (config.model.depth, config.model.width, config.model.dropout) == (20, 100, 0.0)
    assert (config.optimizer.name, config.optimizer.learning_rate) == ("nadam", 7e-4)
    assert (config.training.epochs, config.training.batch_size) == (50, 32)
    assert (config.data.validation, config.data.standardize) == (0.1, "standard")
    assert config.training.restore_best


def test_help_lists_every_group_and_only_keys_there_are() -> None:
    listed = describe_groups()
    assert all(f"  {group} " in listed for group in groups())
    text = (folder("conf") / "hydra" / "help" / "snnjax.yaml").read_text(encoding="utf-8")
    known = {leaf.path for leaf in leaves(Config)}
    sections_known = {path.partition(".")[0] for path in known if "." in path}
    words = {word.rstrip(",") for word in text.replace("=", " ").split()}
    dotted = {word for word in words if word.partition(".")[0] in sections_known and "." in word}
    assert dotted <= known
    assert len(dotted) >= 5
    assert sections(Config) == (Config,)
