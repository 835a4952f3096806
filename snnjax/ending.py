"""Members that have ended: scored and told, each once, some while others are still training."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from snnjax import crew, interruption
from snnjax.arrays import Table
from snnjax.config.split import Program
from snnjax.crew import Crew
from snnjax.data.dataset import SPLITS, Dataset
from snnjax.outcomes import Outcome, conclude
from snnjax.programs import Programs, Seat, summary
from snnjax.training import MemberState

# Who ends before the others is told after so many seconds at most, so that no more is lost with a
# killed process; and scoring them takes at most one part in so many of the time.
_WAIT_SECONDS, _PARTS = 30.0, 20.0


@dataclass(frozen=True)
class Ended:
    """Members that have ended, and what their population has taken until then.

    Attributes:
        outcomes: By member.
        strategy: How these members were trained.
        seconds: Spent training by the whole population, vain attempts included.
        compile_seconds: Spent compiling.
        state: Of members from `first` on, those that have ended among them.
        first: The member at the first place of the state.
    """

    outcomes: Mapping[int, Outcome]
    strategy: Mapping[str, Any]
    seconds: float
    compile_seconds: float
    state: MemberState | None = None
    first: int = 0


Tell = Callable[[Ended], None]


class Clock:
    """What a population has taken until now, however many attempts it needs."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self.compile_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Seconds that were not spent compiling."""
        return time.perf_counter() - self._began - self.compile_seconds


class Ending:
    """Tells of every member of a population once, when it has ended.

    Args:
        program: The members'.
        programs: Compiled.
        people: The members before their first epoch.
        table: The data.
        data: The data set of every member but for those that do nothing.
        strategy: How they are trained, as a result says it.
        tell: Called with those that have ended.
        clock: Of the population.
    """

    def __init__(
        self,
        program: Program,
        programs: Programs,
        people: Crew,
        table: Table,
        data: Sequence[Dataset],
        strategy: Mapping[str, Any],
        tell: Tell,
        clock: Clock,
    ) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self._program, self._programs, self._table, self._data = program, programs, table, data
        self._numbers, self._seats = people.numbers, people.at_work
        self._strategy, self._tell, self._clock = strategy, tell, clock
        self._next = time.perf_counter() + _WAIT_SECONDS

    def look(self, people: Crew, running: NDArray[np.bool_]) -> None:
        """Tell of those that no longer run, if the last look was long enough ago."""
        ended = [n for n in range(len(self._data)) if not running[n] and n not in self.outcomes]
        if not ended or time.perf_counter() < self._next:
            return
        fetch(people.state.status)  # what is being computed is no part of what scoring takes
        began = time.perf_counter()
        self._conclude(crew.states(people), ended)
        now = time.perf_counter()
        self._next = now + max(_WAIT_SECONDS, _PARTS * (now - began))

    def finish(self, state: MemberState) -> None:
        """Tell of all that have not been told of, from the state of all members at the end."""
        self._conclude(state, [n for n in range(len(self._data)) if n not in self.outcomes])

    def _conclude(self, state: MemberState, members: Sequence[int]) -> None:
        scored = _score(self._programs, self._numbers, self._seats, state, self._table, members)
        news = jax.device_get(summary(state))
        outcomes = conclude(self._program, news, scored, self._data, members)
        self.outcomes |= outcomes
        clock = self._clock
        self._tell(Ended(outcomes, self._strategy, clock.seconds, clock.compile_seconds, state))


def fetch(tree: Any) -> Any:
    """Bring arrays to the host; naps instead of one long wait, so that Ctrl-C is heard.

    Raises:
        KeyboardInterrupt: Stopping was asked for meanwhile.
    """
    began = time.perf_counter()
    while not all(leaf.is_ready() for leaf in jax.tree.leaves(tree)):
        interruption.check()
        # At most a twentieth of what was waited for is waited in vain.
        time.sleep(min(0.0002 + (time.perf_counter() - began) / 20, 0.05))
    return jax.device_get(tree)


def _score(
    programs: Programs,
    numbers: Seat,
    seats: Seat,
    state: MemberState,
    table: Table,
    members: Sequence[int],
) -> dict[str, Any]:
    """Evaluate the networks that some members stand for on every split: sums and scores, on host.

    The others have no rows, which one after another is no work.
    """
    view, scored = numbers[1], {}
    chosen = np.isin(np.arange(len(view.rows["train"])), members)
    for split in SPLITS:
        firsts, counts = view.first[split], np.where(chosen, view.rows[split], 0)
        blocks = []
        for begin in range(0, int(counts.max()), programs.rows):
            count = np.clip(counts - begin, 0, programs.rows).astype(np.int32)
            first = np.where(count > 0, firsts + begin, firsts).astype(np.int32)
            # Passes over rows that were trained on would cost much and tell little.
            place = np.full_like(first, -1 if split == "train" else begin)
            blocks.append(fetch(programs.score(state, seats, table, first, count, place)))
        if blocks:
            sums, scores = zip(*blocks, strict=True)
            totals = jax.tree.map(lambda *parts: sum(np.float64(part) for part in parts), *sums)
            scored[split] = totals, np.concatenate(scores, axis=1)
    return scored
