"""Compose and convert what is going to run before Hydra makes the first folder.

Hydra composes job by job, after it has made the job's folder. A mistake in the last of two
hundred jobs would show up when the others are done; here it shows up first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from snnjax.config.axes import axes_of, values_of
from snnjax.config.errors import ConfigError
from snnjax.config.grids import Axes
from snnjax.config.methods import read_sweep
from snnjax.config.overrides import check_overrides
from snnjax.config.plain import PlainValues
from snnjax.config.rules.data import no_such_folder
from snnjax.config.schema import Config
from snnjax.config.sources import folder, register
from snnjax.config.strict import from_hydra
from snnjax.config.swept import (
    OURS,
    as_typed,
    choices_of,
    continuous,
    forced,
    is_group,
    needs_multirun,
    needs_our_sweeper,
    needs_sweep,
    sweeper_of,
    text_of,
    unknown_to_hydra,
    without_values,
)

PRIMARY = "config"
VERSION_BASE = "1.3"
_ADVICE = (
    *("See ", "To append ", "full_key", "object_type", "reference_type"),
    *("Search path", "Config search path", "provider="),
)
_LINES = 8


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
        plain = [forced(o) for o in given if not o.is_sweep_override()]
        _refuse(map(without_values, swept))
        base = self._compose([*plain, *(next(choices_of(override)) for override in swept)])
        _refuse(unknown_to_hydra(override, base) for override in given)
        axes = [*self._sweeper_axes(base, given), *swept]
        _refuse(without_values(axis) or continuous(axis, base) for axis in axes)
        if base.hydra.mode != RunMode.MULTIRUN and not multirun:
            _refuse(map(needs_multirun, swept))
            _refuse([*needs_sweep(base)])
            _refuse(as_typed(line, given) for line in _mistakes(base))
            return base
        _refuse(as_typed(line, given) for line in _mistakes(base, only="sweep.scale"))
        products = self._products(base, given, axes)
        if OmegaConf.select(base, "sweep.skip_invalid") is not True:
            found = (line for job in self._jobs(plain, products) for line in _mistakes(job))
            _refuse(as_typed(line, given) for line in found)
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
        if sweeper_of(base) != OURS:
            _refuse([*needs_our_sweeper(base)])
            return [{o.get_key_element(): tuple(map(text_of, choices_of(o))) for o in axes}]
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
            kin = tuple(str(o.input_line) if is_group(o) else key for key, o in first.items())
            if kin not in composed:
                base = self._compose([*plain, *map(forced, first.values())])
                yield base
                composed[kin] = base, PlainValues(base)
                met |= {(key, str(o.input_line)) for key, o in first.items()}
            base, values = composed[kin]
            for key, choices in axes.items():
                new = [o for o in choices if (key, str(o.input_line)) not in met]
                met |= {(key, str(o.input_line)) for o in new}
                for choice in new:
                    if is_group(choice):
                        others = first | {key: choice}
                        yield self._compose([*plain, *map(forced, others.values())])
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
