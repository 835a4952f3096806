"""The members still at work: those that stopped make room, so that they cost nothing for long.

Members are computed in groups of `lanes` on each device, and a group costs its time as long as one
of its members runs. Between chunks running members are moved together; where a whole population
is one group it is made smaller, which takes a compilation and must be worth it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from snnjax.compilation import compiled
from snnjax.strategy import Strategy, deal_out

Order = NDArray[Any]
Running = NDArray[np.bool_]


@dataclass(frozen=True)
class Crew:
    """Who is computed where.

    Attributes:
        strategy: How members are mapped.
        order: (slots,) the member in each slot.
        numbers: What the members differ in, a pytree with the leading axis of all members, on the
            host.
        at_work: The same of the slots, on the device.
        state: Of the slots, on the device.
        parked: Of all members, where some have left the slots; those in a slot are out of date.
    """

    strategy: Strategy
    order: Order
    numbers: Any
    at_work: Any
    state: Any
    parked: Any = None


def assemble(strategy: Strategy, numbers: Any) -> Crew:
    """Give every member a slot; the state is still to come."""
    (size,) = {leaf.shape[0] for leaf in jax.tree.leaves(numbers)}
    return Crew(strategy, np.arange(size), numbers, deal_out(strategy, numbers), None)


def states(crew: Crew) -> Any:
    """Return the state of all members in their own order."""
    if crew.parked is not None:
        return _put(crew.strategy, crew.parked, crew.order, crew.state)
    if np.array_equal(crew.order, np.arange(len(crew.order))):
        return crew.state
    return _take(crew.strategy, crew.state, np.argsort(crew.order))


def regroup(crew: Crew, running: Running) -> Crew:
    """Move running members together if that leaves fewer groups with work; programs stay the same.

    Args:
        crew: The slots.
        running: Whether each member is.
    """
    strategy = crew.strategy
    if _busy_groups(crew, running) <= -(-int(running.sum()) // (strategy.lanes * strategy.devices)):
        return crew
    place = _dealt(np.argsort(~running[crew.order], kind="stable"), strategy.devices)
    order = crew.order[place]
    return replace(
        crew,
        order=order,
        at_work=_numbers_of(crew, strategy, order),
        state=_take(strategy, crew.state, place),
    )


def smaller(crew: Crew, running: Running) -> Crew | None:
    """Keep only the slots that running members need, by halves; None if all are needed.

    Only for a crew that is a single group on each device: others are served by `regroup`.
    """
    strategy, slots = crew.strategy, len(crew.order)
    lanes = strategy.lanes
    while lanes > 1 and running.sum() <= lanes // 2 * strategy.devices:
        lanes //= 2
    if lanes == strategy.lanes or slots != strategy.lanes * strategy.devices:
        return None
    kept = replace(strategy, lanes=lanes)
    whole = states(crew)
    first = np.argsort(~running[crew.order], kind="stable")
    order = crew.order[_dealt(first[: lanes * strategy.devices], strategy.devices)]
    return Crew(
        strategy=kept,
        order=order,
        numbers=crew.numbers,
        at_work=_numbers_of(crew, kept, order),
        state=_take(kept, whole, order),
        parked=whole,
    )


def _busy_groups(crew: Crew, running: Running) -> int:
    """Count the groups with work on the device that has most of them."""
    in_slots = running[crew.order]
    groups = in_slots.reshape(crew.strategy.devices, -1, crew.strategy.lanes)
    return int(groups.any(2).sum(1).max())


def _dealt(places: Order, devices: int) -> Order:
    """Deal out places to devices, whose slots are neighbours."""
    return places.reshape(-1, devices).T.ravel()


def _numbers_of(crew: Crew, strategy: Strategy, order: Order) -> Any:
    return deal_out(strategy, jax.tree.map(lambda leaf: leaf[order], crew.numbers))


def _take(strategy: Strategy, tree: Any, places: Order) -> Any:
    return _each(strategy, take_members, places, tree)


def _put(strategy: Strategy, tree: Any, places: Order, part: Any) -> Any:
    return _each(strategy, put_members, places, tree, part)


def _each(
    strategy: Strategy, function: Callable[..., jax.Array], places: Order, *trees: Any
) -> Any:
    """Apply a function leaf by leaf: few shapes differ, and small programs compile quickly."""
    places = places.astype(np.int32)

    def one(*leaves: jax.Array) -> Any:
        program, _ = compiled(function, (strategy.mesh_shape,), (places, *leaves))
        # Where its result lies is the compiler's choice, but the next program insists.
        return deal_out(strategy, program(places, *leaves))

    return jax.tree.map(one, *trees)


def take_members(mesh: tuple[int, int], places: jax.Array, leaf: jax.Array) -> jax.Array:
    """Pick members by their place."""
    return leaf[places]


def put_members(
    mesh: tuple[int, int], places: jax.Array, leaf: jax.Array, part: jax.Array
) -> jax.Array:
    """Replace members by their place."""
    return leaf.at[places].set(part)
