"""The overrides of a command line one by one: which values they stand for, and what is wrong."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass

from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf

from snnjax.config.errors import complaint, enumerate_names, nearest, show
from snnjax.config.fields import leaves, own_leaves
from snnjax.config.schema import Config
from snnjax.config.sources import groups
from snnjax.config.values import describe, is_plain_number

OURS = "product"
_ENUMERATING = (OURS, "basic")  # sweepers that try every value there is


def choices_of(override: Override) -> Iterator[str]:
    """Yield an override for each value of a sweep; a continuous one is checked when it runs."""
    key = _prefix(override) + override.get_key_element()
    value = override.value()
    if isinstance(value, IntervalSweep):
        yield f"{key}={value.start}"
    elif override.is_sweep_override():
        yield from (f"{key}={text}" for text in override.sweep_string_iterator())
    else:
        yield forced(override)


def forced(override: Override) -> str:
    """Return an override so that a key that Hydra does not know gets as far as our own check."""
    return _prefix(override) + str(override.input_line)


def _prefix(override: Override) -> str:
    """Return `++` for a value, so that a key Hydra does not know gets as far as our own check."""
    is_marked = override.is_delete() or override.is_add() or override.is_force_add()
    return "" if is_marked or override.is_hydra_override() or is_group(override) else "++"


def is_group(override: Override) -> bool:
    """Tell whether an override chooses from a group, rather than setting a value."""
    key = override.key_or_group
    return "." not in key and key not in own_leaves(Config)


def needs_multirun(override: Override) -> str:
    """Return a complaint about several values where one run was asked for."""
    problem = "several values make several runs"
    line = complaint(override.get_key_element(), text_of(override), problem)
    return f"{line}; add -m to start them all"


def needs_sweep(base: DictConfig) -> Iterator[str]:
    """Complain about a share of a run alone."""
    scale = OmegaConf.select(base, "sweep.scale")
    if scale not in (None, 1):
        yield complaint("sweep.scale", show(scale), "a run alone has no share", "1, or a sweep")


def needs_our_sweeper(base: DictConfig) -> Iterator[str]:
    """Complain about a share that another sweeper would not take."""
    scale = OmegaConf.select(base, "sweep.scale")
    if scale not in (None, 1):
        problem = f"hydra/sweeper={sweeper_of(base)} takes no share"
        yield complaint("sweep.scale", show(scale), problem, f"1, or hydra/sweeper={OURS}")


def sweeper_of(base: DictConfig) -> str:
    """Return the name of the sweeper."""
    return str(base.hydra.runtime.choices.get("hydra/sweeper"))


def without_values(axis: Override) -> str:
    """Return a complaint about a sweep over nothing, an empty string if there is a value."""
    if next(choices_of(axis), None) is not None:
        return ""
    key = axis.key_or_group
    allowed = next((describe(leaf) for leaf in leaves(Config) if leaf.path == key), "")
    allowed = allowed or enumerate_names(groups().get(key, ()))
    return complaint(key, text_of(axis), "no value among them to run with", allowed)


def continuous(axis: Override, base: DictConfig) -> str:
    """Return a complaint about a range of real numbers where every value is to be tried."""
    value, sweeper = axis.value(), sweeper_of(base)
    if not isinstance(value, IntervalSweep) or sweeper not in _ENUMERATING:
        return ""
    problem = f"hydra/sweeper={sweeper} tries every value and cannot draw from an interval"
    allowed = f"single values such as {value.start},{value.end}, or another hydra/sweeper"
    return complaint(axis.key_or_group, text_of(axis), problem, allowed)


def unknown_to_hydra(override: Override, base: DictConfig) -> str:
    """Return a complaint about a key of Hydra's that Hydra would take and never read."""
    parent, _, key = str(override.key_or_group).rpartition(".")
    if not override.is_hydra_override() or not parent or override.is_delete():
        return ""
    schema = OmegaConf.get_type(OmegaConf.select(base, parent))
    if not is_dataclass(schema):
        return ""
    known = [field.name for field in fields(schema)]
    if key in known:
        return ""
    hint = (near := nearest(key, known)) and f"{parent}.{near}"
    shown = override.get_key_element()
    return complaint(shown, text_of(override), "unknown key", enumerate_names(known), hint)


def as_typed(line: str, given: Iterable[Override]) -> str:
    """Return `line` with its number as on the command line, such as 1e-400 instead of 0.0."""
    for override in given:
        if isinstance(number := override.value(), float) and is_plain_number(text_of(override)):
            shown = f"{override.key_or_group}={show(number)}: "
            if line.startswith(shown):
                return f"{override.key_or_group}={text_of(override)}: {line.removeprefix(shown)}"
    return line


def text_of(override: Override | str) -> str:
    """Return what stands behind the `=` of an override."""
    written = override if isinstance(override, str) else str(override.input_line)
    return written.partition("=")[2]
