"""States of members as arrays by name, and back."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnjax.checkpoint.store import Leaves

if TYPE_CHECKING:
    from snnjax.crew import Crew
    from snnjax.training import MemberState

Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
"""Type and shape of every array of one member, without the leading axis."""


def named(state: Any) -> dict[str, Any]:
    """Return the leaves of a state by their places in it."""
    import jax

    return {jax.tree_util.keystr(path): leaf for path, leaf in _leaves(state)}


def shapes_of(state: "MemberState") -> Shapes:
    """Return what the arrays of one member look like."""
    return {
        name: (np.dtype(leaf.dtype).name, tuple(leaf.shape)) for name, leaf in named(state).items()
    }


def shapes_in(index: Mapping[str, Any]) -> Shapes:
    """Return the same, as the index of a checkpoint says it."""
    return {name: (dtype, tuple(shape[1:])) for _, name, dtype, shape, _ in index["leaves"]}


def picked(people: "Crew", members: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Copy the states of some members to the host, whether they have a slot or are parked."""
    slot_of = {int(member): slot for slot, member in enumerate(people.order)}
    in_slots = [place for place, member in enumerate(members) if member in slot_of]
    parked = [place for place, member in enumerate(members) if member not in slot_of]
    slots = [slot_of[members[place]] for place in in_slots]
    # Whatever shares memory with the device is overwritten by the next chunk: rows are copied.
    leaves = {name: np.asarray(leaf)[slots] for name, leaf in named(people.state).items()}
    if not parked:
        return leaves
    rows = [members[place] for place in parked]
    order = np.argsort(in_slots + parked)
    return {
        name: np.concatenate([leaves[name], np.asarray(leaf)[rows]])[order]
        for name, leaf in named(people.parked).items()
    }


def overlaid(state: "MemberState", kept: Mapping[int, Leaves]) -> Any:
    """Return a state on the host in which some members are those that were kept.

    Args:
        state: Of a population.
        kept: By member, the arrays of one.
    """
    import jax

    paths, structure = jax.tree_util.tree_flatten_with_path(state)
    leaves = []
    for path, leaf in paths:
        own = np.array(leaf)
        for member, arrays in kept.items():
            own[member] = arrays[jax.tree_util.keystr(path)]
        leaves.append(own)
    return jax.tree.unflatten(structure, leaves)


def rebuilt(template: "MemberState", leaves: Leaves) -> "MemberState":
    """Return a state of the same structure as a template from arrays by name."""
    import jax

    structure = jax.tree.structure(template)
    state: MemberState = jax.tree.unflatten(structure, [leaves[name] for name in named(template)])
    return state


def _leaves(state: Any) -> Sequence[tuple[Any, Any]]:
    import jax

    paths: Sequence[tuple[Any, Any]] = jax.tree_util.tree_flatten_with_path(state)[0]
    return paths
