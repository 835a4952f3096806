"""How the schema declares its fields: numbers with ranges, names out of registries, options.

Every field says through its metadata what may stand in it and what it is to a run:

- `static`: decides shapes or traced code; part of the Program.
- `member`: only a number; part of the Member and free to differ inside one population.
- `data`: which arrays a run sees; identifies the run, never reaches the compiled program.
- `run`: where and how loudly a run reports; no part of its identity (the fingerprint).

A member field with an `off` value stays in the Program while it has that value: dropout at rate
0 or momentum 0 must not cost anything. A field that is `only` for some choice of another field
must keep its default beside any other choice.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Any, Literal

Role = Literal["static", "member", "data", "run"]


class Arguments(dict[str, Any]):
    """Further arguments of a function by name, such as an optimizer's; not to be changed.

    Decimal numbers are a member's own; whole numbers, true, false, null and text are static.
    """

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __repr__(self) -> str:
        return f"Arguments({', '.join(f'{name}={value!r}' for name, value in self.items())})"


Only = Mapping[str, Collection[str]]
"""Names of fields beside this one, and the values of each that this one has a meaning with."""

_NO_OFF = object()


def _field(default: Any, role: Role, *, off: Any = _NO_OFF, **details: Any) -> Any:
    metadata = {"role": role, **{k: v for k, v in details.items() if v is not None}}
    if off is not _NO_OFF:
        metadata["off"] = off
    return field(default=default, metadata=metadata)


def number(
    default: float | Literal["default", "auto", "scale", "sqrt"] | tuple[()] | None,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float | None = None,
    below: float | None = None,
    role: Role = "member",
    off: Any = _NO_OFF,
    only: Only | None = None,
) -> Any:
    """Declare a number in [low, high], exclusive where given as `above` or `below`."""
    bounds = {"low": low, "high": high, "above": above, "below": below}
    return _field(default, role, off=off, only=only, **bounds)


def choice(default: str, registry: str, role: Role = "static") -> Any:
    """Declare a name out of a table of `snnjax.registry` (or the data catalog)."""
    return _field(default, role, registry=registry)


def choices(default: tuple[str, ...], registry: str, role: Role = "static") -> Any:
    """Declare a list, which may be empty, of names out of a table of `snnjax.registry`."""
    return _field(default, role, registry=registry)


def arguments() -> Any:
    """Declare keys of the user's own choice, each the name of an argument."""
    return _field(Arguments(), "member", open=True)


def option(default: Any, role: Role = "static", *, only: Only | None = None) -> Any:
    """Declare a value whose type annotation says all there is to check."""
    return _field(default, role, only=only)
