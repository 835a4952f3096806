"""Strict JAX for every test, small data that needs no file, programs in other processes."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import pytest

import snnjax
from snnjax import compilation
from snnjax.config.schema import LoggingConfig, WandbConfig
from snnjax.data.dataset import SPLITS, Dataset

jax.config.update("jax_numpy_rank_promotion", "raise")

T = TypeVar("T")
# Most of the time of these tests is the compiler's; what it does at its worst must be right too.
hasty = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

# Runs that report to their folders only.
QUIET = LoggingConfig(progress="none", wandb=WandbConfig(mode="disabled"))
ROOT = Path(snnjax.__file__).parent.parent
# Runs first, writes down last.
NOTE_IMPORTS = """
import atexit, sys
@atexit.register
def note():
    with open({path!r}, "w") as file:
        file.write("\\n".join(sys.modules))
"""


# The folder of what was compiled in this session, of which all of its processes know.
COMPILED = "SNNJAX_TESTS_COMPILED"


def pytest_configure(config: pytest.Config) -> None:
    """Let JAX find what another test has compiled alike, although modules let go of theirs.

    It asks with the lowered program itself, so that nothing else can be found by mistake.
    """
    if not hasattr(config, "workerinput"):
        os.environ[COMPILED] = tempfile.mkdtemp(prefix="snnjax-tests-")
    jax.config.update("jax_compilation_cache_dir", os.environ[COMPILED])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(COMPILED), ignore_errors=True)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Keep prepared data and programs of tests out of the user's cache, but share them.

    Only among programs of their own: what a test changes in a module is not seen on disk.
    """
    monkeypatch.setattr(compilation, "_disk", [])
    if "SNNJAX_CACHE" not in os.environ:
        base = Path(tmp_path_factory.getbasetemp())
        shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
        monkeypatch.setenv("SNNJAX_CACHE", str(shared / "cache"))


@pytest.fixture(autouse=True, scope="module")
def forget_programs():
    """Let go of a module's programs at its end: those of all tests together take many gigabytes."""
    yield
    compilation._known.clear()
    jax.clear_caches()


def slow_but(cases: Sequence[Any], *quick: int) -> list[Any]:
    """Mark the cases of a test as slow but for those at the places `quick`."""

    def marked(case: Any) -> Any:
        values = case if type(case) is tuple else (case,)
        return pytest.param(*values, marks=pytest.mark.slow)

    return [case if place in quick else marked(case) for place, case in enumerate(cases)]


def check_each(cases: Iterable[T], name: Callable[[T], object], check: Callable[[T], Any]) -> None:
    """Check cases of which there are too many for a test each; tell by name of all that fail."""
    failures: list[BaseException] = []
    for case in cases:
        try:
            check(case)
        except (Exception, pytest.fail.Exception) as failure:
            failure.add_note(f"of {name(case)}")
            failures.append(failure)
    if failures:
        raise BaseExceptionGroup("cases that fail", failures)


def make_dataset(
    rows: int = 300,
    features: int = 12,
    classes: int = 3,
    counts: tuple[int, int, int] = (200, 53, 47),
    seed: int = 0,
    task: str = "classification",
) -> Dataset:
    """Make a data set a small network can learn: targets depend on a random projection.

    Of several labels a third is missing, and the last row has none.
    """
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features)).astype(np.float32)
    scores = x @ random.normal(size=(features, classes)) + random.normal(size=(rows, classes))
    targets = scores.argmax(1).astype(np.int32) if task == "classification" else scores
    if task == "multilabel":
        targets = np.where(random.random(scores.shape) < 1 / 3, np.nan, scores > 1)
        targets[-1] = np.nan
    order = random.permutation(rows).astype(np.int32)
    cuts = np.split(order[: sum(counts)], np.cumsum(counts)[:-1])
    return Dataset(
        name="made",
        task=task,
        features=x,
        targets=targets if task == "classification" else targets.astype(np.float32),
        outputs=classes,
        rows={split: np.sort(cut) for split, cut in zip(SPLITS, cuts, strict=True)},
        shift=np.zeros(features, np.float32),
        scale=np.ones(features, np.float32),
        target_shift=np.zeros(classes),
        target_scale=np.full(classes, 2.5 if task == "regression" else 1.0),
        sha256="made",
        tasks=tuple(f"task {n}" for n in range(classes)) if task == "multilabel" else (),
    )


@pytest.fixture
def dataset() -> Dataset:
    return make_dataset()


@pytest.fixture
def run_code(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., tuple[subprocess.CompletedProcess[str], set[str]]]:
    """Return a function that runs code in a process of its own, where nothing is imported yet.

    It returns the process that has ended, and the packages that were imported there.
    """

    def run(
        code: str, *arguments: str, cwd: Path | None = None
    ) -> tuple[subprocess.CompletedProcess[str], set[str]]:
        path = tmp_path_factory.mktemp("imports") / "modules"
        command = [sys.executable, "-c", NOTE_IMPORTS.format(path=str(path)) + code, *arguments]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False
        )
        return done, {name.partition(".")[0] for name in path.read_text().split()}

    return run
