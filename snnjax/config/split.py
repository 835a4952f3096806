"""A configuration taken apart: what shapes the program, what is only a number in it, who it is."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from snnjax.config.declare import Arguments
from snnjax.config.fields import (
    Leaf,
    annotations,
    applies,
    entries,
    is_open,
    own_leaves,
    subsections,
    values,
)
from snnjax.config.optimization import (
    ClipConfig,
    ConstantConfig,
    LossConfig,
    OptimizerConfig,
    RegularizationConfig,
    ScheduleConfig,
)
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig

Member: TypeAlias = dict[str, NDArray[Any]]
"""Scalars by configuration key, such as `optimizer.learning_rate`; stacked in a population."""

_FINGERPRINT_CHARACTERS = 16


class InMember(Enum):
    """The type of `IN_MEMBER`; it takes part in no arithmetic and no order."""

    IN_MEMBER = "in the member"

    def __repr__(self) -> str:
        return self.name


IN_MEMBER = InMember.IN_MEMBER
"""Stands in a Program for a value that each member has for itself."""


@dataclass(frozen=True)
class Program:
    """What decides shapes and traced code: hashable, equal for all members of a population.

    A member field at its `off` value keeps that value here, so that the program can leave the
    feature out; any other member field holds `IN_MEMBER`.
    """

    model: ModelConfig
    optimizer: OptimizerConfig
    training: TrainingConfig
    schedule: ScheduleConfig = ConstantConfig()
    clip: ClipConfig = ClipConfig()
    regularization: RegularizationConfig = RegularizationConfig()
    loss: LossConfig = LossConfig()


def split(config: Config) -> tuple[Program, Member]:
    """Return the static part of `config` and the numbers of this one run."""
    real = np.float64 if config.training.precision == "float64" else np.float32
    program = Program(
        **{name: _without_member(getattr(config, name)) for name in annotations(Program)}
    )
    member = {
        leaf.path: np.asarray(value, dtype=_dtype(leaf, real))
        for leaf, value in values(config)
        if _is_in_member(leaf, value)
    }
    return program, member


class Fitted(Protocol):
    """What is asked of the configuration of any run, a network's or not."""

    @property
    def data(self) -> DataConfig:
        """What it is fitted on."""


def fingerprint(config: Fitted) -> str:
    """Return 16 hexadecimal digits that identify a run: equal digits, same run.

    Fields of the role `run` do not count, nor those that have no meaning beside the others, nor
    does the way a number was written. Data of one's own are what they hold, wherever they lie.
    """
    identity = {
        leaf.path: _canonical(leaf, value) for leaf, value in values(config) if leaf.role != "run"
    }
    if config.data.path is not None:
        identity["data.path"] = _content(Path(config.data.path).expanduser())
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]


def _content(path: Path) -> str:
    """Return a digest of a file, or of a folder's files; its name where it cannot be read."""
    try:
        if path.is_dir():
            return _digest_all(path, tuple(_stamped(path)))
        seen = path.stat()
        return _digest(path, seen.st_mtime_ns, seen.st_size)
    except OSError:
        return str(path)


def _stamped(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Yield the files of folders in a folder: path below it, time of change, size.

    Those whose names begin with a dot do not count, nor do those beside the folders of classes.
    """
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = (name for name in sorted(files) if not name.startswith("."))
        for path in (Path(here, name) for name in names if Path(here) != folder):
            seen = path.stat()
            yield path.relative_to(folder).as_posix(), seen.st_mtime_ns, seen.st_size


@lru_cache(maxsize=8)
def _digest_all(folder: Path, files: tuple[tuple[str, int, int], ...]) -> str:
    """Hash names and contents of files once, until one is changed."""
    total = hashlib.sha256()
    for name, _, size in files:
        total.update(f"{name}\0{size}\0".encode())
        with (folder / name).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


@lru_cache(maxsize=64)
def _digest(path: Path, changed: int, size: int) -> str:
    """Hash a file once, until it is changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_dict(config: Config) -> dict[str, Any]:
    """Return `config` as nested dictionaries of plain values; `convert` reads them back."""
    return asdict(config)


def _is_in_member(leaf: Leaf, value: Any) -> bool:
    if leaf.role != "member":
        return False
    return "off" not in leaf.metadata or bool(value != leaf.metadata["off"])


def _without_member(section: Any) -> Any:
    """Return a section as programs see it: no numbers of members, nothing of how runs report."""
    schema: type = type(section)
    hidden: dict[str, Any] = {}
    for name, leaf in own_leaves(schema).items():
        if leaf.role == "run":
            hidden[name] = leaf.default
        elif is_open(leaf):
            given = entries(leaf, getattr(section, name))
            hidden[name] = Arguments(
                {own.key: IN_MEMBER if _is_in_member(own, value) else value for own, value in given}
            )
        elif applies(leaf, section) and _is_in_member(leaf, getattr(section, name)):
            hidden[name] = IN_MEMBER
    nested = {name: _without_member(getattr(section, name)) for name in subsections(schema)}
    return replace(section, **hidden, **nested)


def _dtype(leaf: Leaf, real: type[np.generic]) -> type[np.generic]:
    """Return `real` for a number, int32 for an integer, uint32 for one beyond int32."""
    if float in (leaf.annotation, *get_args(leaf.annotation)):
        return real
    return np.uint32 if leaf.metadata["high"] > np.iinfo(np.int32).max else np.int32


def _canonical(leaf: Leaf, value: Any) -> Any:
    """Return `value` written one way only: 1 as 1.0 where a float is meant, no negative zero."""
    is_float = float in (leaf.annotation, *get_args(leaf.annotation))
    if is_float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) + 0.0
    return value
