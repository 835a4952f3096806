"""Which runs each task of an array trains: whole populations, program by program, equal in cost."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from snnjax.config.split import Program, split
from snnjax.experiment import Means, Run
from snnjax.grouping import Planned, plan

_HALVINGS = 50  # of the span in which the cost of the dearest piece lies


class Parts(NamedTuple):
    """A sweep divided: the numbers of each task's runs, what cannot be trained, and warnings."""

    tasks: list[tuple[int, ...]]
    failed: Mapping[int, Exception]
    warnings: Sequence[str]


def divide(runs: Sequence[Run], left: Sequence[int], means: Means, tasks: int) -> Parts:
    """Divide what is left of a sweep among tasks.

    Neighbours share a program, so that a task compiles few; the dearest task is as cheap as it can
    be in this order.

    Args:
        runs: The sweep.
        left: Numbers of the runs that are still to be trained.
        means: What each task may use.
        tasks: At most so many.
    """
    planned = plan(runs, left, means)
    places: dict[Program, int] = {}

    def place(population: Planned) -> int:
        return places.setdefault(split(runs[population.numbers[0]].config)[0], len(places))

    populations = sorted(planned.populations, key=place)  # the longest first within each
    pieces = cut([population.cost for population in populations], tasks)
    numbers = [tuple(n for p in populations[a:b] for n in p.numbers) for a, b in pieces]
    return Parts(numbers, planned.failed, [*planned.warnings])


def cut(costs: Sequence[float], pieces: int) -> list[tuple[int, int]]:
    """Cut a row into at most so many pieces so that the dearest is as cheap as it can be.

    Returns:
        Where each piece begins and ends.
    """
    if not costs:
        return []
    low, high = max(max(costs), sum(costs) / pieces), sum(costs)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if len(_filled(costs, middle)) <= pieces:
            high = middle
        else:
            low = middle
    return _filled(costs, low if len(_filled(costs, low)) <= pieces else high)


def _filled(costs: Sequence[float], limit: float) -> list[tuple[int, int]]:
    """Fill pieces one after another up to a limit."""
    pieces: list[tuple[int, int]] = []
    begin, total = 0, 0.0
    for place, cost in enumerate(costs):
        if place > begin and total + cost > limit:
            pieces.append((begin, place))
            begin, total = place, 0.0
        total += cost
    return [*pieces, (begin, len(costs))]
