"""Compose and convert what is going to run before Hydra makes the first folder.

Hydra composes job by job, after it has made the job's folder. A mistake in the last of two
hundred jobs would show up when the others are done; here it shows up first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.config_repository import ConfigRepository
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from snnjax.config.axes import axes_of, values_of
from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest, show
from snnjax.config.fields import leaves, own_leaves
from snnjax.config.grids import Axes
from snnjax.config.methods import read_sweep
from snnjax.config.overrides import check_overrides
from snnjax.config.plain import PlainValues
from snnjax.config.rules import no_such_folder
from snnjax.config.schema import Config
from snnjax.config.sources import folder, groups, register
from snnjax.config.strict import from_hydra
from snnjax.config.values import describe, is_plain_number

PRIMARY = "config"
VERSION_BASE = "1.3"
_ADVICE = (
    *("See ", "To append ", "full_key", "object_type", "reference_type"),
    *("Search path", "Config search path", "provider="),
)
_LINES = 8
_OURS = "product"
_ENUMERATING = (_OURS, "basic")  # sweepers that try every value there is


def preflight(
    overrides: Sequence[str],
    multirun: bool = False,
    config_dir: str | None = None,
    config_name: str | None = None,
) -> DictConfig | None:
    """Check every configuration that a command line asks for.

    Of a multirun each value of each swept key is checked once, together with the first values
    of the other keys; further combinations are checked once all jobs are composed, and so is
    everything where `sweep.skip_invalid` allows mistakes.

    Args:
        overrides: The command line without its options.
        multirun: Whether `-m` was given; a sweep file may ask for it as well.
        config_dir: A further folder of configuration groups.
        config_name: The file that the configuration starts from; by default `PRIMARY`.

    Returns:
        What a single run was composed of, Hydra's own settings included; None for a multirun.

    Raises:
        ConfigError: With a line for every mistake in any of the configurations.
    """
    with initialize_config_dir(str(folder("conf")), job_name="snnjax", version_base=VERSION_BASE):
        try:
            if config_dir is not None:
                _search_also(config_dir)
            return _Checker(config_name or PRIMARY).check(overrides, multirun)
        except ConfigError:
            raise
        except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
            raise ConfigError([summarize(error)]) from error


def the_only(overrides: Sequence[str], several: str) -> Config:
    """Return the one configuration that the overrides of a command line describe.

    Args:
        overrides: As they were typed.
        several: What to say where they describe a sweep.

    Raises:
        ConfigError: They describe none, or several.
    """
    given = check_overrides(overrides)
    register()
    if (composed := preflight(given)) is None:
        raise ConfigError(several)
    return from_hydra(composed)


def summarize(error: Exception) -> str:
    """Return what Hydra, OmegaConf or the YAML reader has to say, as one line without advice."""
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark) is not None:
        return f"{mark.name}:{mark.line + 1}: {error.problem}"
    said = [*str(error).splitlines(), *str(error.__cause__ or "").splitlines()]
    stripped = dict.fromkeys(line.strip() for line in said)
    lines = [line for line in stripped if line and not line.startswith(_ADVICE)]
    if isinstance(error, OverrideParseException):
        lines.insert(0, f"{error.override}: not an override Hydra can read")
    return "; ".join(line.rstrip(".") for line in lines[:_LINES]).replace(":; ", ": ")


def _search_also(config_dir: str) -> None:
    """Let the loader look into a further folder, as Hydra does for `--config-dir`."""
    if problem := no_such_folder("--config-dir", config_dir):
        raise ConfigError(problem)
    loader: Any = GlobalHydra.instance().config_loader()
    path, before = f"file://{Path(config_dir).absolute()}", SearchPathQuery(provider="schema")
    loader.get_search_path().prepend(provider="command-line", path=path, anchor=before)
    loader.repository = ConfigRepository(loader.get_search_path())


class _Checker:
    """Composes what a command line asks for, starting from one primary file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._parser = OverridesParser.create(GlobalHydra.instance().config_loader())

    def check(self, overrides: Sequence[str], multirun: bool) -> DictConfig | None:
        """Raise a ConfigError for what is wrong, or return the single run; see `preflight`."""
        given = self._parser.parse_overrides(list(overrides))
        swept = [override for override in given if override.is_sweep_override()]
        plain = [_forced(o) for o in given if not o.is_sweep_override()]
        _refuse(map(_without_values, swept))
        base = self._compose([*plain, *(next(_choices(override)) for override in swept)])
        _refuse(_unknown_to_hydra(override, base) for override in given)
        axes = [*self._sweeper_axes(base, given), *swept]
        _refuse(_without_values(axis) or _continuous(axis, base) for axis in axes)
        if base.hydra.mode != RunMode.MULTIRUN and not multirun:
            _refuse(map(_needs_multirun, swept))
            _refuse([*_needs_sweep(base)])
            _refuse(_as_typed(line, given) for line in _mistakes(base))
            return base
        _refuse(_as_typed(line, given) for line in _mistakes(base, only="sweep.scale"))
        products = self._products(base, given, axes)
        if OmegaConf.select(base, "sweep.skip_invalid") is not True:
            found = (line for job in self._jobs(plain, products) for line in _mistakes(job))
            _refuse(_as_typed(line, given) for line in found)
        # else: the jobs are converted before the first is trained, and the bad ones left out
        return None

    def _sweeper_axes(self, base: DictConfig, given: Iterable[Override]) -> list[Override]:
        """Return the parameters of a sweep file that the command line does not replace."""
        taken = {override.get_key_element() for override in given}
        params = OmegaConf.select(base, "hydra.sweeper.params") or {}
        parsed = self._parser.parse_overrides([f"{key}={value}" for key, value in params.items()])
        return [override for override in parsed if override.get_key_element() not in taken]

    def _products(
        self, base: DictConfig, given: Iterable[Override], axes: Iterable[Override]
    ) -> list[Axes]:
        """Return the axes of every grid of a sweep, without what the command line fixes."""
        if _sweeper(base) != _OURS:
            _refuse([*_needs_our_sweeper(base)])
            return [{o.get_key_element(): tuple(map(_value, _choices(o))) for o in axes}]
        settings: Any = OmegaConf.to_container(base.hydra.sweeper, resolve=True)
        own = [str(o.input_line) for o in given if not o.is_hydra_override()]
        sweep = read_sweep(settings, axes_of(self._parser, own), partial(values_of, self._parser))
        fixed = {o.get_key_element() for o in given if not o.is_sweep_override()}
        return [
            {key: values for key, values in product.items() if key not in fixed}
            for product in sweep.products()
        ]

    def _jobs(
        self, plain: list[str], products: Iterable[Axes]
    ) -> Iterator[DictConfig | Mapping[str, Any]]:
        """Yield the first job of each grid, then those with the further values of its axes.

        A value that another grid has too is taken once.
        """
        met: set[tuple[str, str]] = set()
        composed: dict[tuple[str, ...], tuple[DictConfig, PlainValues]] = {}
        for product in products:
            axes = {key: [*map(self._as_given, repeat(key), v)] for key, v in product.items()}
            first = {key: choices[0] for key, choices in axes.items()}
            kin = tuple(str(o.input_line) if _is_group(o) else key for key, o in first.items())
            if kin not in composed:
                base = self._compose([*plain, *map(_forced, first.values())])
                yield base
                composed[kin] = base, PlainValues(base)
                met |= {(key, str(o.input_line)) for key, o in first.items()}
            base, values = composed[kin]
            for key, choices in axes.items():
                new = [o for o in choices if (key, str(o.input_line)) not in met]
                met |= {(key, str(o.input_line)) for o in new}
                for choice in new:
                    if _is_group(choice):
                        others = first | {key: choice}
                        yield self._compose([*plain, *map(_forced, others.values())])
                    else:
                        name, value = choice.key_or_group, choice.value()
                        yield values.exchanged({name: value}) or _updated(base, name, value)

    def _as_given(self, key: str, value: str) -> Override:
        return self._parser.parse_override(f"{key}={value}")

    def _compose(self, overrides: list[str]) -> DictConfig:
        """Compose one job; what only a running job knows gets a stand-in for interpolations."""
        cfg = compose(self._name, overrides, return_hydra_config=True)
        with read_write(cfg), open_dict(cfg):
            cfg.hydra.job.num, cfg.hydra.job.id = 0, "0"
            cfg.hydra.runtime.output_dir = "."
        HydraConfig.instance().set_config(cfg)
        return cfg


def _refuse(lines: Iterable[str]) -> None:
    """Raise a ConfigError with the `lines` that say something, if any does."""
    if mistakes := [line for line in lines if line]:
        raise ConfigError(mistakes)


def _updated(base: DictConfig, key: str, value: Any) -> DictConfig:
    """Return `base` with one value replaced: the same as composing again, forty times faster."""
    task = OmegaConf.masked_copy(base, [str(name) for name in base if name != "hydra"])
    OmegaConf.update(task, key, value, force_add=True)
    return task


def _mistakes(job: DictConfig | Mapping[str, Any], only: str = "") -> Sequence[str]:
    """Return what is wrong with a job, or with one key of it."""
    try:
        from_hydra(job)
    except ConfigError as error:
        return [line for line in error.mistakes if line.startswith(only)]
    return ()


def _choices(override: Override) -> Iterator[str]:
    """Yield an override for each value of a sweep; a continuous one is checked when it runs."""
    key = _prefix(override) + override.get_key_element()
    value = override.value()
    if isinstance(value, IntervalSweep):
        yield f"{key}={value.start}"
    elif override.is_sweep_override():
        yield from (f"{key}={text}" for text in override.sweep_string_iterator())
    else:
        yield _forced(override)


def _forced(override: Override) -> str:
    return _prefix(override) + str(override.input_line)


def _prefix(override: Override) -> str:
    """Return `++` for a value, so that a key Hydra does not know gets as far as our own check."""
    is_marked = override.is_delete() or override.is_add() or override.is_force_add()
    return "" if is_marked or override.is_hydra_override() or _is_group(override) else "++"


def _is_group(override: Override) -> bool:
    key = override.key_or_group
    return "." not in key and key not in own_leaves(Config)


def _needs_multirun(override: Override) -> str:
    problem = "several values make several runs"
    line = complaint(override.get_key_element(), _text(override), problem)
    return f"{line}; add -m to start them all"


def _needs_sweep(base: DictConfig) -> Iterator[str]:
    scale = OmegaConf.select(base, "sweep.scale")
    if scale not in (None, 1):
        yield complaint("sweep.scale", show(scale), "a run alone has no share", "1, or a sweep")


def _needs_our_sweeper(base: DictConfig) -> Iterator[str]:
    """Complain about a share that another sweeper would not take."""
    scale = OmegaConf.select(base, "sweep.scale")
    if scale not in (None, 1):
        problem = f"hydra/sweeper={_sweeper(base)} takes no share"
        yield complaint("sweep.scale", show(scale), problem, f"1, or hydra/sweeper={_OURS}")


def _sweeper(base: DictConfig) -> str:
    return str(base.hydra.runtime.choices.get("hydra/sweeper"))


def _value(text: str) -> str:
    return text.partition("=")[2]


def _without_values(axis: Override) -> str:
    """Return a complaint about a sweep over nothing, an empty string if there is a value."""
    if next(_choices(axis), None) is not None:
        return ""
    key = axis.key_or_group
    allowed = next((describe(leaf) for leaf in leaves(Config) if leaf.path == key), "")
    allowed = allowed or enumerate_names(groups().get(key, ()))
    return complaint(key, _text(axis), "no value among them to run with", allowed)


def _continuous(axis: Override, base: DictConfig) -> str:
    """Return a complaint about a range of real numbers where every value is to be tried."""
    value, sweeper = axis.value(), _sweeper(base)
    if not isinstance(value, IntervalSweep) or sweeper not in _ENUMERATING:
        return ""
    problem = f"hydra/sweeper={sweeper} tries every value and cannot draw from an interval"
    allowed = f"single values such as {value.start},{value.end}, or another hydra/sweeper"
    return complaint(axis.key_or_group, _text(axis), problem, allowed)


def _unknown_to_hydra(override: Override, base: DictConfig) -> str:
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
    return complaint(shown, _text(override), "unknown key", enumerate_names(known), hint)


def _as_typed(line: str, given: Iterable[Override]) -> str:
    """Return `line` with its number as on the command line, such as 1e-400 instead of 0.0."""
    for override in given:
        if isinstance(number := override.value(), float) and is_plain_number(_text(override)):
            shown = f"{override.key_or_group}={show(number)}: "
            if line.startswith(shown):
                return f"{override.key_or_group}={_text(override)}: {line.removeprefix(shown)}"
    return line


def _text(override: Override) -> str:
    return str(override.input_line).partition("=")[2]
