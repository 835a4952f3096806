"""Kinds of runs and their data as the populations that a sweep would train."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from snnjax.config.schema import CONVOLUTIONAL, Config, DataConfig
from snnjax.data.dataset import Dataset
from snnjax.data.load import load_all
from snnjax.fit import check_data, check_names, check_optimizer
from snnjax.grouping import Bounds, Kind, kind_of, sizes_of
from snnjax.plan.networks import network_of
from snnjax.shapes import bucket, problem_of, row_class, with_rows_of


@dataclass(frozen=True)
class Entry:
    """Runs that cost the same.

    Attributes:
        config: That of one of them.
        data: The shapes of their data set; its arrays hold nothing.
        count: How many they are.
    """

    config: Config
    data: Dataset
    count: int

    @property
    def samples(self) -> int:
        """Rows that each trains on, epochs times."""
        return self.data.epoch_rows * self.config.training.epochs


class Group:
    """Runs of one compiled program: what `grouping` divides into populations.

    Attributes:
        kind: What they have in common.
        whole: The shapes of all data sets in their table.
        problem: The shapes of their own.
        table_bytes: The size of that table.
        entries: The runs, those with most rows first.
    """

    def __init__(
        self, kind: Kind, entries: Sequence[Entry], sets: Sequence[Dataset], table_bytes: int
    ) -> None:
        self.kind, self.family, self.table_bytes = kind, kind.family, table_bytes
        self.whole = problem_of(sets)
        self.problem = with_rows_of(self.whole, [s for s in sets if row_class(s) == kind.rows])
        self.entries = sorted(entries, key=lambda entry: -entry.samples)
        self.weights = network_of(kind.program, self.whole).parameters
        self.count = sum(entry.count for entry in entries)
        self.total = self.cost(self.entries)

    family: Hashable

    def cost(self, entries: Sequence[Entry]) -> float:
        """Count multiplications of weights, as the launchers do."""
        return float(self.weights * sum(entry.samples * entry.count for entry in entries))


@dataclass(frozen=True)
class Population:
    """Runs that are trained together.

    Attributes:
        group: Theirs.
        entries: The runs.
        size: Members, idle ones included.
    """

    group: Group
    entries: Sequence[Entry]
    size: int

    @property
    def cost(self) -> float:
        """See `Group.cost`."""
        return self.group.cost(self.entries)

    @property
    def count(self) -> int:
        """The number of runs."""
        return sum(entry.count for entry in self.entries)

    def programs(self) -> dict[str, Hashable]:
        """Return what its compiled programs depend on, by the name of what they do."""
        kind, group = self.group.kind, self.group
        shared = (kind.program, kind.numbers, kind.columns, group.whole, self.size)
        return {"advance": (*shared, group.problem), "start": shared, "score": shared}


def group(
    kinds: Sequence[tuple[Config, int]],
) -> tuple[list[Group], Counter[str]]:
    """Group kinds of runs; those that cannot be trained are counted by what is wrong with them."""
    failed = Counter[str]()
    groups: dict[Kind, list[Entry]] = {}
    tables: dict[Hashable, dict[DataConfig, Dataset]] = {}
    for config, count, data in _with_data(kinds):
        if isinstance(data, str):
            failed[data] += count
            continue
        kind = kind_of(config, data)
        groups.setdefault(kind, []).append(Entry(config, data, count))
        tables.setdefault(kind.columns, {})[config.data] = data
    sets = {columns: [*own.values()] for columns, own in tables.items()}
    bytes_ = {columns: table_bytes(own) for columns, own in sets.items()}
    made = (
        Group(kind, own, sets[kind.columns], bytes_[kind.columns]) for kind, own in groups.items()
    )
    return [*made], failed


def populations_of(groups: Sequence[Group], bounds: Bounds, lanes: int = 1) -> list[Population]:
    """Divide groups into populations as a sweep does, the dearest first."""
    found = []
    for own, (filled, size) in zip(groups, sizes_of(groups, bounds, lanes), strict=True):
        found += [Population(own, part, size) for part in _cut(own.entries, filled)]
    return sorted(found, key=lambda population: -population.cost)


def table_bytes(sets: Sequence[Dataset]) -> int:
    """Return the size of the table that data sets share, padded to the widest of them."""
    problem = problem_of(sets)
    # Folds of images share their bytes; scaled numbers are a fold's own.
    own = {
        data.sha256 if data.features.dtype == np.uint8 else n: data for n, data in enumerate(sets)
    }
    rows = sum(len(data.targets) for data in own.values())
    target = 4 if problem.task == "classification" else 4 * problem.outputs
    weight = 4 if sets[0].weights is not None else 0
    listed = bucket(sum(len(own) for data in sets for own in data.rows.values()))
    row = problem.features * sets[0].features.dtype.itemsize + target + weight
    return rows * row + 4 * listed


def _cut(entries: Sequence[Entry], size: int) -> Iterator[list[Entry]]:
    """Yield parts with so many runs, the last with what is left."""
    part: list[Entry] = []
    room = size
    for entry in entries:
        left = entry.count
        while left:
            taken = min(left, room)
            part.append(replace(entry, count=taken))
            left, room = left - taken, room - taken
            if not room:
                yield part
                part, room = [], size
    if part:
        yield part


def _with_data(
    kinds: Sequence[tuple[Config, int]],
) -> Iterator[tuple[Config, int, Dataset | str]]:
    """Yield kinds with the shapes of their data, or with what is wrong; read set by set."""
    by_source: dict[tuple[str, str | None], list[tuple[Config, int]]] = {}
    for config, count in kinds:
        by_source.setdefault((config.data.name, config.data.root), []).append((config, count))
    seen: dict[Hashable, str] = {}
    for own in by_source.values():
        loaded = load_all(config.data for config, _ in own)
        shapes = {config: _without_content(data) for config, data in loaded.items()}
        for config, count in own:
            problem = _problem_with(config, loaded[config.data], seen)
            yield config, count, problem or shapes[config.data]


def _problem_with(config: Config, data: Dataset | Exception, seen: dict[Hashable, str]) -> str:
    """Return why a run cannot be trained, empty if it can; each question is asked once."""
    if isinstance(data, Exception):
        return str(data)
    training = config.training
    about_data = (
        *(config.data, config.loss, training.monitor, training.patience),
        config.model.name in CONVOLUTIONAL and config.model.name,
    )
    about_names = (config.model, config.optimizer, config.diagnostics.measures)
    for key, checks in ((about_data, (check_data,)), (about_names, (_check_rest,))):
        if key not in seen:
            seen[key] = ""
            try:
                for one in checks:
                    one(config, data)
            except Exception as error:
                seen[key] = str(error)
        if seen[key]:
            return seen[key]
    return ""


def _check_rest(config: Config, data: Dataset) -> None:
    check_names(config)
    check_optimizer(config)


def _without_content(data: Dataset | Exception) -> Dataset | str:
    """Return a data set of the same shapes whose rows take no memory."""
    if isinstance(data, Exception):
        return str(data)
    features = np.broadcast_to(np.zeros((), data.features.dtype), data.features.shape)
    return replace(data, features=features)
