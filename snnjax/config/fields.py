"""The schema as a list of dotted keys, each with its type, its metadata and its default.

What is found out about a schema is kept: thousands of runs are checked against the same one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from snnjax.config.errors import nearest

TAG = "name"
"""The field by which one dataclass of a union, such as an optimizer, is told from the others."""


@dataclass(frozen=True)
class Leaf:
    """One key that holds a value rather than more keys.

    Attributes:
        path: The dotted key, such as `model.depth`.
        annotation: Its type as written in the schema.
        metadata: Role, range and registry, see `snnjax.config.schema`.
        default: Its value when nobody sets it.
    """

    path: str
    annotation: Any
    metadata: Mapping[str, Any]
    default: Any

    @property
    def key(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def role(self) -> str:
        """What the field is to a run: static, member, data or run."""
        return str(self.metadata["role"])


def sections(annotation: Any) -> tuple[type, ...]:
    """Return the dataclasses `annotation` admits: several for a union, none for a plain value."""
    candidates = (annotation, *get_args(annotation))
    return tuple(c for c in candidates if isinstance(c, type) and is_dataclass(c))


@cache
def annotations(schema: type) -> Mapping[str, Any]:
    """Return the resolved type of every field of the dataclass `schema`, in order."""
    hints = get_type_hints(schema)
    return MappingProxyType({field.name: hints[field.name] for field in fields(schema)})


def tags(annotation: Any) -> Mapping[str, type]:
    """Return the dataclasses of a union by the value of their `name` field."""
    return {get_args(annotations(schema)[TAG])[0]: schema for schema in sections(annotation)}


@cache
def own_leaves(schema: type, prefix: str = "") -> Mapping[str, Leaf]:
    """Return the leaves directly under the dataclass `schema`, by field name."""
    hints = annotations(schema)
    found = {
        field.name: Leaf(
            prefix + field.name, hints[field.name], field.metadata, _default(field.default)
        )
        for field in fields(schema)
        if field.name not in subsections(schema)
    }
    return MappingProxyType(found)


@cache
def subsections(schema: type) -> Mapping[str, tuple[type, ...]]:
    """Return the dataclasses that a field of `schema` admits, for each that is no plain value."""
    found = {name: sections(annotation) for name, annotation in annotations(schema).items()}
    return MappingProxyType({name: several for name, several in found.items() if several})


def leaves(schema: type, prefix: str = "") -> Iterator[Leaf]:
    """Yield every leaf of `schema`; for a union of sections those of all its members."""
    yield from own_leaves(schema, prefix).values()
    for name, several in subsections(schema).items():
        for section in several:
            yield from leaves(section, f"{prefix}{name}.")


def values(config: Any, prefix: str = "") -> Iterator[tuple[Leaf, Any]]:
    """Yield every leaf of the dataclass instance `config` that applies, with its value."""
    schema: type = type(config)
    for name, leaf in own_leaves(schema, prefix).items():
        if is_open(leaf):
            yield from entries(leaf, getattr(config, name))
        elif applies(leaf, config):
            yield leaf, getattr(config, name)
    for name in subsections(schema):
        yield from values(getattr(config, name), f"{prefix}{name}.")


def is_open(leaf: Leaf) -> bool:
    """Tell whether below a leaf there are keys that no schema knows."""
    return bool(leaf.metadata.get("open"))


def entries(leaf: Leaf, arguments: Mapping[str, Any]) -> Iterator[tuple[Leaf, Any]]:
    """Yield a leaf for each key below an open one, with its value: decimal numbers are members'."""
    for name, value in arguments.items():
        role = "member" if isinstance(value, float) else "static"
        yield Leaf(f"{leaf.path}.{name}", type(value), {"role": role}, None), value


def applies(leaf: Leaf, section: Any) -> bool:
    """Tell whether a field has a meaning beside the other values of its section.

    Beside a choice of one's own, `package.module:attribute`, every field may have one.
    """
    for name, choices in leaf.metadata.get("only", {}).items():
        chosen = getattr(section, name)
        if chosen not in choices and ":" not in chosen:
            return False
    return True


def suggest(schema: type, path: str, siblings: Iterator[str] | tuple[str, ...]) -> str:
    """Return the key that the unknown key `path` was most likely meant to be.

    A key of that very name in another section comes first, then one of the `siblings` spelt
    alike, then any key spelt alike.
    """
    known = tuple(dict.fromkeys(leaf.path for leaf in leaves(schema)))
    key = path.rpartition(".")[2]
    same = [candidate for candidate in known if candidate.rpartition(".")[2] == key]
    if same and key != TAG:
        return same[0]
    last = {candidate.rpartition(".")[2]: candidate for candidate in reversed(known)}
    return nearest(key, siblings) or last.get(nearest(key, last), "") or nearest(path, known)


def _default(value: Any) -> Any:
    return None if value is MISSING else value
