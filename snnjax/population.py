"""Members that share one Program, trained together; a single run is a population of one."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from snnjax import interruption, training
from snnjax.arrays import Arrays, to_device
from snnjax.compilation import compiled
from snnjax.config.split import Program
from snnjax.data.dataset import SPLITS, Dataset
from snnjax.outcomes import Outcome, Report, conclude, report_news
from snnjax.step import Member, Problem
from snnjax.training import MemberState

Strategy = Literal["map", "vmap"]

# A chunk is what runs between two looks from the host: about a second of one core, and at most so
# many epochs.
_CHUNK_FLOPS = 3e10
_MAX_CHUNK = 64


@dataclass(frozen=True)
class Trained:
    """A population at its end: an outcome per member, the state, and how it was done."""

    outcomes: list[Outcome]
    state: MemberState
    strategy: dict[str, Any]
    seconds: float
    compile_seconds: float


def train(
    program: Program,
    members: Sequence[Member],
    data: Dataset,
    report: Report = lambda record: None,
    strategy: Strategy | None = None,
    size: int = 1,
) -> Trained:
    """Train members to their ends.

    Args:
        program: What is compiled.
        members: Their numbers; all with the same keys.
        data: The data set they share.
        report: Called for every epoch of every member, while later epochs are being computed.
        strategy: How members are mapped; None leaves the choice to the backend.
        size: A smaller population is filled up to this size with members that do nothing, so that
            populations of different sizes share one compiled program.
    """
    idle = {**members[-1], "training.epochs": np.int32(0)}
    filled = [*members, *[idle] * (size - len(members))]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *filled)
    arrays = to_device(data)
    strategy = strategy or ("map" if jax.default_backend() == "cpu" else "vmap")
    state, programs = _prepare((program, problem_of(data), strategy), stacked, arrays, data)

    began = time.perf_counter()
    longest = max(int(member["training.epochs"]) for member in members)
    pending = None
    for until in range(programs.length, longest + programs.length, programs.length):
        state, news = programs.advance(stacked, state, arrays, jnp.int32(until))
        # Only now is the chunk before fetched: the device is never idle while the host reads.
        if pending is not None and report_news(_fetch(pending), data, report):
            break
        pending = news
    report_news(_fetch(news), data, report)
    rows = _pad_rows(arrays)
    scored = {
        split: _fetch(programs.score(state, arrays, rows[split], arrays.counts[split]))
        for split in SPLITS
        if len(data.rows[split])
    }
    return Trained(
        outcomes=conclude(program, jax.device_get(_summary(state)), scored, data)[: len(members)],
        state=state,
        strategy={"map": strategy, "population": len(members), "chunk_epochs": programs.length},
        seconds=time.perf_counter() - began,
        compile_seconds=programs.seconds,
    )


class _Programs(NamedTuple):
    """What a population runs, compiled; `length` is the most epochs of one call of `advance`."""

    advance: Callable[..., Any]
    score: Callable[..., Any]
    length: int
    seconds: float


def _prepare(
    static: tuple[Program, Problem, Strategy], stacked: Member, arrays: Arrays, data: Dataset
) -> tuple[MemberState, _Programs]:
    """Start the members and compile what they need."""
    start, start_seconds = compiled(start_members, static, (stacked,))
    state = start(stacked)
    length = _chunk_length(state, data)
    advance, advance_seconds = compiled(
        advance_members, (*static, length), (stacked, state, arrays, jnp.int32(0)), donate=(1,)
    )
    rows, count = _pad_rows(arrays)["train"], arrays.counts["train"]
    score, score_seconds = compiled(score_members, static, (state, arrays, rows, count))
    seconds = start_seconds + advance_seconds + score_seconds
    return state, _Programs(advance, score, length, seconds)


def problem_of(data: Dataset) -> Problem:
    """Return what of a data set the program depends on, beside the shapes of its arrays."""
    return Problem(data.task, data.features.shape[1], data.outputs)


def core_count() -> int:
    """Count the cores this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device_description() -> dict[str, Any]:
    """Describe what the default backend computes on."""
    devices = jax.devices()
    return {
        "platform": devices[0].platform,
        "kind": devices[0].device_kind,
        "devices": len(devices),
        "cores": core_count(),
    }


def start_members(
    program: Program, problem: Problem, strategy: Strategy, members: Member
) -> MemberState:
    """Return every member before its first epoch."""
    return _map(strategy, lambda member: training.start(program, problem, member), members)


def advance_members(
    program: Program,
    problem: Problem,
    strategy: Strategy,
    length: int,
    members: Member,
    state: MemberState,
    arrays: Arrays,
    until: jax.Array,
) -> tuple[MemberState, dict[str, Any]]:
    """Train every member to epoch `until`; what the host wants to know comes beside the state."""

    def one(member: Member, before: MemberState) -> tuple[MemberState, dict[str, Any]]:
        state, records = training.run_epochs(
            program, problem, length, member, before, arrays, until
        )
        return state, _summary(state) | {"first": before.epoch, "records": records}

    return _map(strategy, one, members, state)


def score_members(
    program: Program,
    problem: Problem,
    strategy: Strategy,
    state: MemberState,
    arrays: Arrays,
    rows: jax.Array,
    count: jax.Array,
) -> tuple[dict[str, Any], jax.Array]:
    """Evaluate on a split the network each member stands for: sums and scores."""

    def one(state: MemberState) -> tuple[dict[str, Any], jax.Array]:
        network = training.chosen_network(program, state)
        return training.evaluate(program, problem, network, arrays, rows, count)

    return _map(strategy, one, state)


def _map(strategy: Strategy, function: Callable[..., Any], *arguments: Any) -> Any:
    """Apply a function of one member along the leading axis of its arguments."""
    if strategy == "vmap":
        return jax.vmap(function)(*arguments)
    return jax.lax.map(lambda arguments: function(*arguments), arguments)


def _fetch(tree: Any) -> Any:
    """Bring arrays to the host; naps instead of one long wait, so that Ctrl-C is heard.

    Raises:
        KeyboardInterrupt: Stopping was asked for meanwhile.
    """
    nap = 0.0002
    while not all(leaf.is_ready() for leaf in jax.tree.leaves(tree)):
        interruption.check()
        time.sleep(nap)
        nap = min(2 * nap, 0.05)
    return jax.device_get(tree)


def _summary(state: MemberState) -> dict[str, jax.Array]:
    return {
        "epoch": state.epoch,
        "status": state.status,
        "best_epoch": state.best_epoch,
        "step": state.train.step,
    }


def _chunk_length(state: MemberState, data: Dataset) -> int:
    """Choose how many epochs run between two looks from the host: a power of two."""
    weights = sum(leaf.size for leaf in jax.tree.leaves(state.train.network.params))
    epoch_flops = 6 * weights * len(data.rows["train"])
    length = 1
    while 2 * length * epoch_flops <= _CHUNK_FLOPS and length < _MAX_CHUNK:
        length *= 2
    return length


def _pad_rows(arrays: Arrays) -> dict[str, jax.Array]:
    """Give the rows of all splits one length, so that one program scores them all."""
    longest = max(rows.shape[0] for rows in arrays.rows.values())
    return {
        split: jnp.pad(rows, (0, longest - rows.shape[0])) for split, rows in arrays.rows.items()
    }
