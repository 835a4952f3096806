"""The runs of a population mirrored to one Weights & Biases run: curves over them and a table."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from snnjax.config.schema import WandbConfig
from snnjax.sinks.base import Evaluation, RunInfo, Sink, warn
from snnjax.sinks.curves import Curves
from snnjax.sinks.member_table import (
    common_config,
    data_sets,
    member_table,
    run_name,
    varying_keys,
)
from snnjax.sinks.wandb_run import LIMITS, Limits, load_wandb
from snnjax.sinks.wandb_sink import metrics_of
from snnjax.sinks.wandb_thread import Inbox, WandbThread

# Rows of the curves are looked for at most this often, in seconds.
ROW_WAIT = 1.0


class _Told(NamedTuple):
    """What a member has to say: an evaluation, or its result at the end."""

    member: int
    what: Evaluation | Mapping[str, Any]


class _Closed:
    """No member has anything to say any more."""


_Item = _Told | _Closed


@contextmanager
def open_population(
    config: WandbConfig,
    folder: Path,
    name: str,
    members: Sequence[RunInfo],
    limits: Limits = LIMITS,
) -> Iterator[list[Sink | None]]:
    """Open the wandb run of a population, if the configuration asks for one.

    Args:
        config: What is asked for.
        folder: Where the run may write: below `wandb/` in it.
        name: What the run is called.
        members: The runs of the population.
        limits: How long a server may keep the end of the block waiting.

    Yields:
        For each member its share, a sink to hand to `open_sinks`; None where members have wandb
        runs of their own or none at all.
    """
    if config.mode == "disabled" or config.per == "job":
        yield [None] * len(members)
        return
    try:
        population = WandbPopulation(config, folder, name, members, limits)
    except Exception as error:
        warn(f"wandb did not start ({type(error).__name__}: {error}); metrics.jsonl is complete")
        yield [_Share(None, number) for number in range(len(members))]
        return
    try:
        yield [_Share(population, number) for number in range(len(members))]
    finally:
        population.close()


class WandbPopulation:
    """Mirror the runs of a population to one wandb run.

    It holds a row per epoch with mean, min and max of the monitored metric over the members, and
    at the end the table `runs`: for each member its varying keys, status, epochs and metrics.
    Members on different data sets are never averaged: each set has its own columns, named by it.
    """

    def __init__(
        self,
        config: WandbConfig,
        folder: Path,
        name: str,
        members: Sequence[RunInfo],
        limits: Limits = LIMITS,
    ) -> None:
        self._members = members
        self._keys = varying_keys([member.config for member in members])
        first = members[0]
        run = RunInfo(
            name=name,
            folder=folder,
            epochs=max(member.epochs for member in members),
            monitor=first.monitor,
            maximize=first.maximize,
            split=first.split,
            config=common_config(first.config, self._keys)
            | {"members": len(members), "varying": list(self._keys)},
            sweep=first.sweep,
        )
        self._thread: WandbThread[_Item] = WandbThread(config, run, self._log, (), limits)

    def write(self, member: int, evaluation: Evaluation) -> None:
        """Hand an evaluation of a member to the thread."""
        if evaluation.split == self._members[member].split:
            self._thread.put(_Told(member, evaluation))

    def finish(self, member: int, result: Mapping[str, Any]) -> None:
        """Hand the result of a member to the thread."""
        self._thread.put(_Told(member, result))

    def close(self) -> None:
        """Let the thread close the wandb run and wait for that, but not for ever."""
        self._thread.put(_Closed())
        self._thread.close()

    def _log(self, opened: Any, inbox: Inbox[_Item]) -> tuple[dict[str, Any], int]:
        results = self._log_curves(opened, inbox)
        _log_table(opened, member_table(self._members, self._keys, results))
        counts = Counter(str(result.get("status")) for result in results)
        is_of_use = counts["done"] or counts["diverged"]
        summary = {"runs": len(results), **counts, **self._best(results)}
        return summary, 0 if is_of_use else 1

    def _log_curves(self, opened: Any, inbox: Inbox[_Item]) -> list[Mapping[str, Any]]:
        """Log epochs as they are settled until all is said; return the members' results."""
        results: dict[int, Mapping[str, Any]] = {}
        curves = Curves(self._members)
        looked = time.monotonic()
        item: _Item | None = None
        while not isinstance(item, _Closed):
            item = inbox.take(wait=ROW_WAIT)
            match item:
                case _Told(member, Evaluation() as evaluation):
                    curves.add(member, evaluation)
                case _Told(member, Mapping() as result):
                    results[member] = result
                    curves.end(member)
            if time.monotonic() - looked >= ROW_WAIT:
                _log_rows(opened, curves)
                looked = time.monotonic()
        for member in range(len(self._members)):
            curves.end(member)
        _log_rows(opened, curves)
        return [results.get(n, {"status": "failed"}) for n in range(len(self._members))]

    def _best(self, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return, for each data set, the best monitored metric and whose it is."""
        scores: dict[str, dict[str, float]] = {}
        for data, member, result in zip(
            data_sets(self._members), self._members, results, strict=True
        ):
            value = metrics_of(result).get(f"{member.split}/{member.monitor}")
            if value is not None and value == value:
                scores.setdefault(f"/{data}" if data else "", {})[run_name(member)] = value
        first = self._members[0]
        choose: Callable[..., str] = max if first.maximize else min
        summary: dict[str, Any] = {}
        for data, own in scores.items():
            best = choose(own, key=own.__getitem__)
            summary[f"best{data}/{first.split}/{first.monitor}"] = own[best]
            summary[f"best_run{data}"] = best
        return summary


class _Share:
    """The sink of one member; None stands for a wandb that did not start."""

    def __init__(self, population: WandbPopulation | None, member: int) -> None:
        self._population = population
        self._member = member

    def write(self, evaluation: Evaluation) -> None:
        if self._population is not None:
            self._population.write(self._member, evaluation)

    def finish(self, result: Mapping[str, Any]) -> None:
        if self._population is not None:
            self._population.finish(self._member, result)

    def close(self) -> None:
        """Do nothing: the population is closed when all its members are."""


def _log_rows(opened: Any, curves: Curves) -> None:
    for row in curves.settled():
        opened.log(row)


def _log_table(opened: Any, table: tuple[list[str], list[list[Any]]]) -> None:
    columns, rows = table
    try:
        wandb = load_wandb()
        opened.log({"runs": wandb.Table(columns=columns, data=rows, allow_mixed_types=True)})
    except Exception as error:  # an unwritable home folder, where wandb keeps a copy of tables
        warn(f"wandb takes no table of the runs ({error}); its curves are complete")
