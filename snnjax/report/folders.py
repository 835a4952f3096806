"""Which run folders there are, and which sweep each belongs to."""

import os
from collections.abc import Iterator
from pathlib import Path

from snnjax.config.errors import ConfigError
from snnjax.figures.records import natural
from snnjax.file_names import CONFIG_FILE, ERROR_FILE, HYDRA_FOLDER, RUNS_FILE

_SWEEP_MARKS = ("multirun.yaml", RUNS_FILE)


def find_runs(folder: Path) -> dict[Path, list[Path]]:
    """Return the run folders in and below a folder by their sweep, run 10 after run 9.

    Runs of no sweep belong to the folder itself, and so does a folder that is a run.

    Raises:
        ConfigError: There is no such folder.
    """
    if not folder.is_dir():
        problem = "not a folder" if folder.exists() else "no such folder"
        raise ConfigError(f"{folder}: {problem}; allowed: folders of runs or of sweeps")
    folder = folder.resolve()
    if _is_run(folder):
        return {folder: [folder]}
    found: dict[Path, list[Path]] = {}
    for home, run in _walk(folder, folder):
        found.setdefault(home, []).append(run)
    return {home: sorted(found[home], key=natural) for home in sorted(found, key=natural)}


def _walk(folder: Path, home: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the run folders below a folder, each after the folder of its sweep."""
    if any((folder / mark).exists() for mark in _SWEEP_MARKS):
        home = folder
    try:
        with os.scandir(folder) as entries:
            below = [e.path for e in entries if e.is_dir() and not e.name.startswith(".")]
    except OSError:
        return  # a folder that may not be read holds nothing for us
    for path in map(Path, below):
        if _is_run(path):
            yield home, path
        else:
            yield from _walk(path, home)


def _is_run(folder: Path) -> bool:
    name = str(folder)
    if os.path.exists(f"{name}/{CONFIG_FILE}") or os.path.exists(f"{name}/{ERROR_FILE}"):
        return True
    is_job = os.path.exists(f"{name}/{HYDRA_FOLDER}")
    return is_job and not any(os.path.exists(f"{name}/{mark}") for mark in _SWEEP_MARKS)
