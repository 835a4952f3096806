"""A network of one's own is one file: the one printed in the README."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import slow_but

ROOT = Path(__file__).parents[1]
ARGUMENTS = ["data.name=sklearn_wine", "training=debug", "logging=quiet", "hydra.run.dir=run"]


def train(folder, *arguments):
    command = [sys.executable, "-m", "snnjax.train", *arguments, *ARGUMENTS]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "mynet.py").write_text(code)
    return tmp_path


def test_the_readmes_network_trains(folder):
    result = train(folder, "model.name=mynet:Skip")
    assert result.returncode == 0, result.stderr
    assert json.loads((folder / "run/result.json").read_text())["status"] == "done"


def test_a_name_the_file_lacks_is_refused(folder):
    result = train(folder, "model.name=mynet:Skipp")
    assert result.returncode == 2
    assert "model.name=mynet:Skipp" in result.stderr
    assert "Skip" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (folder / "run/result.json").exists()


@pytest.mark.parametrize("choice", slow_but(["model.norm=weight", "model.init=lsuv"], 1))
def test_what_begins_from_data_is_refused_without_a_method_for_it(folder, choice):
    result = train(folder, "model.name=mynet:Skip", choice)
    assert result.returncode == 2
    assert f"{choice}: begins from data, and mynet:Skip has no method adapt" in result.stderr
    assert not (folder / "run/result.json").exists()
