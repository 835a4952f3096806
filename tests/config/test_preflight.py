from pathlib import Path

import pytest

from snnjax.config.errors import ConfigError, enumerate_names
from snnjax.config.preflight import preflight
from snnjax.config.sources import folder, groups, register

MODELS = enumerate_names(groups()["model"])


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()


def refused(*overrides: str, multirun: bool = False) -> str:
    with pytest.raises(ConfigError) as caught:
        preflight(overrides, multirun)
    return str(caught.value)


def test_what_is_right_passes() -> None:
    preflight([])
    preflight(["+experiment=cifar", "model.depth=2", "++seed=3"])
    preflight(["model=snn,msra", "seed=range(0,3)", "optimizer=glob(*)"], multirun=True)
    preflight(["seed=shuffle(range(3))", "model.width=choice(8,16)"], multirun=True)
    preflight(["+hydra.job.env_set.A=1", "+hydra.launcher.foo=1", "~hydra.callbacks.summary"])
    preflight(["hydra.mode=MULTIRUN", "seed=0,1"])
    preflight(["logging.wandb.group=${hydra:runtime.choices.model}-${hydra:job.num}"])


def test_optimizer_key_of_another_optimizer_is_told_in_our_words() -> None:
    assert refused("optimizer=nadam", "optimizer.momentum=0.9").startswith(
        "optimizer.momentum=0.9: is a key of optimizer=sgd; allowed: name, learning_rate, b1"
    )


def test_every_swept_value_is_checked_and_told_once() -> None:
    swept = ("seed=0,-1", "model=snn,msra", "model.depth=1,-1,-1")
    lines = refused(*swept, multirun=True).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["seed=-1", "model.depth=-1"]
    assert refused("+sweep=quickstart", "training.epochs=0").count("\n") == 0
    assert refused("+sweep=quickstart", "seed=0,x").startswith("seed=x: wrong type")


def test_a_bad_first_value_is_told_once() -> None:
    assert refused("seed=x,1,2", "model=snn,msra", multirun=True).startswith("seed=x: wrong type")


def test_several_values_without_m() -> None:
    assert (
        refused("seed=0,1")
        == "seed=0,1: several values make several runs; add -m to start them all"
    )


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("model.depth=[1", "model.depth=[1: not an override Hydra can read"),
        ("hydra/launcher=foo", "Available options in 'hydra/launcher': basic"),
        ("hydra.run.dri=x", "hydra.run.dri"),
        ("model={dept: 3}", "dept"),
        ("seed=${nope}", "seed=${nope}: there is no key nope; allowed: an integer >= 0"),
        ("+hydra.foo=1", "+hydra.foo=1: unknown key; allowed: defaults, mode"),
        ("++hydra.run.dri=x", "unknown key; allowed: dir; did you mean hydra.run.dir?"),
    ],
)
def test_what_hydra_refuses_is_one_line(token: str, words: str) -> None:
    line = refused(token)
    assert words in line
    assert "\n" not in line


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("name: snn\ndepth: -1\n")
    with pytest.raises(ConfigError, match=r"^model\.depth=-1: out of range"):
        preflight(["model=mine"], config_dir=str(tmp_path))


def test_no_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    preflight(["+sweep=quickstart"])
    refused("seed=x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["range(0)", "glob(*)", "shuffle(range(3,3))"])
@pytest.mark.parametrize("multirun", [True, False])
def test_a_sweep_over_nothing(value: str, multirun: bool) -> None:
    line = f"seed={value}: no value among them to run with; allowed: an integer >= 0"
    assert refused(f"seed={value}", "sweep.skip_invalid=true", multirun=multirun).startswith(line)


def test_a_sweep_over_no_group_and_one_of_a_sweep_file(tmp_path: Path) -> None:
    line = refused("model=glob(zz*)", multirun=True)
    assert line == f"model=glob(zz*): no value among them to run with; allowed: {MODELS}"
    (tmp_path / "sweep").mkdir()
    text = (
        "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params: {seed: range(0)}\n"
    )
    (tmp_path / "sweep" / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"^seed=range\(0\): no value"):
        preflight(["+sweep=mine"], config_dir=str(tmp_path))


def test_an_interval_needs_a_sweeper_that_draws(tmp_path: Path) -> None:
    swept = "model.dropout=interval(0.1,0.5)"
    for sweeper in ("product", "basic"):
        line = (
            f"{swept}: hydra/sweeper={sweeper} tries every value and cannot draw from an "
            "interval; allowed: single values such as 0.1,0.5, or another hydra/sweeper"
        )
        assert refused(swept, f"hydra/sweeper={sweeper}", multirun=True) == line
        assert refused(swept, f"hydra/sweeper={sweeper}") == line
    (tmp_path / "hydra" / "sweeper").mkdir(parents=True)
    text = (folder("conf") / "hydra" / "sweeper" / "product.yaml").read_text(encoding="utf-8")
    (tmp_path / "hydra" / "sweeper" / "mine.yaml").write_text(text)
    preflight([swept, "hydra/sweeper=mine"], multirun=True, config_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("model:\n  depth: 2\n  depth: 3\n", 3, "found duplicate key depth"),
        ("a: [1\nb: 2\n", 2, "expected ',' or ']', but got ':'"),
    ],
)
def test_broken_yaml_is_one_line_with_its_place(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    (tmp_path / "experiment").mkdir()
    path = tmp_path / "experiment" / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        preflight(["+experiment=mine"], config_dir=str(tmp_path))
    assert caught.value.mistakes == (f"{path}:{line}: {problem}",)


def test_a_file_without_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("model:\n  depth: 2\n")
    with pytest.raises(ConfigError, match=r"^experiment=.*must be # @package _global_\)"):
        preflight(["+experiment=mine"], config_dir=str(tmp_path))


def test_another_primary_file_is_checked_too(tmp_path: Path) -> None:
    text = "defaults:\n  - config\n  - _self_\nmodel:\n  depth: -1\n"
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"^model\.depth=-1: out of range"):
        preflight([], config_dir=str(tmp_path), config_name="mine")
    preflight(["model.depth=1"], config_dir=str(tmp_path), config_name="mine")
    with pytest.raises(ConfigError, match="Cannot find primary config 'nope'"):
        preflight([], config_name="nope")


def test_a_folder_of_ones_own_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--config-dir=.*/nope: is not an existing folder$"):
        preflight([], config_dir=str(tmp_path / "nope"))


@pytest.mark.parametrize("typed", ["1e-400", "1e400", "0.00", "-1.50"])
def test_numbers_are_shown_as_typed(typed: str) -> None:
    assert refused(f"optimizer.learning_rate={typed}").startswith(
        f"optimizer.learning_rate={typed}: "
    )


@pytest.mark.parametrize("scale", ["0", "-0.1", "1.5", "x", "null"])
def test_a_share_that_is_none_is_told_whatever_else_is_allowed(scale: str) -> None:
    for more in ((), ("sweep.skip_invalid=true",)):
        line = refused("+sweep=quickstart", f"sweep.scale={scale}", *more)
        assert line.startswith(f"sweep.scale={scale}: ")
        assert "\n" not in line


def test_only_a_sweep_can_be_scaled_and_only_by_our_sweeper() -> None:
    assert refused("sweep.scale=0.5") == (
        "sweep.scale=0.5: a run alone has no share; allowed: 1, or a sweep"
    )
    swept = ("seed=0,1", "sweep.scale=0.5", "hydra/sweeper=basic")
    assert refused(*swept, multirun=True) == (
        "sweep.scale=0.5: hydra/sweeper=basic takes no share; allowed: 1, or hydra/sweeper=product"
    )
    preflight(["seed=0,1", "sweep.scale=0.5"], multirun=True)


def test_grids_of_methods_are_checked_value_by_value(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\n"
        "hydra:\n  mode: MULTIRUN\n  sweeper:\n    methods:\n"
        "      snn: {model.dropout: '0,2', model.form: 'conic,round'}\n"
        "      msra: {model.widht: '8'}\n"
    )
    with pytest.raises(ConfigError) as caught:
        preflight(["+experiment=mine"], config_dir=str(tmp_path))
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "model.dropout=2",
        "model.form=round",
        "model.widht=8",
    ]


def test_a_method_that_is_none_is_told() -> None:
    assert refused("+sweep=uci_small", "model=maxout") == (
        "model=maxout: no method of this sweep; "
        "allowed: snn, msra, batchnorm, weightnorm, layernorm, highway, resnet"
    )
