"""How members are mapped: one after another, several in lockstep, shared out among devices."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

# Benchmarks: benchmarks/results/sweep.json, table of strategies.
_CPU_LANES = 1
_CPU_MEMBERS = 64
_ACCELERATOR_LANES = 1024
_TURNS = 4
# Of the weights of a population several copies are kept: network, best network, optimizer.
_CPU_WEIGHTS = 2**26
_WEIGHT_BYTES = 4 * 6
_MEMBERS = PartitionSpec("members")
# Where no limit is known, and what a process has open beside its run folders.
_FILES, _OTHER_FILES = 400, 100

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Strategy:
    """How the members of a population are mapped.

    Attributes:
        lanes: Members computed in lockstep by each operation; groups of so many follow one
            another. 1 is one member after another, the size of the population plain vmap.
        devices: Devices that the members are dealt out to.
    """

    lanes: int = 1
    devices: int = 1

    def description(self) -> dict[str, Any]:
        """Return what result.json says of it."""
        names = {1: "one after another"}
        return {"map": names.get(self.lanes, f"{self.lanes} in lockstep"), "devices": self.devices}


def choose(size: int) -> Strategy:
    """Choose by what was measured on each kind of backend.

    On a CPU a member's activations stay in its core's cache only if members take turns. An
    accelerator is idle most of the time unless it computes all members at once.

    Args:
        size: Members in the population.
    """
    devices = jax.local_device_count()
    lanes = _CPU_LANES if jax.default_backend() == "cpu" else _ACCELERATOR_LANES
    return Strategy(min(lanes, -(-size // devices)), devices)


class Limits(NamedTuple):
    """How large populations may be on a device.

    Attributes:
        members: Most in one.
        weights: Most weights that their networks may have together.
        turns: Populations for each worker at least.
        lanes: Members computed in lockstep at most.
    """

    members: int
    weights: int
    turns: int
    lanes: int


def limits_on_cpu() -> Limits:
    """Return the limits where each worker has a core."""
    return Limits(_CPU_MEMBERS, _CPU_WEIGHTS, _TURNS, _CPU_LANES)


def limits_on_accelerator(memory: int) -> Limits:
    """Return the limits on an accelerator with so many bytes for arrays."""
    return Limits(_ACCELERATOR_LANES, memory // _WEIGHT_BYTES, 1, _ACCELERATOR_LANES)


def default_workers() -> int:
    """Return how many populations to train at once: one per core, one where devices are shared."""
    return core_count() if is_one_cpu() else 1


def is_one_cpu() -> bool:
    """Tell whether the only device is the CPU, whose cores are shared out among threads."""
    return jax.default_backend() == "cpu" and jax.local_device_count() == 1


def most_members() -> int:
    """Return how many members a population may have: enough to fill an accelerator."""
    cpu = jax.default_backend() == "cpu"
    return _CPU_MEMBERS if cpu else _ACCELERATOR_LANES * jax.local_device_count()


def most_files() -> int:
    """Return how many run folders this process can have open, after asking for all it may."""
    if resource is None:
        return _FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return max(1, (soft if soft != resource.RLIM_INFINITY else 2**20) - _OTHER_FILES)


def most_weights() -> int:
    """Return how many weights the networks of a population may have together."""
    limit = memory_limit()
    return _CPU_WEIGHTS if limit is None else limit // _WEIGHT_BYTES


def turns(workers: int) -> int:
    """Return in how many populations a sweep is divided at least.

    Several for each core, so that all of them end at about the same time; but where members are
    computed at once, the more of them the better.
    """
    return _TURNS * workers if is_one_cpu() else 1


def core_count() -> int:
    """Count the cores this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_limit() -> int | None:
    """Return how many bytes a device has for arrays; None where that is not known, as on CPUs."""
    return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")


def padded_size(strategy: Strategy, members: int) -> int:
    """Round a number of members up so that every lane of every device has one."""
    unit = strategy.lanes * strategy.devices
    return -(-members // unit) * unit


def map_members(
    strategy: Strategy, function: Callable[[Any, Any], Any], members: Any, shared: Any
) -> Any:
    """Apply `function(member, shared)` along the leading axis of `members`.

    Args:
        strategy: How.
        function: Of one member and what all share.
        members: A pytree whose leaves have the leading axis `padded_size`.
        shared: A pytree.
    """

    def on_one_device(members: Any, shared: Any) -> Any:
        (size,) = {leaf.shape[0] for leaf in jax.tree.leaves(members)}
        if strategy.lanes >= size > 1:
            return jax.vmap(lambda member: function(member, shared))(members)
        batch = None if strategy.lanes == 1 else strategy.lanes
        return jax.lax.map(lambda member: function(member, shared), members, batch_size=batch)

    if strategy.devices == 1:
        return on_one_device(members, shared)
    return jax.shard_map(
        on_one_device,
        mesh=_mesh(strategy),
        in_specs=(_MEMBERS, PartitionSpec()),
        out_specs=_MEMBERS,
        check_vma=False,
    )(members, shared)


def deal_out(strategy: Strategy, members: Any) -> Any:
    """Put the leading axis of a pytree where the strategy computes it."""
    if strategy.devices == 1:
        return jax.device_put(members)
    return jax.device_put(members, NamedSharding(_mesh(strategy), _MEMBERS))


def share(strategy: Strategy, tree: Any) -> Any:
    """Put a pytree on every device that the strategy uses."""
    if strategy.devices == 1:
        return tree
    return jax.device_put(tree, NamedSharding(_mesh(strategy), PartitionSpec()))


def placed(strategy: Strategy, shapes: Any) -> Any:
    """Say of shapes with a leading axis of members where `deal_out` puts such arrays."""
    if strategy.devices == 1:
        return shapes
    sharding = NamedSharding(_mesh(strategy), _MEMBERS)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes
    )


def _mesh(strategy: Strategy) -> jax.sharding.Mesh:
    devices = jax.local_devices()[: strategy.devices]
    # Members change places between devices, which JAX's default, explicit axes, would not allow.
    return jax.make_mesh((strategy.devices,), ("members",), (AxisType.Auto,), devices=devices)
