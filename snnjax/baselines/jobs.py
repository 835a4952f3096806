"""The data sets, folds and seeds that a command line describes, composed as for networks."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf

from snnjax.baselines.words import SHARED, is_common, is_group, key_of
from snnjax.config.errors import ConfigError, complaint
from snnjax.config.plain import PlainValues, plain_values
from snnjax.config.preflight import PRIMARY

Axis = tuple[str, Sequence[Any]]


def read_jobs(parser: OverridesParser, overrides: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield `seed`, `data`, `training.monitor` and `sweep` of every combination of values."""
    given = parser.parse_overrides([*overrides])
    refuse(map(continuous, given))
    chosen = [o for o in given if is_group(str(o.key_or_group))]
    rest = [o for o in given if not is_group(str(o.key_or_group))]
    own = dict(map(axis, rest))
    for choices in itertools.product(*map(_texts, chosen)):
        told = {key_of(choice).lstrip("+") for choice in choices}
        for swept in swept_by_file(parser, _composed(choices)):
            axes = {**swept, **own}
            groups = [[f"{k}={v}" for v in axes[k]] for k in axes if is_group(k) and k not in told]
            single = {key: values for key, values in axes.items() if not is_group(key)}
            for further in itertools.product(*groups):
                yield from _exchanged(_composed([*choices, *further]), single)


def _composed(choices: Sequence[str]) -> DictConfig:
    return compose(PRIMARY, [*choices], return_hydra_config=True)


def _exchanged(composed: DictConfig, axes: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield what was composed with every combination of values in their keys' places."""
    plain = PlainValues(composed)
    for values in itertools.product(*axes.values()):
        exchanged = dict(zip(axes, values, strict=True))
        yield _shared(plain.exchanged(exchanged) or _updated(composed, exchanged))


def swept_by_file(
    parser: OverridesParser, composed: DictConfig
) -> Iterator[dict[str, Sequence[Any]]]:
    """Yield what each stage of a sweep file varies beside the networks: data, folds, seeds."""
    params = OmegaConf.select(composed, "hydra.sweeper.params") or {}
    for stage in OmegaConf.select(composed, "hydra.sweeper.stages") or [{}]:
        merged = {**params, **stage}
        texts = [f"{key}={value}" for key, value in merged.items() if is_common(str(key))]
        yield dict(map(axis, parser.parse_overrides(texts)))


def _shared(job: Mapping[str, Any]) -> dict[str, Any]:
    training = {key: job["training"][key] for key in SHARED if key in job["training"]}
    kept = {key: job[key] for key in ("seed", "data", "sweep")}
    return {**kept, "training": training}


def _updated(composed: DictConfig, values: Mapping[str, Any]) -> dict[str, Any]:
    copy = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    for key, value in values.items():
        OmegaConf.update(copy, key, value, force_add=True)
    return plain_values(copy)


def _texts(override: Override) -> Sequence[str]:
    """Return an override for each of its values, as Hydra composes with them."""
    key = override.get_key_element()
    if override.is_sweep_override():
        return [f"{key}={text}" for text in override.sweep_string_iterator()]
    return [str(override.input_line)]


def axis(override: Override) -> Axis:
    """Return the key and the values of an override."""
    if not override.is_sweep_override():
        return str(override.key_or_group), [override.value()]
    return str(override.key_or_group), [*override.sweep_iterator()]


def continuous(override: Override) -> str:
    """Return a complaint about a range of real numbers, of which there is no every value."""
    if not isinstance(override.value(), IntervalSweep):
        return ""
    return complaint(override.get_key_element(), None, "an interval", "single values")


def refuse(lines: Iterable[str]) -> None:
    """Raise a ConfigError with the lines that say something, if any does."""
    if mistakes := [line for line in lines if line]:
        raise ConfigError(mistakes)
