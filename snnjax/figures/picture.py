"""What every picture is given and gives."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from snnjax.figures.groups import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Choices:
    """What can be chosen about figures.

    Attributes:
        layer: The label of the kernel whose weights are drawn; None for the last.
    """

    layer: str | None = None


class Drawn(NamedTuple):
    """A figure without its caption, and the sentences that say what is seen."""

    figure: "Figure"
    seen: list[str]


def held(groups: Iterable[Group], keys: Iterable[str]) -> list[str]:
    """Return those of `keys` that at least one run of the groups has."""
    listed = list(groups)
    return [key for key in keys if any(group.holding([key]) for group in listed)]


def longest(names: Iterable[list[str]]) -> list[str]:
    """Return the longest list of labels: networks of several depths share its colours."""
    return max(names, key=len)
