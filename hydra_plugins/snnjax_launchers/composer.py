"""Compose the jobs of a multirun as Hydra would, a hundred times faster.

Hydra composes every job from its files. Jobs that differ only in plain values share everything
else: here the first of them is composed by Hydra, the others by exchanging those values.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf

from hydra_plugins.snnjax_launchers.yaml_template import YamlTemplate, dump
from snnjax.config.plain import PlainValues, plain_values


@dataclass(frozen=True)
class Job:
    """A composed job.

    Attributes:
        number: Its number in the multirun.
        config: Plain values, interpolations resolved.
        folder: Where it is to run; `make_folder` makes it.
        overrides: What sets it apart.
        files: Returns the content by name of the files that Hydra leaves in `subdir`.
        subdir: `.hydra` as a rule; None for no such files.
    """

    number: int
    config: Mapping[str, Any]
    folder: Path
    overrides: Sequence[str]
    files: Callable[[], Mapping[str, str]]
    subdir: str | None

    def make_folder(self) -> None:
        """Make the folder and the files that Hydra would leave in it, unless they are there.

        Raises:
            OSError: It cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.subdir is not None:
            inner = self.folder / self.subdir
            inner.mkdir(exist_ok=True)
            for name, content in self.files().items():
                _write_if_new(inner / name, content)


def _write_if_new(path: Path, content: str) -> None:
    """Write a file that another process may be reading, but not what it holds already."""
    with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == content:
            return
    path.write_text(content, encoding="utf-8")


class Composer:
    """Composes jobs below one master configuration."""

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._loader = loader
        self._master = master
        self._parser = OverridesParser.create(config_loader=loader)
        self._parsed: dict[str, tuple[Override, bool]] = {}
        self._families: dict[tuple[str, ...], _Family] = {}

    def compose(self, number: int, overrides: Sequence[str]) -> Job:
        """Compose job `number` as Hydra would with these overrides."""
        parsed = [self._parse(text) for text in overrides]
        plain = [override for override, is_plain in parsed if is_plain]
        task = [override for override, _ in parsed if not override.is_hydra_override()]
        return self._family(overrides).compose(number, plain, task)

    def plain(self, text: str) -> tuple[str, Any] | None:
        """Return the key and the value that an override sets, None if it does anything else."""
        override, is_plain = self._parse(text)
        return (override.key_or_group, override.value()) if is_plain else None

    def is_closed(self, overrides: Sequence[str]) -> bool:
        """Tell whether no value of a job follows from another: none is an interpolation."""
        return self._family(overrides).is_closed

    def _family(self, overrides: Sequence[str]) -> "_Family":
        parsed = [self._parse(text) for text in overrides]
        kin = tuple(p.key_or_group if is_plain else str(p.input_line) for p, is_plain in parsed)
        if kin not in self._families:
            composed = self._loader.load_sweep_config(self._master, list(overrides))
            self._families[kin] = _Family(composed)
        return self._families[kin]

    def _parse(self, text: str) -> tuple[Override, bool]:
        """Return an override, and whether it sets the value of a key; texts recur."""
        if text not in self._parsed:
            override = self._parser.parse_override(text)
            self._parsed[text] = override, self._is_plain(override)
        return self._parsed[text]

    def _is_plain(self, override: Override) -> bool:
        """Tell whether an override sets the value of a key, rather than choosing from a group."""
        key = override.key_or_group
        is_value = "." in key or (
            key in self._master and not OmegaConf.is_config(self._master[key])
        )
        return (
            is_value
            and override.type in (OverrideType.CHANGE, OverrideType.FORCE_ADD)
            and override.package is None
            and not override.is_hydra_override()
            and not isinstance(override.value(), dict)  # is merged with what is there
        )


class _Family:
    """Jobs with the same groups and the same keys set; only the values of those keys differ."""

    def __init__(self, composed: DictConfig) -> None:
        self._composed = composed
        self._names = composed.hydra.job.config.override_dirname
        subdir = composed.hydra.output_subdir
        self._subdir: str | None = subdir
        # What ${hydra:...} looks into is a copy of the hydra node: it is kept up to date beside it.
        HydraConfig.instance().set_config(composed)
        self._seen = cast(Any, HydraConfig.instance().cfg)
        for node in (composed, composed.hydra, self._seen.hydra):
            OmegaConf.set_readonly(node, False)
            OmegaConf.set_struct(node, False)
        composed.hydra.job.id, composed.hydra.job.num = "0", 0
        composed.hydra.runtime.output_dir = "."
        self._hydras = (composed.hydra, self._seen.hydra)
        self._values = PlainValues(composed)
        self.is_closed = self._values.exchanged({}) is not None
        task = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        self._task_text = YamlTemplate(task)
        self._hydra_text = YamlTemplate(OmegaConf.masked_copy(composed, "hydra"))

    def compose(self, number: int, plain: Sequence[Override], given: Sequence[Override]) -> Job:
        values = {override.key_or_group: override.value() for override in plain}
        task = [str(override.input_line) for override in given]
        dirname = get_overrides_dirname(
            overrides=list(given),
            kv_sep=self._names.kv_sep,
            item_sep=self._names.item_sep,
            exclude_keys=self._names.exclude_keys,
        )
        HydraConfig.instance().cfg = self._seen
        for key, value in values.items():
            OmegaConf.update(self._composed, key, value)
        for hydra in self._hydras:
            hydra.job.id, hydra.job.num, hydra.job.override_dirname = str(number), number, dirname
            hydra.runtime.output_dir = MISSING  # nobody knows it before the folder is named
            _exchange_items(hydra.overrides.task, task)
        sweep = self._composed.hydra.sweep
        folder = Path(str(sweep.dir)).absolute() / str(sweep.subdir)
        for hydra in self._hydras:
            hydra.runtime.output_dir = str(folder)
        own = {
            "hydra.job.id": str(number),
            "hydra.job.num": number,
            "hydra.job.override_dirname": dirname,
            "hydra.overrides.task": task,
            "hydra.runtime.output_dir": str(folder),
        }
        config = self._values.exchanged(values) or plain_values(self._composed)
        files = partial(self._files, values, own, task)
        return Job(number, config, folder, task, files, self._subdir)

    def _files(
        self, values: Mapping[str, Any], own: Mapping[str, Any], task: list[str]
    ) -> Mapping[str, str]:
        return {
            "config.yaml": self._task_text.render(values),
            "hydra.yaml": self._hydra_text.render(own),
            "overrides.yaml": dump(task),
        }


def _exchange_items(items: ListConfig, texts: Sequence[str]) -> None:
    """Exchange what differs: setting a whole list takes ten times as long."""
    for position, text in enumerate(texts):
        if items[position] != text:
            items[position] = text
