"""Composed configurations as plain dictionaries, in which single values can be exchanged.

Resolving a whole configuration takes a millisecond, exchanging a value in its plain copy takes
microseconds: of the thousand jobs of a sweep only the first needs resolving.
"""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf


def plain_values(composed: DictConfig) -> dict[str, Any]:
    """Return what was composed, interpolations resolved, without Hydra's own node.

    Raises:
        OmegaConfBaseException: An interpolation leads to nothing.
    """
    return {str(key): _plain(composed, str(key)) for key in composed if key != "hydra"}


class PlainValues:
    """A composed configuration without Hydra's own node, taken as it is now."""

    def __init__(self, composed: DictConfig) -> None:
        self._values: dict[str, Any] | None = None
        task = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        written: Any = OmegaConf.to_container(task, resolve=False)
        if not _is_open(written):
            self._values = written

    def exchanged(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a plain copy with the values of some dotted keys exchanged.

        None where an interpolation or a group of keys takes part: only OmegaConf knows what
        becomes of those.
        """
        if self._values is None or any(map(_needs_omegaconf, values.values())):
            return None
        copy = _copied(self._values)
        for key, value in values.items():
            *path, last = key.split(".")
            section = copy
            for name in path:
                section = section.setdefault(name, {})
                if not isinstance(section, dict):
                    return None
            section[last] = value
        return copy


def _plain(composed: DictConfig, key: str) -> Any:
    if OmegaConf.is_missing(composed, key):
        return "???"
    node = composed[key]
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _needs_omegaconf(value: Any) -> bool:
    return isinstance(value, Mapping) or _is_open(value)


def _is_open(value: Any) -> bool:
    """Tell whether there is an interpolation in a value, or what could be one."""
    if isinstance(value, Mapping):
        return any(map(_is_open, value.values()))
    if isinstance(value, list):
        return any(map(_is_open, value))
    return isinstance(value, str) and "$" in value


def _copied(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _copied(value) if isinstance(value, dict) else value for key, value in values.items()
    }
