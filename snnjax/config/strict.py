"""From what Hydra composed to frozen dataclasses; whatever does not fit is refused.

Nothing here imports JAX: a mistake must be told within a second.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from snnjax.config.declare import Arguments
from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest, show
from snnjax.config.fields import (
    TAG,
    Leaf,
    annotations,
    is_open,
    leaves,
    own_leaves,
    sections,
    suggest,
    tags,
)
from snnjax.config.rules import broken_rules
from snnjax.config.schema import Config
from snnjax.config.values import RefusedError, check_value, describe

T = TypeVar("T")

_PACKAGE = "# @package _global_"
"""The first line of a YAML file whose keys are not those of its own group."""
_UNKNOWN_IN_INTERPOLATION = re.compile(r"Interpolation key '(.+)' not found")


def from_hydra(cfg: Any) -> Config:
    """Return the checked configuration of one run.

    Args:
        cfg: What Hydra composed (a `DictConfig`), or a plain mapping of the same shape. A
            `hydra` node is left out of account.

    Raises:
        ConfigError: With a line for every unknown key, wrong type, value out of range and
            combination that makes no sense.
    """
    raw = {key: value for key, value in _plain(cfg).items() if key != "hydra"}
    config = convert(Config, raw)
    if mistakes := broken_rules(config):
        raise ConfigError(mistakes)
    return config


def convert(schema: type[T], mapping: Mapping[str, Any], path: str = "") -> T:
    """Return `mapping` as an instance of the dataclass `schema`.

    Absent keys keep their defaults.

    Args:
        schema: A dataclass whose fields are plain values, literals, optional or union values,
            dataclasses, or unions of dataclasses told apart by their `name`.
        mapping: Keys and values, nested as the dataclasses are.
        path: The dotted key of `mapping` itself, for the messages.

    Raises:
        ConfigError: With one line per mistake.
    """
    conversion = _Conversion(schema, path)
    result = conversion.section(schema, mapping, path)
    if conversion.mistakes:
        raise ConfigError(conversion.mistakes)
    return cast(T, result)


class _Conversion:
    """One walk along a schema that collects all mistakes instead of stopping at the first."""

    def __init__(self, root: type, path: str) -> None:
        self._root = root
        self._path = path
        self.mistakes: list[str] = []

    def section(self, annotation: Any, raw: Any, path: str) -> Any:
        """Return `raw` as one of the dataclasses of `annotation`; None after a mistake."""
        schemas = sections(annotation)
        schema = schemas[0]
        if not isinstance(raw, Mapping):
            self._add(path, raw, "is a group of keys", enumerate_names([*annotations(schema)]))
            return None
        if len(schemas) > 1:
            chosen = self._tagged(annotation, raw, path)
            if chosen is None:
                return None
            schema = chosen
        return self._fields(schema, raw, path, annotation)

    def _tagged(self, annotation: Any, raw: Mapping[str, Any], path: str) -> type | None:
        variants = tags(annotation)
        name = raw.get(TAG, next(iter(variants)))
        if isinstance(name, str) and name in variants:
            return variants[name]
        hint = nearest(str(name), variants)
        self._add(_join(path, TAG), name, f"no such {path}", ", ".join(variants), hint)
        return None

    def _fields(self, schema: type, raw: Mapping[str, Any], path: str, annotation: Any) -> Any:
        before = len(self.mistakes)
        known = annotations(schema)
        for key in raw:
            if key not in known:
                self._unknown(str(key), raw[key], path, annotation, tuple(known))
        leaves = own_leaves(schema, path and path + ".")
        found: dict[str, Any] = {}
        for key in known:
            if key not in raw:
                continue
            if key not in leaves:
                found[key] = self.section(known[key], raw[key], _join(path, key))
                continue
            if is_open(leaves[key]):
                found[key] = self._arguments(leaves[key], raw[key])
                continue
            try:
                found[key] = check_value(leaves[key], raw[key])
            except RefusedError as refusal:
                self.mistakes.append(str(refusal))
        return schema(**found) if len(self.mistakes) == before else None

    def _arguments(self, leaf: Leaf, raw: Any) -> Arguments | None:
        """Return the keys of the user's own below an open leaf, in alphabetical order."""
        if not isinstance(raw, Mapping):
            self._add(leaf.path, raw, "is a group of keys", "names of arguments")
            return None
        found = Arguments()
        for name in sorted(map(str, raw)):
            own = Leaf(f"{leaf.path}.{name}", bool | int | float | str | None, leaf.metadata, None)
            try:
                found[name] = check_value(own, raw[name])
            except RefusedError as refusal:
                self.mistakes.append(str(refusal))
        return found

    def _unknown(
        self, key: str, value: Any, path: str, annotation: Any, siblings: tuple[str, ...]
    ) -> None:
        owners = [name for name, schema in _variants(annotation) if key in annotations(schema)]
        if owners:
            problem = f"is a key of {path}={owners[0]}"
            self._add(_join(path, key), value, problem, enumerate_names(siblings))
            return
        inner = _join(path, key)[len(self._path) + 1 if self._path else 0 :]
        hint = suggest(self._root, inner, siblings)
        if hint:
            hint = _join(path if hint in siblings else self._path, hint)
        problem = "unknown key"
        if not path and isinstance(value, Mapping):
            problem += f" (the first line of a file that sets other keys must be {_PACKAGE})"
        self._add(_join(path, key), value, problem, enumerate_names(siblings), hint)

    def _add(self, key: str, value: Any, problem: str, allowed: str, hint: str = "") -> None:
        self.mistakes.append(complaint(key, show(value), problem, allowed, hint))


def _variants(annotation: Any) -> list[tuple[str, type]]:
    return list(tags(annotation).items()) if len(sections(annotation)) > 1 else []


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _plain(cfg: Any) -> Mapping[str, Any]:
    """Return `cfg` as plain dictionaries, interpolations resolved."""
    if isinstance(cfg, dict):
        return cfg
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from snnjax.config.plain import plain_values

    if not OmegaConf.is_dict(cfg):
        return dict(cfg)
    try:
        return plain_values(cfg)
    except OmegaConfBaseException as error:
        task = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        as_written = OmegaConf.to_container(task, resolve=False)
        raise ConfigError([_unresolved(error, as_written)]) from error


def _unresolved(error: Exception, as_written: Any) -> str:
    """Return a line for a value such as `${nope}`, which leads to nothing."""
    key = str(getattr(error, "full_key", None) or "")
    value = as_written
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    allowed = next((describe(leaf) for leaf in leaves(Config) if leaf.path == key), "")
    problem, hint = str(error).splitlines()[0], ""
    if wanted := _UNKNOWN_IN_INTERPOLATION.match(problem):
        problem, hint = f"there is no key {wanted[1]}", suggest(Config, wanted[1], ())
    return complaint(key, show(value), problem, allowed, hint and f"${{{hint}}}")
