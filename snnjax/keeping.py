"""What a population asks of whoever keeps its state, so that what is killed can go on."""

from collections.abc import Sequence
from typing import Any, Protocol

from snnjax.crew import Crew
from snnjax.ending import Clock
from snnjax.strategy import Strategy
from snnjax.training import MemberState


class Keeper(Protocol):
    """Keeps states of members between two chunks, and knows those that were kept before."""

    def after(self, count: int) -> "Keeper":
        """Return the keeper of members that follow so many others."""

    def restore(
        self, strategy: Strategy, state: MemberState, members: int
    ) -> tuple[MemberState, int]:
        """Put what was kept in the place of first states.

        Args:
            strategy: Where members lie.
            state: Before the first epoch; may be overwritten.
            members: How many there are; the others do nothing.

        Returns:
            The state, and the epochs that every member has behind it.
        """

    def is_due(self) -> bool:
        """Tell whether it is time to keep what there is."""

    def save(self, people: Crew, members: int, clock: Clock, *, is_last: bool = False) -> None:
        """Keep the state of members, whose epochs have been reported; never raises an error.

        Args:
            people: At the end of a chunk that is computed.
            members: How many there are; the others do nothing.
            clock: Of the population.
            is_last: Wait until it is written: the program is about to end.
        """

    def has_time_for(self, news: Sequence[Any]) -> bool:
        """Wait for what is being computed, though the program is to end; False if it takes long."""


class NoKeeper:
    """Keeps nothing."""

    def after(self, count: int) -> "NoKeeper":
        """Return itself."""
        return self

    def restore(
        self, strategy: Strategy, state: MemberState, members: int
    ) -> tuple[MemberState, int]:
        """Return what it is given."""
        return state, 0

    def is_due(self) -> bool:
        """Return False."""
        return False

    def save(self, people: Crew, members: int, clock: Clock, *, is_last: bool = False) -> None:
        """Do nothing."""

    def has_time_for(self, news: Sequence[Any]) -> bool:
        """Return False."""
        return False


NO_KEEPER = NoKeeper()
