"""Keeps the state of one population: copied between two chunks, written beside the training."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnjax import interruption
from snnjax.checkpoint.leaves import overlaid, picked
from snnjax.checkpoint.resume import Kept
from snnjax.checkpoint.shelf import claim, tidy
from snnjax.checkpoint.store import Leaves, write
from snnjax.config.schema import CheckpointConfig
from snnjax.processes import from_first
from snnjax.sinks.base import warn

if TYPE_CHECKING:
    from snnjax.crew import Crew
    from snnjax.ending import Clock
    from snnjax.strategy import Strategy
    from snnjax.training import MemberState

# Saving takes at most one part in so many of the time.
_PARTS = 50.0

# One for all populations of this process: what they write goes to the same disk.
_writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint-writer")


def submit(function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    """Let the thread that writes call a function, after what it was given before."""
    return _writer.submit(function, *arguments)


@dataclass(frozen=True)
class Who:
    """A run as a checkpoint names it: plain values.

    Attributes:
        fingerprint: Of its configuration.
        folder: Its own, from the one that the checkpoints' folder lies in.
        sha256: Of its data.
    """

    fingerprint: str
    folder: str
    sha256: str


@dataclass
class Account:
    """What keeping has taken: saves, seconds that training waited, seconds of writing, bytes."""

    count: int = 0
    seconds: float = 0.0
    write_seconds: float = 0.0
    bytes: int = 0


@dataclass
class _Own:
    """What the keepers of one population's parts share."""

    account: Account = field(default_factory=Account)
    stack: ExitStack = field(default_factory=ExitStack)
    ended: set[int] = field(default_factory=set)
    writing: "Future[None] | None" = None
    serial: int = 0
    due: float = 0.0
    is_claimed: bool = False
    has_warned: bool = False
    at: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PopulationKeeper:
    """Keeps a population in a folder of checkpoints: see `keeping.Keeper`.

    Attributes:
        config: How often, how many.
        shelf: The folder.
        runs: The members.
        versions: What the program is made by.
        kept: What was found of the members.
        before: Called before a checkpoint is kept.
        spent: Returns how much a member takes of what the population has, of each kind.
        first: The members before those that are asked for.
        writer: The name of this keeper among all that write there.
    """

    config: CheckpointConfig
    shelf: Path
    runs: Sequence[Who]
    versions: Mapping[str, str]
    kept: Kept
    spent: Callable[..., tuple[float, ...]]
    before: Callable[[], None]
    first: int = 0
    writer: str = field(default_factory=lambda: secrets.token_hex(4))
    _own: _Own = field(default_factory=_Own)

    def __post_init__(self) -> None:
        if not self._own.due and self.config.every is not None:
            self._own.due = time.perf_counter() + self.config.every

    @property
    def account(self) -> Account:
        """What it has taken until now."""
        return self._own.account

    @property
    def saved_epochs(self) -> Mapping[int, int]:
        """By member the epoch of the last checkpoint that is written."""
        return self._own.at

    def told_of(self, member: int) -> dict[str, Any]:
        """Return what a member's result says of it; nothing where it had nothing to do."""
        account, resumed = self._own.account, self.kept.epochs.get(member)
        if not account.count and resumed is None:
            return {}
        own = {name: round(value, 3) for name, value in vars(account).items()}
        return {"checkpoint": own | {"resumed_epoch": resumed}}

    def after(self, count: int) -> "PopulationKeeper":
        """Return the keeper of members that follow so many others."""
        return replace(self, first=self.first + count)

    def ended(self, member: int) -> None:
        """Note a member that has its result: it is not kept any longer."""
        self._own.ended.add(member)

    def restore(
        self, strategy: "Strategy", state: "MemberState", members: int
    ) -> tuple["MemberState", int]:
        """Put what was kept in the place of first states; see `keeping.Keeper`."""
        from snnjax.strategy import deal_out

        numbers = range(self.first, self.first + members)
        own: dict[int, Leaves] = {
            number - self.first: self.kept.leaves[number]
            for number in numbers
            if number in self.kept.leaves
        }
        if not own:
            return state, 0
        restored: MemberState = deal_out(strategy, from_first(overlaid(state, own)))
        return restored, min(self.kept.epochs.get(number, 0) for number in numbers)

    def is_due(self) -> bool:
        """Tell whether it is time to keep what there is, and the last time is over."""
        own = self._own
        if self.config.every is None or time.perf_counter() < own.due:
            return False
        return own.writing is None or own.writing.done()

    def has_time_for(self, news: Sequence[Any]) -> bool:
        """Wait for what is being computed, though the program is to end; False if it takes long."""
        while not all(leaf.is_ready() for leaf in news):
            left = interruption.seconds_left(self.config.grace)
            if self.config.every is None or (left is not None and left <= 0):
                return False
            time.sleep(0.005)
        return self.config.every is not None

    def save(self, people: "Crew", members: int, clock: "Clock", *, is_last: bool = False) -> None:
        """Keep the state of members that have not ended: copied now, written beside the training.

        Whatever goes wrong is warned of once; training goes on.
        """
        began, own = time.perf_counter(), self._own
        places = [n for n in range(members) if self.first + n not in own.ended]
        try:
            if is_last and own.writing is not None:
                wait([own.writing], interruption.seconds_left(self.config.grace))
            self.before()
            leaves = picked(people, places)
            numbers = [self.first + place for place in places]
            epochs = dict(zip(numbers, leaves[".epoch"].tolist(), strict=True))
            before = {n: own.at.get(n, self.kept.epochs.get(n, 0)) for n in numbers}
            if not epochs or (is_last and epochs == before):
                return
            spent = clock.seconds, clock.compile_seconds
            rows = [self._described(number, epoch, *spent) for number, epoch in epochs.items()]
            own.writing = submit(self._write, leaves, rows, epochs, began)
            own.account.seconds += time.perf_counter() - began
            if is_last:
                wait([own.writing], interruption.seconds_left(self.config.grace))
                if not own.writing.done():
                    warn(f"{self.shelf}: no time to write a checkpoint (checkpoint.grace)")
        except Exception as error:  # memory, as a rule
            self._complain(error)
        own.due = time.perf_counter() + (self.config.every or 0.0)

    def close(self) -> None:
        """Wait for what is being written and remove what is of no use any more."""
        own = self._own
        if own.writing is not None:
            wait([own.writing], interruption.seconds_left(self.config.grace))
        if own.is_claimed or self.kept.leaves or self.kept.shelves:
            own.stack.close()
            for shelf in (self.shelf, *self.kept.shelves):
                tidy(shelf, self.config.keep)

    def _described(self, member: int, epoch: int, *spent: float) -> dict[str, Any]:
        before = self.kept.seconds.get(member, (0.0, 0.0))
        own = [a + b for a, b in zip(before, self.spent(member, *spent), strict=True)]
        about = {"epoch": epoch, "seconds": own[0], "compile_seconds": own[1]}
        return {**vars(self.runs[member]), **about}

    def _write(
        self,
        leaves: Leaves,
        members: Sequence[Mapping[str, Any]],
        epochs: Mapping[int, int],
        began: float,
    ) -> None:
        """Write a checkpoint; in a thread of its own."""
        own = self._own
        about = {"versions": self.versions, "saved_ns": time.time_ns(), "members": members}
        # After a failure, threads of Orbax go on at the old name for a while.
        path = self.shelf / f"{self.writer}-{own.serial:06d}"
        own.serial += 1
        started = time.perf_counter()
        try:
            if not own.is_claimed:
                own.stack.enter_context(claim(self.shelf, self.writer))
                own.is_claimed = True
            size = write(path, leaves, about)
        except Exception as error:  # a full disk, as a rule: nothing that training depends on
            self._complain(error)
            return
        own.at |= epochs
        took = time.perf_counter() - started
        account = own.account
        account.count, account.bytes = account.count + 1, size
        account.write_seconds += took
        own.due = max(own.due, time.perf_counter() + _PARTS * (took + started - began))
        tidy(self.shelf, self.config.keep)

    def _complain(self, error: Exception) -> None:
        if not self._own.has_warned:
            self._own.has_warned = True
            reason = str(error).partition("\n")[0][:300] or type(error).__name__
            warn(f"{self.shelf}: no checkpoint is written ({reason}); training goes on")
