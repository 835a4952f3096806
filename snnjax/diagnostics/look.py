"""A look at all members of a population: what is measured, and where in an epoch, on the device."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from snnjax.arrays import Arrays, Table
from snnjax.config.split import Program
from snnjax.diagnostics.measures import Measured
from snnjax.diagnostics.scene import Scene
from snnjax.programs import Seat
from snnjax.registry import resolve
from snnjax.shapes import Problem
from snnjax.strategy import Strategy, map_members
from snnjax.training import MemberState, train_until


@dataclass(frozen=True)
class Choice:
    """What is compiled into a look.

    Attributes:
        measures: Names of the registry.
        rows: Probe rows.
    """

    measures: tuple[str, ...]
    rows: int


def look_at_members(
    program: Program,
    problem: Problem,
    strategy: Strategy,
    choice: Choice,
    seats: Seat,
    state: MemberState,
    table: Table,
) -> Measured:
    """Measure every member; `epoch` and `step` say when, `status` whether it still trains."""

    def one(each: tuple[Seat, MemberState], table: Table) -> Measured:
        (member, view), state = each
        scene = Scene(program, problem, member, state, Arrays(table, view), choice.rows)
        measured: Measured = {}
        for name in choice.measures:
            measured |= resolve("diagnostic", name)(scene)
        when = {"epoch": state.epoch, "step": state.train.step, "status": state.status}
        return measured | when

    return map_members(strategy, one, (seats, state), table)


def walk_members(
    program: Program,
    problem: Problem,
    strategy: Strategy,
    seats: Seat,
    state: MemberState,
    table: Table,
    step: jax.Array,
) -> MemberState:
    """Return members as they are at an optimizer step of the epoch they are about to train.

    Members for whom the step lies elsewhere stay as they are. What is returned is to be looked at
    only: the epoch is not finished.
    """

    def one(each: tuple[Seat, MemberState], shared: tuple[Table, jax.Array]) -> MemberState:
        (member, view), before = each
        table, step = shared
        return train_until(program, problem, member, before, Arrays(table, view), step)

    return map_members(strategy, one, (seats, state), (table, step))


def labels(
    program: Program, problem: Problem, seats: Seat, state: MemberState, table: Table
) -> dict[str, list[str]]:
    """Return the names of the members' layers and kernels, from shapes alone."""
    identity = program, problem
    if identity not in _labels:
        found: dict[str, list[str]] = {}

        def see(seat: Seat, state: MemberState, table: Table) -> jax.Array:
            member, view = seat
            scene = Scene(program, problem, member, state, Arrays(table, view), rows=2)
            found["layers"], found["kernels"] = [*scene.layers], [*scene.kernels]
            return jnp.zeros(())

        one = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), (seats, state)
        )
        jax.eval_shape(see, *one, table)
        _labels[identity] = found
    return _labels[identity]


# By program and problem: a few words each.
_labels: dict[tuple[Program, Problem], dict[str, list[str]]] = {}
