import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import snnjax
from snnjax.config import sources
from snnjax.config.errors import ConfigError
from snnjax.config.fields import annotations, leaves
from snnjax.config.schema import Config


def test_yaml_files_are_found_inside_the_package_first(tmp_path: Path) -> None:
    package = Path(snnjax.__file__).parent
    installed = tmp_path / "snnjax"
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, installed, ignore=skip)
    for name in ("conf", "sweeps"):
        shutil.copytree(sources.folder(name), installed / name)
        (tmp_path / name).mkdir()
    out = subprocess.run(
        [sys.executable, "-m", "snnjax.train", "--cfg", "job", "+sweep=quickstart"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "depth: 8" in out.stdout


def test_a_missing_folder_is_told() -> None:
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        sources.folder("nowhere")


def test_defaults_hold_every_key_in_order() -> None:
    written = sources.defaults(Config)
    assert list(written) == list(annotations(Config))
    assert written["logging"]["wandb"]["mode"] == "offline"
    assert written["optimizer"] == {}
    assert len({leaf.path for leaf in leaves(Config)}) > 20
