"""From what a sweep file and the command line say to the grids of a sweep.

Below `hydra.sweeper`: `params` are the axes of all runs, `methods` name what is compared, each
with the axes that it has besides (or a list of several such grids), `stages` list axes that are
trained one after another, `scaled` is what a share is taken of.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest, show
from snnjax.config.grids import Axes, Scaled, Sweep

Parse = Callable[[str, str], Sequence[str]]
"""From a key and the text behind its `=` to the texts of the values that it stands for."""

_ROOT = "hydra.sweeper"
_MODEL = "model"


def read_sweep(settings: Mapping[str, Any], given: Axes, parse: Parse) -> Sweep:
    """Return the sweep that a file describes, changed by what the command line gives.

    An axis of the command line replaces that of the file; `model=snn` picks a method. Of several
    grids or stages, those that have a given value are taken, with that value alone.

    Args:
        settings: The node `hydra.sweeper`.
        given: The axes of the command line, single values too.
        parse: Reads the values of an axis.

    Raises:
        ConfigError: Naming the key, what is wrong with it, and what could stand there.
    """
    common = {**_axes(f"{_ROOT}.params", settings.get("params"), parse), **given}
    methods = _picked(_methods(settings.get("methods"), parse), given)
    if methods:
        common.pop(_MODEL, None)
    own = {name: _changed(grids, given) for name, grids in methods.items()}
    stages = _changed(_grids(f"{_ROOT}.stages", settings.get("stages") or [{}], parse), given)
    return Sweep(common, own or {"": ({},)}, stages, _scaled(settings.get("scaled")))


def _axes(where: str, written: Any, parse: Parse) -> Axes:
    """Return the axes written below a key, in order."""
    if written is None:
        return {}
    if not isinstance(written, Mapping):
        raise ConfigError(complaint(where, show(written), "is a group of keys", "keys with values"))
    return {str(key): _values(where, str(key), text, parse) for key, text in written.items()}


def _values(where: str, key: str, text: Any, parse: Parse) -> tuple[str, ...]:
    shown = text if isinstance(text, str) else show(text)
    values = tuple(parse(key, shown)) if shown.strip() else ()
    if not values:
        problem = "no value among them to run with"
        raise ConfigError(complaint(f"{where}.{key}", show(text), problem, "values with commas"))
    return values


def _methods(written: Any, parse: Parse) -> dict[str, list[Axes]]:
    """Return the grids of every method, each with the choice of its model."""
    where = f"{_ROOT}.methods"
    if not written:
        return {}
    if not isinstance(written, Mapping):
        allowed = "names of methods with their keys"
        raise ConfigError(complaint(where, show(written), "is a group of keys", allowed))
    grids = {str(name): _grids(f"{where}.{name}", own, parse) for name, own in written.items()}
    return {name: [{_MODEL: (name,), **grid} for grid in own] for name, own in grids.items()}


def _grids(where: str, written: Any, parse: Parse) -> list[Axes]:
    """Return the grids written below a key: one, or a list of several."""
    several = written if isinstance(written, list) and written else [written]
    return [_axes(where, grid, parse) for grid in several]


def _picked(methods: dict[str, list[Axes]], given: Axes) -> dict[str, list[Axes]]:
    """Return the methods whose model the command line asks for; all if it asks for none.

    Raises:
        ConfigError: No method has a model that it asks for.
    """
    if not methods or _MODEL not in given:
        return methods
    wanted = given[_MODEL]
    known = {model: None for grids in methods.values() for grid in grids for model in grid[_MODEL]}
    for model in wanted:
        if model not in known:
            problem = "no method of this sweep"
            hint = nearest(model, known)
            raise ConfigError(complaint(_MODEL, model, problem, enumerate_names([*known]), hint))
    picked = {name: _with(grids, _MODEL, wanted) for name, grids in methods.items()}
    return {name: grids for name, grids in picked.items() if grids}


def _changed(grids: list[Axes], given: Axes) -> list[Axes]:
    """Return grids with the values that the command line gives.

    Of several grids those are taken that have such a value, with that alone, if all are had.
    """
    for key, values in given.items():
        had = {value for grid in grids for value in grid.get(key, ())}
        if key == _MODEL or not had:
            continue
        if len(grids) > 1 and had.issuperset(values):
            grids = _with(grids, key, values)
        else:
            grids = [grid | {key: values} if key in grid else grid for grid in grids]
    return grids


def _with(grids: list[Axes], key: str, values: Sequence[str]) -> list[Axes]:
    """Return the grids that have some of the values of a key, with these alone."""
    both = [(grid, tuple(v for v in values if v in grid.get(key, ()))) for grid in grids]
    return [grid | {key: common} for grid, common in both if common]


def _scaled(written: Any) -> Scaled:
    where, known = f"{_ROOT}.scaled", [field.name for field in fields(Scaled)]
    if written is None:
        return Scaled()
    if not isinstance(written, Mapping):
        raise ConfigError(complaint(where, show(written), "is a group of keys", ", ".join(known)))
    for key, patterns in written.items():
        if key not in known:
            hint = nearest(str(key), known)
            raise ConfigError(
                complaint(f"{where}.{key}", None, "unknown key", ", ".join(known), hint)
            )
        if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
            allowed = "a list of keys or patterns such as model.*"
            raise ConfigError(complaint(f"{where}.{key}", show(patterns), "not a list", allowed))
    return Scaled(**{str(key): tuple(patterns) for key, patterns in written.items()})
