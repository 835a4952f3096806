"""The networks of a run that has ended, kept in its folder: the best, and the last."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from snnjax.checkpoint.leaves import rebuilt, shapes_in, shapes_of
from snnjax.checkpoint.shelf import FINAL, remove, shelf_of
from snnjax.checkpoint.store import DamagedError, read, read_index, write
from snnjax.checkpoint.template import template_of
from snnjax.config.errors import ConfigError
from snnjax.config.kept import read_config
from snnjax.config.schema import Config
from snnjax.config.split import fingerprint, split
from snnjax.data.dataset import Stream

if TYPE_CHECKING:
    from snnjax.shapes import Problem
    from snnjax.training import MemberState


def write_final(
    folder: Path,
    config: Config,
    problem: "Problem",
    leaves: Mapping[str, NDArray[Any]],
    versions: Mapping[str, str],
) -> int:
    """Keep the state of a run that has ended in its folder; return the size in bytes.

    Args:
        folder: Of the run.
        config: Of the run.
        problem: The shapes that its network is made for.
        leaves: Of the state, with a leading axis of one member.
        versions: What the run is made by.

    Raises:
        Exception: Whatever Orbax says when it cannot be written.
    """
    path = shelf_of(folder) / FINAL
    remove(path)
    member = {"fingerprint": fingerprint(config), "epoch": int(leaves[".epoch"][0])}
    about = {"versions": versions, "problem": asdict(problem), "members": [member]}
    return write(path, leaves, about)


def load_states(folder: Path, expected: str | None = None) -> "MemberState":
    """Return the state of a run at its end: its last network, its best, its optimizer's state.

    Args:
        folder: Of a run that was trained with `checkpoint.final=true`.
        expected: The fingerprint that it must have, if that is known.

    Raises:
        ConfigError: The folder holds no such state, that of another run, or a damaged one.
    """
    config, index, path = _read(folder, expected)
    template = template_of(split(config)[0], _problem(index), split(config)[1])
    if shapes_in(index) != shapes_of(template):
        raise ConfigError(f"{path}: was written by source code with other states; train it again")
    try:
        leaves = read(path, index)
    except DamagedError as error:
        raise ConfigError(f"{path}: {error}; train the run again") from error
    return rebuilt(template, {name: leaf[0] for name, leaf in leaves.items()})


def load_problem(folder: Path) -> "Problem":
    """Return the shapes that the kept networks of a run are made for.

    Raises:
        ConfigError: The folder holds no such networks.
    """
    return _problem(_read(folder, None)[1])


def _read(folder: Path, expected: str | None) -> tuple[Config, Mapping[str, Any], Path]:
    path = shelf_of(folder) / FINAL
    try:
        config = read_config(folder)
        index = read_index(path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no networks are kept; train the run with checkpoint.final=true"
        ) from error
    except DamagedError as error:
        raise ConfigError(f"{path}: {error}; train the run again") from error
    kept, own = index["members"][0]["fingerprint"], expected or fingerprint(config)
    if kept != own:
        raise ConfigError(f"{path}: holds another run (fingerprint {kept}, asked for is {own})")
    return config, index, path


def _problem(index: Mapping[str, Any]) -> "Problem":
    from snnjax.shapes import Problem

    values: dict[str, Any] = index["problem"]
    stream = values["stream"] and Stream(**values["stream"])
    return Problem(
        **{name: _as_tuple(value) for name, value in (values | {"stream": stream}).items()}
    )


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
