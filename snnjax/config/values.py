"""One value against one field of the schema: its type, its range, its name in a registry."""

import math
import re
import struct
from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder
from importlib.util import find_spec
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from snnjax.config.errors import complaint, enumerate_names, is_like_number, nearest, show
from snnjax.config.fields import Leaf
from snnjax.registry import KINDS

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SMALLEST_SINGLE = 2.0**-126  # smallest normal float32; JAX flushes smaller ones to zero
_SWITCHES = {
    **dict.fromkeys(("1", "y", "yes", "on", "true"), "true"),
    **dict.fromkeys(("0", "n", "no", "off", "false"), "false"),
}
_NOTHING = object()


class RefusedError(ValueError):
    """A value that may not stand where it stands; `str` of it is the line for the user."""


def check_value(leaf: Leaf, raw: Any) -> Any:
    """Return `raw` as the value of the field `leaf`.

    Raises:
        RefusedError: `raw` has another type, lies outside the range or names nothing there is.
    """
    if leaf.default == () and isinstance(raw, list | tuple) and not raw:
        return ()
    value = _typed(leaf.annotation, raw)
    if value is _NOTHING:
        raise _refusal(leaf, raw, _wrong_type(leaf, raw), _in_brackets(leaf, raw))
    for single in value if isinstance(value, tuple) else (value,):
        if isinstance(single, int | float) and not isinstance(single, bool):
            _check_range(leaf, raw, single)
    if "registry" in leaf.metadata:
        for name in value if isinstance(value, tuple) else (value,):
            _check_name(leaf, name)
    return value


def describe(leaf: Leaf) -> str:
    """Return in words what the field `leaf` may hold."""
    if "registry" in leaf.metadata:
        listed = enumerate_names(names(leaf.metadata["registry"]))
        is_list = any(get_origin(o) is tuple for o in _options(leaf))
        return f"a list of {listed}" if is_list else listed
    return " or ".join(_describe_type(option, leaf.metadata) for option in _options(leaf))


def names(registry: str) -> Sequence[str]:
    """Return the names of a registry, or of the data catalog, without importing what they name."""
    if registry == "dataset":
        from snnjax.data import catalog

        return catalog.names()
    return tuple(KINDS[registry])


def is_plain_number(text: str) -> bool:
    """Return whether `text` is a decimal number, with or without an exponent."""
    return _NUMBER.fullmatch(text) is not None


def _options(leaf: Leaf) -> tuple[Any, ...]:
    annotation = leaf.annotation
    if get_origin(annotation) in (Literal, tuple):
        return (annotation,)
    return get_args(annotation) or (annotation,)


def _typed(annotation: Any, raw: Any) -> Any:
    """Return `raw` as an `annotation`, or `_NOTHING` if it is none."""
    if get_origin(annotation) is Literal:
        same = (c for c in get_args(annotation) if type(c) is type(raw) and c == raw)
        return next(same, _NOTHING)
    if get_origin(annotation) is tuple:
        return _as_tuple(get_args(annotation)[0], raw)
    if options := get_args(annotation):
        accepted = (value for o in options if (value := _typed(o, raw)) is not _NOTHING)
        return next(accepted, _NOTHING)
    if annotation is float:
        return _as_float(raw)
    return raw if type(raw) is annotation else _NOTHING


def _as_tuple(annotation: Any, raw: Any) -> Any:
    """Return a tuple for a list, or tuple, that is not empty and whose every item is of a type."""
    if not isinstance(raw, list | tuple) or not raw:
        return _NOTHING
    items = tuple(_typed(annotation, item) for item in raw)
    return _NOTHING if _NOTHING in items else items


def _as_float(raw: Any) -> Any:
    """Return a float for a float, for an integer it can hold, and for text such as 1e-3."""
    if type(raw) is float:
        return raw
    if type(raw) is int and abs(raw) <= 2**53:
        return float(raw)
    if isinstance(raw, str) and is_plain_number(raw):
        return float(raw)
    return _NOTHING


def _check_range(leaf: Leaf, raw: Any, value: float) -> None:
    if not math.isfinite(value):
        raise _refusal(leaf, raw, "is not finite")
    held = value
    if isinstance(value, float) and leaf.role == "member":
        held = _single(value)
    if _is_inside(leaf.metadata, held):
        return
    if not _is_inside(leaf.metadata, value):
        raise _refusal(leaf, raw, "out of range", _closest_bound(leaf, value))
    raise _refusal(leaf, raw, f"becomes {held:g} in single precision, out of range")


def _single(value: float) -> float:
    """Return what is left of `value` in the single precision a network computes in."""
    try:
        rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return rounded if abs(rounded) >= _SMALLEST_SINGLE else 0.0


def _is_inside(bounds: Mapping[str, Any], value: float) -> bool:
    return (
        math.isfinite(value)
        and bounds.get("low", -math.inf) <= value <= bounds.get("high", math.inf)
        and value > bounds.get("above", -math.inf)
        and value < bounds.get("below", math.inf)
    )


def _closest_bound(leaf: Leaf, value: float) -> str:
    low, high = leaf.metadata.get("low", -math.inf), leaf.metadata.get("high", math.inf)
    bound = low if value < low else high
    return show(bound) if math.isfinite(bound) and bound != value else ""


def _check_name(leaf: Leaf, name: str) -> None:
    registry = leaf.metadata["registry"]
    known = names(registry)
    if name in known:
        return
    if registry == "dataset" or ":" not in name:
        raise _refusal(leaf, name, f"no such {registry}")
    module, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        raise RefusedError(
            complaint(leaf.path, show(name), "is not of the form package.module:attribute")
        )
    if not _module_exists(module):
        problem = f"no module {module} on the Python path"
        raise RefusedError(
            complaint(leaf.path, show(name), problem, f"{describe(leaf)} or module:attribute")
        )


def _module_exists(dotted: str) -> bool:
    """Return whether a module can be found, without importing it or the packages above it."""
    top, *rest = dotted.split(".")
    try:
        spec = find_spec(top)
    except ValueError:  # a module without a spec, such as __main__
        return not rest
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return False
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec is not None


def _refusal(leaf: Leaf, raw: Any, problem: str, hint: str = "") -> RefusedError:
    return RefusedError(
        complaint(leaf.path, show(raw), problem, describe(leaf), hint or _nearest(leaf, raw))
    )


def _nearest(leaf: Leaf, raw: Any) -> str:
    """Return the valid value that `raw` was most likely meant to be, or an empty string."""
    if "registry" in leaf.metadata:
        return nearest(str(raw), names(leaf.metadata["registry"]))
    options = _options(leaf)
    if isinstance(raw, float) and raw.is_integer() and int in options:
        return str(int(raw))
    if isinstance(raw, str) and is_like_number(raw) and int in options:
        return raw if raw.isdigit() else ""
    if str in options and not isinstance(raw, NoneType | Mapping | list | tuple):
        return f"'{show(raw)}'"
    if bool in options:
        return _SWITCHES.get(str(raw).lower(), "")
    words = [str(c) for o in options if get_origin(o) is Literal for c in get_args(o)]
    return nearest(str(raw), words) if isinstance(raw, str) else ""


def _in_brackets(leaf: Leaf, raw: Any) -> str:
    """Return a value as a list of it where that would do, or an empty string."""
    if isinstance(raw, list | tuple) or _typed(leaf.annotation, [raw]) is _NOTHING:
        return ""
    item = _nearest(leaf, raw) if "registry" in leaf.metadata else show(raw)
    return f"[{item}]" if item else ""


def _wrong_type(leaf: Leaf, raw: Any) -> str:
    literal = any(get_origin(option) is Literal for option in _options(leaf))
    if literal and isinstance(raw, str):
        return "no such choice"
    if isinstance(raw, list | tuple) and any(get_origin(o) is tuple for o in _options(leaf)):
        return "wrong type, an item of the list" if raw else "an empty list names nothing"
    kinds: Mapping[type, str] = {
        bool: "true or false",
        int: "an integer",
        float: "a number",
        str: "text",
        NoneType: "null",
        list: "a list",
        dict: "a group of keys",
    }
    return f"wrong type, {kinds.get(type(raw), type(raw).__name__)}"


def _describe_type(option: Any, metadata: Mapping[str, Any]) -> str:
    if get_origin(option) is Literal:
        return ", ".join(str(choice) for choice in get_args(option))
    if option is NoneType:
        return "null"
    if option is bool:
        return "true, false"
    if option is str:
        return "text"
    if get_origin(option) is tuple:
        return f"a list, each item {_describe_type(get_args(option)[0], metadata)}"
    return " ".join(("an integer" if option is int else "a number", *_describe_range(metadata)))


def _describe_range(metadata: Mapping[str, Any]) -> list[str]:
    signs = {"low": ">=", "above": ">", "high": "<=", "below": "<"}
    bounds = [
        f"{sign} {metadata[name]}"
        for name, sign in signs.items()
        if name in metadata and math.isfinite(metadata[name])
    ]
    return [" and ".join(bounds)] if bounds else []
