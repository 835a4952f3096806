from pathlib import Path

import pytest

from snnjax.config.errors import ConfigError
from snnjax.config.preflight import preflight
from snnjax.config.sources import register


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()


def refused(*overrides: str, multirun: bool = False) -> str:
    with pytest.raises(ConfigError) as caught:
        preflight(overrides, multirun)
    return str(caught.value)


def test_what_is_right_passes() -> None:
    preflight([])
    preflight(["+experiment=cifar", "model.depth=2", "~model.depth", "++seed=3"])
    preflight(["model=snn,msra", "seed=range(0,3)", "optimizer=glob(*)"], multirun=True)
    preflight(["model.dropout=interval(0,0.5)", "model.width=choice(8,16)"], multirun=True)
    preflight(["hydra.mode=MULTIRUN", "seed=0,1"])
    preflight(["logging.wandb.group=${hydra:runtime.choices.model}-${hydra:job.num}"])


def test_optimizer_key_of_another_optimizer_is_told_in_our_words() -> None:
    assert refused("optimizer=nadam", "optimizer.momentum=0.9").startswith(
        "optimizer.momentum=0.9: is a key of optimizer=sgd; allowed: name, learning_rate, b1"
    )


def test_every_swept_value_is_checked_and_told_once() -> None:
    lines = refused("seed=0,-1", "model=snn,msra", "model.depth=1,0,0", multirun=True).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["seed=-1", "model.depth=0"]
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
        ("seed=${nope}", "seed: Interpolation key 'nope' not found"),
    ],
)
def test_what_hydra_refuses_is_one_line(token: str, words: str) -> None:
    line = refused(token)
    assert words in line
    assert "\n" not in line


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("name: snn\ndepth: 0\n")
    with pytest.raises(ConfigError, match=r"^model\.depth=0: out of range"):
        preflight(["model=mine"], config_dir=str(tmp_path))


def test_no_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    preflight(["+sweep=quickstart"])
    refused("seed=x")
    assert not list(tmp_path.iterdir())
