from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import check_each

from snnjax.config.errors import ConfigError, enumerate_names
from snnjax.config.fields import annotations, leaves, own_leaves, sections
from snnjax.config.overrides import check_overrides
from snnjax.config.schema import Config, ModelConfig
from snnjax.config.sources import ADDED_GROUPS, groups


def test_every_key_of_the_schema_passes() -> None:
    paths = {leaf.path for leaf in leaves(Config)} - {"optimizer.name", "schedule.name"}
    check_each(sorted(paths), str, passes)


def passes(path: str) -> None:
    for token in (f"{path}=1", f"++{path}=[1,2]", f"{path}=1,2", f"{path}=range(1,3)"):
        assert check_overrides([token]) == [token]
    with pytest.raises(ConfigError, match=f"unknown key; allowed: .*; did you mean {path}"):
        check_overrides([f"{path}x=1"])


@pytest.mark.parametrize("group", groups())
def test_every_choice_of_every_group_passes(group: str) -> None:
    sweep = f"{group}={','.join(groups()[group])}"
    plus = "+" if group in ADDED_GROUPS else ""
    assert check_overrides(["-m", sweep]) == ["-m", plus + sweep]
    for name in groups()[group]:
        assert check_overrides([f"{group}={name}"]) == [f"{plus}{group}={name}"]
        with pytest.raises(ConfigError, match=f"{group}={name}qq: no such choice; allowed: "):
            check_overrides([f"{group}={name},{name}qq"])


@pytest.mark.parametrize(
    "argv",
    [
        ["--cfg", "job", "-m"],
        ["--help"],
        ["--info", "searchpath"],
        ["-p", "model", "seed=1"],
        ["hydra.run.dir=x", "hydra/launcher=basic", "+hydra.foo=1", "~hydra.callbacks.summary"],
        ["+experiment=cifar", "model=choice(snn, msra)", "model@other=snn", "model=glob(s*)"],
        ["+experiment=[cifar,htru2]", "model='snn'", "model=shuffle(snn, msra)"],
        ["--shell-completion", "install=bash"],
        [
            "data.root='a=b, c'",
            "logging.wandb.group='${data.name}'",
            "logging.wandb={mode: disabled}",
        ],
    ],
)
def test_what_is_right_or_hydras_own_is_left_alone(argv: list[str]) -> None:
    assert check_overrides(argv) == argv


MODELS = enumerate_names(groups()["model"])
KEYS = enumerate_names([*own_leaves(ModelConfig)])
OPTIMIZERS = enumerate_names(groups()["optimizer"])
OPTIMIZER_KEYS = enumerate_names(
    list(
        dict.fromkeys(
            key
            for schema in sections(annotations(Config)["optimizer"])
            for key in own_leaves(schema)
        )
    )
)
TOP = enumerate_names(list(dict.fromkeys((*annotations(Config), *groups()))))


@pytest.mark.parametrize(
    ("token", "line"),
    [
        ("+experiments=cifar", f"unknown key; allowed: {TOP}; did you mean experiment=cifar?"),
        ("experiments=cfar", f"unknown key; allowed: {TOP}; did you mean experiment?"),
        ("+foo.bar=3", f"unknown key; allowed: {TOP}"),
        ("epochs=5", f"unknown key; allowed: {TOP}; did you mean training.epochs?"),
        ("modle.depth=5", f"unknown key; allowed: {TOP}; did you mean model.depth?"),
        (
            "model.epochs=5",
            f"unknown key; allowed: {KEYS}; did you mean training.epochs?",
        ),
        (
            "optimizer.learning_rat=0.1",
            f"unknown key; allowed: {OPTIMIZER_KEYS}; did you mean optimizer.learning_rate?",
        ),
        ("model=sn", f"no such choice; allowed: {MODELS}; did you mean snn?"),
        (
            "optimizer.name=nadam",
            f"is set by choosing the optimizer; allowed: {OPTIMIZERS}; "
            "did you mean optimizer=nadam?",
        ),
        (
            "optimizer.name=optax",
            f"is set by choosing the optimizer; allowed: {OPTIMIZERS}; "
            "did you mean optimizer=optax?",
        ),
        (
            "model.name=msra",
            f"is set by choosing the model; allowed: {MODELS}; did you mean model=msra?",
        ),
        ("+model.depth=3", "exists already, to be set without a +; did you mean model.depth?"),
        ("+model=snn", "has a choice already, to be changed without a +; did you mean model=snn?"),
        ("quickstart", "not of the form key=value; did you mean experiment=quickstart?"),
        ("=3", "not of the form key=value"),
        ("model=", f"no such choice; allowed: {MODELS}"),
        ("model=${nope}", f"no such choice; allowed: {MODELS}"),
        ("optimizer={a:1,b:2}", f"no such choice; allowed: {OPTIMIZERS}"),
        (
            "model=[snn,msra]",
            "one model at a time; -m with model=... and commas makes several runs; "
            f"allowed: {MODELS}",
        ),
        ("~model", f"nothing can be deleted, its default would stand in; allowed: {MODELS}"),
        ("~seed=0", "nothing can be deleted, its default would stand in; allowed: another value"),
    ],
)
def test_the_line_a_user_reads(token: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_overrides([token])
    assert str(caught.value) == f"{token}: {line}"


@pytest.mark.parametrize("key", ["data", "experiment", "model.depth", "logging.wandb", "sweep"])
def test_nothing_can_be_deleted(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"^~{key}: nothing can be deleted"):
        check_overrides([f"~{key}"])


def test_names_in_a_list_of_experiments_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"^experiment=cifr: no such choice.*mean cifar\?$"):
        check_overrides(["experiment=[quickstart,cifr]"])


def test_a_data_set_named_as_a_group_is_pointed_to_its_key() -> None:
    with pytest.raises(ConfigError, match=r"did you mean data\.name=wine\?"):
        check_overrides(["data=wine"])


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        check_overrides(["epochs=1", "seed=2", "model=x", "~modle"])
    assert [line.partition(":")[0] for line in caught.value.mistakes] == [
        "epochs=1",
        "model=x",
        "~modle",
    ]


@pytest.mark.parametrize("option", ["--config-dir", "-cd", "--config-path"])
def test_groups_of_ones_own_folder_are_known(tmp_path: Path, option: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("name: snn\n")
    argv = [option, str(tmp_path), "model=mine"]
    assert check_overrides(argv) == argv
    assert check_overrides([f"{option}={tmp_path}", "model=mine"])
    with pytest.raises(ConfigError, match="model=mine"):
        check_overrides(["model=mine"])


def test_check_imports_neither_hydra_nor_numpy(run_code: Callable[..., Any]) -> None:
    code = (
        "from snnjax.config.overrides import check_overrides\n"
        "check_overrides(['seed=1', 'model=snn', 'experiment=cifar'])"
    )
    done, imported = run_code(code)
    assert done.returncode == 0
    assert not imported & {"hydra", "omegaconf", "yaml", "numpy", "jax"}


def test_scale_is_short_for_the_key_of_the_sweep() -> None:
    assert check_overrides(["+sweep=uci", "scale=0.1"]) == ["+sweep=uci", "sweep.scale=0.1"]
    with pytest.raises(ConfigError, match=r"^\+\+?scale=0\.1: unknown key"):
        check_overrides(["+scale=0.1"])
