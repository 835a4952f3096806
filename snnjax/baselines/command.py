"""The words of `python -m snnjax.train`, read as baselines: the data as there, the methods here."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from snnjax.baselines.config import METHODS, BaselineConfig
from snnjax.baselines.estimators import CLASSIFIERS_ONLY, WITHOUT_PROBABILITIES
from snnjax.baselines.grids import grid_points
from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest, show
from snnjax.config.fields import annotations, applies, leaves, own_leaves, suggest
from snnjax.config.overrides import check_overrides
from snnjax.config.plain import PlainValues, plain_values
from snnjax.config.preflight import PRIMARY, VERSION_BASE, summarize
from snnjax.config.schema import Config, DataConfig
from snnjax.config.sources import ADDED_GROUPS, folder, groups, register
from snnjax.config.strict import convert, from_hydra
from snnjax.data import catalog
from snnjax.metric_names import BY_TASK

_METHOD = "model"
_GROUPS = ("data", *ADDED_GROUPS)
# Of the training of networks this alone has a meaning here; the rest are baselines' own.
_SHARED = ("monitor",)

Axis = tuple[str, Sequence[Any]]


def read_configs(overrides: Sequence[str]) -> list[BaselineConfig]:
    """Return every run that a command line describes, those of a data set after one another.

    Args:
        overrides: `key=value`, several values with commas: a run for each combination, for each
            configuration of the methods' grids.

    Raises:
        ConfigError: With a line for every mistake.
    """
    register()
    with initialize_config_dir(str(folder("conf")), job_name="snnjax", version_base=VERSION_BASE):
        try:
            parser = OverridesParser.create(GlobalHydra.instance().config_loader())
            return _read(parser, overrides)
        except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
            raise ConfigError(summarize(error)) from error


def _read(parser: OverridesParser, overrides: Sequence[str]) -> list[BaselineConfig]:
    _refuse(map(_complaint, overrides))
    own = [text for text in overrides if _is_own(_key(text))]
    common = check_overrides([text for text in overrides if not _is_own(_key(text))])
    axes = dict(_axis(parsed) for parsed in parser.parse_overrides(own))
    refit = axes.pop("training.refit", [False])
    methods = _methods(axes.pop(_METHOD, [next(iter(METHODS))]))
    instead = {key.partition(".")[2]: values for key, values in axes.items()}
    _refuse(_unknown_number(key, values, methods) for key, values in instead.items())
    found: dict[BaselineConfig, None] = {}
    for job in _jobs(parser, common):
        base = from_hydra(job)  # what holds of the data of networks holds of these
        for method, again in itertools.product(methods, refit):
            _refuse(_misfits(base, method))
            fitting = {"monitor": base.training.monitor, "refit": again}
            taken = {k: v for k, v in instead.items() if k in own_leaves(METHODS[method])}
            for model in grid_points(method, taken):
                config = convert(BaselineConfig, {**job, "model": model, "training": fitting})
                found[config] = None
    return [*found]


def _jobs(parser: OverridesParser, overrides: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield `seed`, `data`, `training.monitor` and `sweep` of every combination of values."""
    given = parser.parse_overrides([*overrides])
    _refuse(map(_continuous, given))
    chosen = [o for o in given if _is_group(str(o.key_or_group))]
    rest = [o for o in given if not _is_group(str(o.key_or_group))]
    for choices in itertools.product(*map(_texts, chosen)):
        composed = compose(PRIMARY, [*choices], return_hydra_config=True)
        plain, own = PlainValues(composed), dict(map(_axis, rest))
        for swept in _swept_by_file(parser, composed):
            axes = {**swept, **own}
            for values in itertools.product(*axes.values()):
                exchanged = dict(zip(axes, values, strict=True))
                yield _shared(plain.exchanged(exchanged) or _updated(composed, exchanged))


def _swept_by_file(
    parser: OverridesParser, composed: DictConfig
) -> Iterator[dict[str, Sequence[Any]]]:
    """Yield what each stage of a sweep file varies beside the networks: data, folds, seeds."""
    params = OmegaConf.select(composed, "hydra.sweeper.params") or {}
    for stage in OmegaConf.select(composed, "hydra.sweeper.stages") or [{}]:
        merged = {**params, **stage}
        texts = [f"{key}={value}" for key, value in merged.items() if _is_common(str(key))]
        yield dict(map(_axis, parser.parse_overrides(texts)))


def _shared(job: Mapping[str, Any]) -> dict[str, Any]:
    training = {key: job["training"][key] for key in _SHARED if key in job["training"]}
    kept = {key: job[key] for key in ("seed", "data", "sweep")}
    return {**kept, "training": training}


def _updated(composed: DictConfig, values: Mapping[str, Any]) -> dict[str, Any]:
    copy = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    for key, value in values.items():
        OmegaConf.update(copy, key, value, force_add=True)
    return plain_values(copy)


def _methods(names: Sequence[Any]) -> list[str]:
    """Return methods once each, in the order they were given."""
    allowed = ", ".join(METHODS)
    _refuse(
        ""
        if name in METHODS
        else complaint(_METHOD, show(name), "no such method", allowed, nearest(str(name), METHODS))
        for name in names
    )
    return [*dict.fromkeys(map(str, names))]


def _misfits(base: Config, method: str) -> Iterator[str]:
    """Yield why a method cannot be fitted to a data set, or judged by a metric."""
    task, monitor = catalog.entry_of(base.data).task, base.training.monitor
    if base.sweep.scale != 1:
        problem = "baselines take all of the data sets and of their own grids"
        yield complaint("sweep.scale", show(base.sweep.scale), problem, "1")
    if applies(own_leaves(DataConfig)["rows"], base.data):
        yield complaint("data.name", base.data.name, f"endless; {method} is fitted on given rows")
    elif task == "regression" and method in CLASSIFIERS_ONLY:
        others = ", ".join(name for name in METHODS if name not in CLASSIFIERS_ONLY)
        yield complaint(_METHOD, method, f"{base.data.name} is a regression set", others)
    elif task != "regression" and method in WITHOUT_PROBABILITIES and monitor == "loss":
        others = ", ".join(name for name in BY_TASK[task] if name != "loss")
        yield complaint("training.monitor", monitor, f"{method} has no probabilities", others)


def _complaint(text: str) -> str:
    """Return what is wrong with the key of an override, as far as baselines know more of it."""
    if text.partition("=")[0] == "scale":
        return ""  # short for sweep.scale, which is judged with all other values
    key, equals, value = text.partition("=")
    bare = key.lstrip("+~")
    if not equals or _is_own(bare) or _is_common(bare):
        return ""
    allowed = "data, experiment, sweep, model, seed, data.*, sweep.*, training.monitor and refit"
    if bare in groups() or any(
        leaf.path == bare or leaf.path.startswith(f"{bare}.") for leaf in leaves(Config)
    ):
        return complaint(key, value, "is a key of networks, not of baselines", allowed)
    siblings = tuple(annotations(BaselineConfig))
    hint = suggest(BaselineConfig, bare, siblings)
    return complaint(key, value, "unknown key", allowed, hint)


def _unknown_number(key: str, values: Sequence[Any], methods: Sequence[str]) -> str:
    """Return a complaint about a number that none of the methods has."""
    known = dict.fromkeys(name for method in methods for name in own_leaves(METHODS[method]))
    if key == "name":
        shown = ",".join(map(show, values))
        hint = f"{_METHOD}={shown}"
        return complaint(f"{_METHOD}.name", shown, "is set by choosing the model", hint=hint)
    if key in known:
        return ""
    names = [name for name in known if name != "name"]
    near = nearest(key, names)
    problem = f"no number of {' or '.join(methods)}"
    shown = ",".join(map(show, values))
    return complaint(
        f"{_METHOD}.{key}", shown, problem, enumerate_names(names), near and f"{_METHOD}.{near}"
    )


def _continuous(override: Override) -> str:
    if not isinstance(override.value(), IntervalSweep):
        return ""
    return complaint(override.get_key_element(), None, "an interval", "single values")


def _is_own(key: str) -> bool:
    return key in (_METHOD, "training.refit") or key.startswith(f"{_METHOD}.")


def _is_common(key: str) -> bool:
    is_shared = key == "seed" or key.startswith(("data.", "sweep."))
    is_shared = is_shared or key in {f"training.{name}" for name in _SHARED}
    return is_shared or _is_group(key)


def _is_group(key: str) -> bool:
    return key in _GROUPS


def _key(text: str) -> str:
    return text.partition("=")[0]


def _texts(override: Override) -> Sequence[str]:
    """Return an override for each of its values, as Hydra composes with them."""
    key = override.get_key_element()
    if override.is_sweep_override():
        return [f"{key}={text}" for text in override.sweep_string_iterator()]
    return [str(override.input_line)]


def _axis(override: Override) -> Axis:
    """Return the key and the values of an override."""
    if not override.is_sweep_override():
        return str(override.key_or_group), [override.value()]
    return str(override.key_or_group), [*override.sweep_iterator()]


def _refuse(lines: Iterator[str] | Any) -> None:
    """Raise a ConfigError with the lines that say something, if any does."""
    if mistakes := [line for line in lines if line]:
        raise ConfigError(mistakes)
