"""The words of `python -m snnjax.train`, read as baselines: the data as there, the methods here."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from snnjax.baselines.config import METHODS, BaselineConfig
from snnjax.baselines.estimators import CLASSIFIERS_ONLY, WITHOUT_PROBABILITIES
from snnjax.baselines.grids import grid_points
from snnjax.baselines.jobs import axis, continuous, read_jobs, refuse
from snnjax.baselines.words import METHOD, complaint_of, is_own, key_of, unknown_number
from snnjax.config.errors import ConfigError, complaint, nearest, show
from snnjax.config.fields import applies, own_leaves
from snnjax.config.overrides import check_overrides
from snnjax.config.preflight import VERSION_BASE, summarize
from snnjax.config.schema import Config, DataConfig
from snnjax.config.sources import folder, register
from snnjax.config.strict import convert, from_hydra
from snnjax.data import catalog
from snnjax.metric_names import BY_TASK


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
    refuse(map(complaint_of, overrides))
    own = [text for text in overrides if is_own(key_of(text))]
    common = check_overrides([text for text in overrides if not is_own(key_of(text))])
    given = parser.parse_overrides(own)
    refuse(map(continuous, given))
    axes = dict(map(axis, given))
    refit = axes.pop("training.refit", [False])
    methods = _methods(axes.pop(METHOD, [next(iter(METHODS))]))
    instead = {key.partition(".")[2]: values for key, values in axes.items()}
    refuse(unknown_number(key, values, methods) for key, values in instead.items())
    found: dict[BaselineConfig, None] = {}
    for job in read_jobs(parser, common):
        base = from_hydra(job)  # what holds of the data of networks holds of these
        for method, again in itertools.product(methods, refit):
            refuse(_misfits(base, method))
            fitting = {"monitor": base.training.monitor, "refit": again}
            taken = {k: v for k, v in instead.items() if k in own_leaves(METHODS[method])}
            for model in grid_points(method, taken):
                config = convert(BaselineConfig, {**job, "model": model, "training": fitting})
                found[config] = None
    return [*found]


def _methods(names: Sequence[Any]) -> list[str]:
    """Return methods once each, in the order they were given."""
    allowed = ", ".join(METHODS)
    refuse(
        ""
        if name in METHODS
        else complaint(METHOD, show(name), "no such method", allowed, nearest(str(name), METHODS))
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
        yield complaint(METHOD, method, f"{base.data.name} is a regression set", others)
    elif task != "regression" and method in WITHOUT_PROBABILITIES and monitor == "loss":
        others = ", ".join(name for name in BY_TASK[task] if name != "loss")
        yield complaint("training.monitor", monitor, f"{method} has no probabilities", others)
