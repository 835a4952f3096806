"""The wheel carries its configuration and runs in a fresh environment, from any directory."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from conftest import slow_but

from snnjax import printed

ROOT = Path(__file__).parents[1]
ARGUMENTS = ["experiment=quickstart", "training=debug", "logging=quiet"]


def call(command, cwd, **environment):
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def succeed(command, cwd, **environment):
    result = call(command, cwd, **environment)
    assert result.returncode == 0, result.stderr[-3000:]
    return result


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    succeed(build, folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_configuration_file(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("conf", "sweeps"):
        for path in (ROOT / folder).rglob("*.yaml"):
            assert f"snnjax/{path.relative_to(ROOT)}" in names
    assert "snnjax/data/uci121.csv" in names
    assert {f"snnjax/printed/{table}.csv" for table in printed.names()} <= names
    assert not [name for name in names if name.startswith(("tests/", "conf/", "benchmarks/"))]


@pytest.mark.slow
def test_the_wheel_runs_in_a_fresh_environment(wheel, tmp_path):
    home, elsewhere = tmp_path / "env", tmp_path / "elsewhere"
    elsewhere.mkdir()
    venv.create(home, with_pip=True)
    binaries = home / ("Scripts" if os.name == "nt" else "bin")
    constraints = ROOT / "constraints.txt"
    succeed(
        [binaries / "python", "-m", "pip", "install", "-q", "-c", constraints, wheel], elsewhere
    )
    for name, command in {
        "module": [binaries / "python", "-m", "snnjax.train"],
        "script": [binaries / "snnjax-train"],
    }.items():
        succeed([*command, *ARGUMENTS, f"hydra.run.dir={name}"], elsewhere)
        assert json.loads((elsewhere / name / "result.json").read_text())["status"] == "done"
        refused = call([*command, "model.widht=3"], elsewhere)
        assert refused.returncode == 2
        assert "model.width" in refused.stderr
    sweep = [binaries / "snnjax-train", "sweep=quickstart", "training=debug", "logging=quiet"]
    printed = succeed([*sweep, "hydra.sweep.dir=sweep"], elsewhere).stdout
    assert len(list((elsewhere / "sweep").glob("*/result.json"))) == 6
    assert "msra" in printed


@pytest.mark.parametrize("directory", slow_but(["repository", "elsewhere"], 1))
def test_the_checkout_runs_from_any_directory(directory, tmp_path):
    cwd = ROOT if directory == "repository" else tmp_path
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "snnjax.train", *ARGUMENTS, f"hydra.run.dir={folder}"]
    succeed(command, cwd, PYTHONPATH=str(ROOT))
    assert json.loads((folder / "result.json").read_text())["status"] == "done"
