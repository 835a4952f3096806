"""Whose time it was: what a population takes, shared out among the runs that were its members."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType


class Ledger:
    """Shares out a population's time among its members, by what each has trained, and just once.

    Args:
        rows: The training rows of each member.
        begun: The epochs that members had behind them at the start, by member.
    """

    def __init__(
        self, rows: Sequence[int], begun: Mapping[int, int] = MappingProxyType({})
    ) -> None:
        self._rows = rows
        self._begun = begun
        self._samples = dict.fromkeys(range(len(rows)), 0)
        self._paid: dict[int, float] = {}

    def note(self, member: int, epoch: int) -> None:
        """Note that a member has ended an epoch."""
        self._samples[member] = (epoch - self._begun.get(member, 0)) * self._rows[member]

    def share_until_now(self, member: int, *spent: float) -> tuple[float, ...]:
        """Return how much a member that still trains has taken of what was spent until now."""
        own = self._samples.get(member, 0) / max(1, sum(self._samples.values()))
        return tuple(own * (now - self._paid.get(kind, 0.0)) for kind, now in enumerate(spent))

    def share_out(self, members: Sequence[int], *spent: float) -> list[tuple[float, ...]]:
        """Return how much members that have ended take of what was spent until now, each kind.

        What others took that ended before is theirs; those that still train have their part in
        the rest, so that all shares together are what was spent in the end.
        """
        whole = max(1, sum(self._samples.values()))
        own = [self._samples.pop(member) / whole for member in members]
        left = [now - self._paid.get(kind, 0.0) for kind, now in enumerate(spent)]
        for kind, rest in enumerate(left):
            self._paid[kind] = self._paid.get(kind, 0.0) + rest * sum(own)
        return [tuple(share * rest for rest in left) for share in own]
