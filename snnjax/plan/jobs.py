"""The runs of a sweep as the command line describes them, without composing every single one.

Jobs that differ only in the numbers of their members cost the same: of each kind of job one is
composed and the others are counted.
"""

import copy
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import accumulate
from typing import Any, NamedTuple

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.utils import setup_globals
from hydra.types import HydraContext, RunMode
from omegaconf import open_dict, read_write

from hydra_plugins.snnjax_launchers.composer import Composer
from snnjax.config.errors import ConfigError
from snnjax.config.fields import Leaf, leaves
from snnjax.config.preflight import PRIMARY, VERSION_BASE, preflight
from snnjax.config.rules import broken_rules
from snnjax.config.schema import Config, DataConfig
from snnjax.config.sources import folder, register
from snnjax.config.strict import from_hydra
from snnjax.config.values import RefusedError, check_value

# Numbers of members of which rules compare several: their values decide whether a run is valid.
_COMPARED = ("schedule.", "model.rrelu_")
# A number that costs.
_COUNTED = "training.epochs"
_LISTING = "hydra_plugins.snnjax_launchers.listing.ListingLauncher"

Tokens = tuple[Any, ...]


class Jobs(NamedTuple):
    """What a sweep consists of.

    Attributes:
        kinds: Configurations, one for each kind of job, and how many jobs are of its kind.
        invalid: Mistakes, and how many jobs have each.
        runs: All jobs.
        trials: Those that differ in more than seed, fold and data set.
        stages: How many of the kinds belong to each batch that is launched after the one before;
            empty for a single one.
    """

    kinds: list[tuple[Config, int]]
    invalid: Counter[str]
    runs: int
    trials: int
    stages: tuple[int, ...] = ()

    def batches(self) -> list[list[tuple[Config, int]]]:
        """Return the kinds of each batch."""
        ends = [*accumulate(self.stages or (len(self.kinds),))]
        return [self.kinds[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def read_jobs(overrides: Sequence[str], multirun: bool = False, *, alike: bool = True) -> Jobs:
    """Return the jobs that a command line describes, as `train` would start them.

    Args:
        overrides: As `check_overrides` returns them.
        multirun: Whether `-m` was given.
        alike: Whether to compose one job for all that cost the same.

    Raises:
        ConfigError: A configuration cannot be used, and `sweep.skip_invalid` does not allow that.
    """
    register()
    alone = preflight(overrides, multirun)
    if alone is not None:
        return Jobs([(from_hydra(alone), 1)], Counter(), 1, 1)
    with (
        initialize_config_dir(str(folder("conf")), job_name="snnjax", version_base=VERSION_BASE),
        tempfile.TemporaryDirectory() as empty,
    ):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None  # within the block
        setup_globals()
        # The sweeper writes into the folder of the sweep.
        here = [*overrides, f"hydra.sweep.dir={empty}"]
        master = hydra.compose_config(PRIMARY, here, run_mode=RunMode.MULTIRUN)
        counting = _Counting(Composer(hydra.config_loader, master), alike)
        return counting.count(_expanded(hydra.config_loader, master))


def _expanded(loader: Any, master: Any) -> list[list[Sequence[str]]]:
    """Return the overrides of every job by batch: what the sweeper hands to its launcher."""
    batches: list[list[Sequence[str]]] = []
    listing = copy.deepcopy(master)
    with read_write(listing), open_dict(listing):
        listing.hydra.launcher = {"_target_": _LISTING}
    sweeper: Any = Plugins.instance().instantiate_sweeper(
        config=listing,
        hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks()),
        task_function=batches.append,
    )
    sweeper.sweep([*listing.hydra.overrides.task])
    return batches


class _Counting:
    """Composes jobs of each kind and counts the others."""

    def __init__(self, composer: Composer, alike: bool) -> None:
        self._composer = composer
        self._alike = alike
        self._members = _members()
        self._tokens: dict[str, tuple[bool, Any]] = {}

    def count(self, batches: Sequence[Sequence[Sequence[str]]]) -> Jobs:
        """Count jobs by kind, batch by batch."""
        trials: set[Tokens] = set()
        kinds: list[tuple[Config, int]] = []
        stages: list[int] = []
        invalid = Counter[str]()
        allowed = True
        for jobs in batches:
            before = len(kinds)
            allowed &= self._count(jobs, kinds, invalid, trials)
            stages.append(len(kinds) - before)
        runs = sum(map(len, batches))
        if invalid and not (kinds and allowed):
            raise ConfigError([f"{line}  ({n} of {runs} runs)" for line, n in invalid.items()])
        return Jobs(kinds, invalid, runs, len(trials), tuple(stages))

    def _count(
        self,
        jobs: Sequence[Sequence[str]],
        kinds: list[tuple[Config, int]],
        invalid: Counter[str],
        trials: set[Tokens],
    ) -> bool:
        """Count one batch; return whether all of it allows that others are invalid."""
        # A kind is what decides on the data set beside what decides on the rest.
        first: dict[tuple[Tokens, Tokens], Sequence[str]] = {}
        counts: Counter[tuple[Tokens, Tokens]] = Counter()
        for job in jobs:
            kind = self._kind(job)
            counts[kind] += 1
            first.setdefault(kind, job)
            trials.add(_trial(job))
        allowed = True
        for kind, config in self._composed(first):
            if isinstance(config, ConfigError):
                invalid[str(config)] += counts[kind]
            else:
                allowed &= config.sweep.skip_invalid
                kinds.append((config, counts[kind]))
        return allowed

    def _composed(
        self, first: dict[tuple[Tokens, Tokens], Sequence[str]]
    ) -> Iterator[tuple[tuple[Tokens, Tokens], Config | ConfigError]]:
        """Yield the configuration of every kind; that of another data set is put together."""
        bases: dict[Tokens, tuple[Config | ConfigError, Tokens]] = {}
        sections: dict[Any, DataConfig | ConfigError] = {}
        for (rest, data), job in first.items():
            if rest not in bases:
                bases[rest] = self._compose(job), data
            base, own = bases[rest]
            if data == own:
                yield (rest, data), base
            elif isinstance(base, ConfigError) or {k for k, _ in data} != {k for k, _ in own}:
                yield (rest, data), self._compose(job)
            else:
                key = (base.data, data)
                if key not in sections:
                    sections[key] = _with_data(base.data, data)
                yield (rest, data), _joined(base, sections[key])

    def _compose(self, job: Sequence[str]) -> Config | ConfigError:
        try:
            return from_hydra(self._composer.compose(0, job).config)
        except ConfigError as error:
            return error

    def _kind(self, job: Sequence[str]) -> tuple[Tokens, Tokens]:
        """Return what of a job decides on the rest of its configuration, and on the data set."""
        if not self._alike or not self._composer.is_closed(job):
            return tuple(job), ()
        rest: list[Any] = []
        data: list[Any] = []
        for text in job:
            if text not in self._tokens:
                self._tokens[text] = self._token(text)
            is_data, token = self._tokens[text]
            (data if is_data else rest).append(token)
        return tuple(rest), tuple(data)

    def _token(self, text: str) -> tuple[bool, Any]:
        """Return whether an override chooses data, and what of it counts."""
        plain = self._composer.plain(text)
        if plain is None:
            return False, text
        key, value = plain
        if key.startswith("data.") and isinstance(value, str | int | float | None):
            return True, (key, value)
        fields = self._members.get(key)
        if fields is None or not isinstance(value, int | float | None):
            return False, text
        try:
            for leaf in fields:
                check_value(leaf, value)
        except RefusedError:
            return False, text
        offs = (leaf.metadata["off"] for leaf in fields if "off" in leaf.metadata)
        return False, (key, *(value == off for off in offs))


def _members() -> dict[str, list[Leaf]]:
    """Return the fields of numbers that do not count by their key; sections may share one."""
    found: dict[str, list[Leaf]] = {}
    others = {_COUNTED}
    for leaf in leaves(Config):
        found.setdefault(leaf.path, []).append(leaf)
        if leaf.role != "member" or leaf.path.startswith(_COMPARED):
            others.add(leaf.path)
    return {path: own for path, own in found.items() if path not in others}


def _trial(job: Sequence[str]) -> Tokens:
    """Return what of a job is neither seed, nor fold, nor data set."""
    repeated = ("seed=", "data.fold=", "data.name=")
    return tuple(text for text in job if not text.lstrip("+").startswith(repeated))


def _with_data(base: DataConfig, values: Tokens) -> DataConfig | ConfigError:
    own = {key.removeprefix("data."): value for key, value in values}
    try:
        return from_hydra({"data": {**asdict(base), **own}}).data
    except ConfigError as error:
        return error


def _joined(base: Config, data: DataConfig | ConfigError) -> Config | ConfigError:
    if isinstance(data, ConfigError):
        return data
    config = replace(base, data=data)
    lines = broken_rules(config)
    return ConfigError(lines) if lines else config
