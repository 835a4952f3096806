"""The command line: in this process with a stand-in for training, in others for the real thing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import snnjax
from snnjax import app, endings
from snnjax.config.fields import annotations
from snnjax.config.schema import Config
from snnjax.config.sources import groups
from snnjax.data.catalog import DataError
from snnjax.summary import read_jobs

ROOT = Path(snnjax.__file__).parent.parent
BASIC = "hydra/launcher=basic"
Run = Callable[[Config, Path], Any]


@dataclass(frozen=True)
class Result:
    status: str = "done"
    objective: float = 0.5


def train(config: Config, folder: Path) -> Result:
    """Stand in for training: the width says how the run ends."""
    endings: dict[int, Exception | BaseException] = {
        11: DataError("data.root=x: no file letter.dat there"),
        12: RuntimeError("a bug"),
        13: OSError(28, "No space left on device", str(folder / "x")),
        14: KeyboardInterrupt(),
    }
    if config.model.width in endings:
        raise endings[config.model.width]
    status = "diverged" if config.model.width == 15 else "done"
    quality = {"loss": 0.3, "accuracy": 0.9 + config.seed / 100}
    result = {
        "status": status,
        "best_epoch": 3,
        "seconds": 1.25,
        "metrics": {"validation": quality, "test": quality},
    }
    (folder / "result.json").write_text(json.dumps(result))
    return Result(status)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    stand_in = ModuleType("snnjax.experiment")
    stand_in.run = train  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "snnjax.experiment", stand_in)
    monkeypatch.setattr(snnjax, "experiment", stand_in, raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)

    def run(*argv: str) -> int:
        monkeypatch.setattr(sys, "argv", ["snnjax-train", *argv])
        return app.main()

    return run


def python(*argv: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, *argv]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_a_run_writes_to_its_folder(call: Callable[..., int], tmp_path: Path) -> None:
    assert call("hydra.run.dir=here", "experiment=quickstart", "seed=3") == 0
    assert {path.name for path in (tmp_path / "here").iterdir()} == {".hydra", "result.json"}
    assert call() == 0
    assert len(list(tmp_path.glob("runs/sklearn_digits/snn/*/*/result.json"))) == 1


@pytest.mark.parametrize(
    ("width", "code", "line"),
    [
        (11, 2, "data.root=x: no file letter.dat there"),
        (12, 1, "unexpected RuntimeError: a bug"),
        (13, 1, "No space left on device"),
        (14, 130, "interrupted"),
        (15, 3, ""),
        (16, 0, ""),
    ],
)
def test_how_a_run_ends(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], width: int, code: int, line: str
) -> None:
    assert call(f"model.width={width}") == code
    told = capsys.readouterr().err
    assert line in told
    assert ("Traceback" in told) == (width == 12)
    assert told.count("snnjax: error:") == bool(line)


def test_a_failed_job_does_not_stop_the_others(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    argv = ("-m", "model.width=13,15,16", "seed=0,1", "hydra.sweep.dir=sweep", BASIC)
    assert call(*argv) == 1
    assert len(list(tmp_path.glob("sweep/*/result.json"))) == 4
    out = capsys.readouterr().out
    assert "model.width  seed  status" in out
    statuses = [job.status for job in read_jobs(tmp_path / "sweep")]
    assert statuses == ["failed", "failed", "diverged", "diverged", "done", "done"]
    assert "0.9050 ± 0.0071" in out
    assert "run folders: sweep" in out


def test_a_job_that_succeeds_at_last_counts_as_done(
    call: Callable[..., int], tmp_path: Path
) -> None:
    assert call("-m", "model.width=13,16", "hydra.sweep.dir=sweep", BASIC) == 1
    assert (tmp_path / "sweep/0/error.json").exists()
    assert call("-m", "model.width=17,16", "hydra.sweep.dir=sweep", BASIC) == 0
    assert not (tmp_path / "sweep/0/error.json").exists()


def test_a_full_disk_is_told_once_for_all_runs(capsys: pytest.CaptureFixture[str]) -> None:
    full = [OSError(28, "No space left on device", f"out/{n}/metrics.jsonl") for n in range(9)]
    endings.complain_once([*full, OSError(13, "Permission denied", "out/9")])
    assert capsys.readouterr().err.splitlines() == [
        "snnjax: error: out/0/metrics.jsonl: No space left on device  (9 runs)",
        "snnjax: error: out/9: Permission denied",
    ]


def test_an_error_counts_alike_in_every_run_folder(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("-m", "model.width=13", "seed=0,1", "hydra.sweep.dir=sweep", BASIC) == 1
    assert "2 runs failed: x: No space left on device" in capsys.readouterr().out


def test_a_sweep_file_needs_no_m(call: Callable[..., int], tmp_path: Path) -> None:
    assert call("sweep=quickstart", "seed=0,1", "logging=quiet", BASIC) == 0
    configs = list(tmp_path.glob("runs/sweeps/quickstart/*/*/*/.hydra/config.yaml"))
    assert len(configs) == 4


def test_a_mistake_makes_no_folder(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert call("model.dropout=1.5") == 2
    assert call("-m", "seed=0,x") == 2
    assert call("model.dept=3") == 2
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err.count("snnjax: error: ") == 3


def test_a_folder_that_cannot_be_written(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert call(f"hydra.run.dir={tmp_path}/file/run") == 1
    assert capsys.readouterr().err == f"snnjax: error: {tmp_path}/file/run: Not a directory\n"


def test_an_interrupt_that_becomes_another_error_is_still_one(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(argv: list[str]) -> None:
        app.interruption.ask()
        raise ImportError("half a module")

    monkeypatch.setattr(app, "_launch", fail)
    assert call() == 130
    assert capsys.readouterr().err == "snnjax: error: interrupted\n"


def test_tracebacks_for_those_who_ask(
    call: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(RuntimeError, match="a bug"):
        call("model.width=12")


def test_help_names_every_choice(tmp_path: Path) -> None:
    done = python("-m", "snnjax.train", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) < 45
    assert max(map(len, done.stdout.splitlines())) <= 100
    unwrapped = " ".join(done.stdout.split())
    assert all(", ".join(names) in unwrapped for names in groups().values())
    assert not list(tmp_path.iterdir())


def test_cfg_shows_every_key_from_any_directory(tmp_path: Path) -> None:
    done = python("-m", "snnjax.train", "--cfg", "job", "experiment=cifar", cwd=tmp_path)
    assert done.returncode == 0
    keys = [line.partition(":")[0] for line in done.stdout.splitlines() if line[0] != " "]
    assert keys == [*annotations(Config)]
    assert "learning_rate: 0.0007" in done.stdout


@pytest.mark.parametrize("mistake", ["model.dept=3", "model.depth=-1", "+experiments=cifar"])
def test_a_mistake_is_told_before_jax_is_imported(
    tmp_path: Path, run_code: Callable[..., Any], mistake: str
) -> None:
    code = "import sys; from snnjax.app import main; sys.exit(main())"
    done, imported = run_code(code, mistake, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"snnjax: error: {mistake}: ")
    assert len(done.stderr.splitlines()) == 1
    assert not imported & {"jax", "numpy"}
    assert not list(tmp_path.iterdir())


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    command = f'"{sys.executable}" -m snnjax.train --cfg all | head -n 1'
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_a_folder_of_another_run_is_left_as_it_is(tmp_path: Path) -> None:
    command = ("-m", "snnjax.train", "data.name=sklearn_wine", "training=debug", "logging=quiet")
    settings = ("model.width=4", "model.depth=1", "hydra.run.dir=here")
    assert python(*command, *settings, cwd=tmp_path).returncode == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    refused = python(*command, *settings, "seed=7", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.count("holds the result of another run") == 1
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_sweep_over_other_runs_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    command = ("-m", "snnjax.train", "-m", "data.name=sklearn_wine", "training=debug")
    settings = ("logging=quiet", "model.width=4", "model.depth=1", "hydra.sweep.dir=here")
    assert python(*command, *settings, "seed=0,1", cwd=tmp_path).returncode == 0
    runs = [path for path in tmp_path.glob("here/[01]/**/*") if path.is_file()]
    before = {path: path.read_bytes() for path in runs}
    refused = python(*command, *settings, "seed=2,3", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.count("holds the result of another run") == 2
    assert before == {path: path.read_bytes() for path in runs}
    assert python(*command, *settings, "seed=0,1", cwd=tmp_path).returncode == 0


def test_a_run_of_other_source_code_is_refused(tmp_path: Path) -> None:
    command = ("-m", "snnjax.train", "data.name=sklearn_wine", "training=debug", "logging=quiet")
    settings = ("model.width=4", "model.depth=1", "hydra.run.dir=here")
    assert python(*command, *settings, cwd=tmp_path).returncode == 0
    path = tmp_path / "here/result.json"
    path.write_text(path.read_text().replace('"code": "', '"code": "other'))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    refused = python(*command, *settings, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.count("comes from other source code (other") == 1
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    mixed = python(*command, *settings, "sweep.mix_versions=true", cwd=tmp_path)
    assert (mixed.returncode, mixed.stderr) == (0, "")
    assert path.read_bytes() == before[path]


@pytest.mark.slow
def test_a_console_that_goes_away_does_not_end_a_sweep(tmp_path: Path) -> None:
    settings = (
        "data.name=sklearn_wine training=debug model.width=4 model.depth=1 hydra.sweep.dir=out"
    )
    command = f'"{sys.executable}" -m snnjax.train -m {settings} logging.wandb.mode=disabled'
    for launcher in ("population", "basic"):
        own = f"hydra/launcher={launcher} hydra.sweep.subdir={launcher}-'${{hydra.job.num}}'"
        line = f"{command} seed=0,1 {own} | head -n 1"
        subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=False)
    assert len(list(tmp_path.glob("out/*/result.json"))) == 4
    assert not list(tmp_path.glob("out/*/error.json"))
