"""A Slurm of one node, started for each test; where that cannot be, the tests skip and say why."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from snnjax.slurm import launch, queue, waiting
from tests.slurm.cluster import ROOT, Cluster, finished
from tests.slurm.pretence import Pretence

# Where the scripts that start it are: slurm-up.sh and slurm-down.sh.
SCRIPTS = Path(os.environ.get("SNNJAX_SLURM_TEST") or ROOT.parent / "shared" / "slurm-test")
COMMANDS = ("sbatch", "squeue", "scontrol", "srun", "slurmctld", "slurmd", "munged")


def what_is_missing() -> str:
    paths = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if missing := [name for name in COMMANDS if shutil.which(name, path=paths) is None]:
        return f"no Slurm on this machine: {', '.join(missing)} missing"
    if not (SCRIPTS / "slurm-up.sh").exists():
        return "SNNJAX_SLURM_TEST does not name the folder of slurm-up.sh and slurm-down.sh"
    try:
        import submitit  # noqa: F401
    except ImportError:
        return "submitit is not installed"
    return ""


def without(line: str, copy: Path) -> Path:
    """Return a folder of the scripts, or of a copy that starts a cluster without some line."""
    if not line:
        return SCRIPTS
    shutil.copytree(SCRIPTS, copy)
    path = copy / "slurm.conf.in"
    lines = path.read_text().splitlines()
    lines.remove(line)
    path.write_text("\n".join(lines) + "\n")
    return copy


@pytest.fixture
def cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """Start a cluster with the partitions low, the default, and high, which preempts low.

    Parametrised with a line of its configuration, it is one without that line.
    """
    if missing := what_is_missing():
        pytest.skip(missing)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:/sbin")
    folder = Path(tempfile.mkdtemp(prefix="snnjax-slurm-"))
    folder.chmod(0o755)  # munge wants that of all the folders above its socket
    with (Path(tempfile.gettempdir()) / "snnjax-slurm-test.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # its ports are given
        scripts = without(getattr(request, "param", ""), tmp_path / "scripts")
        command = [scripts / "slurm-up.sh", folder]
        up = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        monkeypatch.setenv("SLURM_CONF", up.stdout.strip().partition("=")[2])
        try:
            yield Cluster(folder, tmp_path / "work")
        finally:
            subprocess.run([SCRIPTS / "slurm-down.sh", folder], check=False)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the long sweep, trained in one process without a stop."""
    folder = tmp_path_factory.mktemp("local")
    finished(folder, "hydra.launcher.workers=1", "checkpoint.every=null")
    return folder / "out"


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Pretence:
    pretence = Pretence(tmp_path)
    monkeypatch.setattr(launch, "submit", pretence.submit)
    monkeypatch.setattr(queue, "in_queue", pretence.in_queue)
    monkeypatch.setattr(waiting, "in_queue", pretence.in_queue)
    monkeypatch.setattr(waiting, "_SECONDS", 0.01)
    return pretence
