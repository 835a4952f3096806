"""How members are mapped: one after another, several in lockstep, shared out among devices.

Devices are dealt out to members, or share the rows of every batch, or both.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from snnjax import processes
from snnjax.config.errors import ConfigError
from snnjax.rows import MEMBERS, ROWS

Sharing: TypeAlias = Literal["all"] | int | None
"""How many devices share the rows of every batch; None for one, or all where processes join."""

# Benchmarks: benchmarks/results/sweep.json, table of strategies.
_CPU_LANES = 1
_CPU_MEMBERS = 64
_ACCELERATOR_LANES = 1024
_TURNS = 4
# Of the weights of a population several copies are kept: network, best network, optimizer.
_CPU_WEIGHTS = 2**26
_WEIGHT_BYTES = 4 * 6
_MEMBERS = PartitionSpec(MEMBERS)
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
        devices: Devices, or groups of such, that the members are dealt out to.
        rows: Devices in a group, which share the rows of every batch.
    """

    lanes: int = 1
    devices: int = 1
    rows: int = 1

    @property
    def mesh_shape(self) -> tuple[int, int]:
        """Devices along both axes of the mesh."""
        return self.devices, self.rows

    def description(self) -> dict[str, Any]:
        """Return what result.json says of it."""
        names = {1: "one after another"}
        told = {"map": names.get(self.lanes, f"{self.lanes} in lockstep"), "devices": self.devices}
        return told if self.rows == 1 else told | {"devices_per_member": self.rows}


def choose(size: int, lanes: int | None = None, sharing: Sharing = None) -> Strategy:
    """Choose by what was measured on each kind of backend.

    On a CPU a member's activations stay in its core's cache only if members take turns. An
    accelerator is idle most of the time unless it computes all members at once.

    Args:
        size: Members in the population.
        lanes: Members computed in lockstep, if that is decided.
        sharing: `training.devices`.

    Raises:
        ConfigError: There are fewer devices.
    """
    rows = row_devices(sharing)
    devices = jax.device_count() // rows
    if rows > 1:  # where a member needs several, groups that do nothing are left out
        devices = min(devices, size)
    if lanes is None:
        most = _CPU_LANES if jax.default_backend() == "cpu" else _ACCELERATOR_LANES
        lanes = min(most, -(-size // devices))
    return Strategy(lanes, devices, rows)


def row_devices(sharing: Sharing) -> int:
    """Return how many devices share the rows of every batch: see `training.devices`.

    Raises:
        ConfigError: There are fewer devices, or several processes have others.
    """
    count, is_alone = jax.device_count(), processes.is_alone()
    if sharing == "all" or (sharing is None and processes.is_joined()):
        return count
    rows = 1 if sharing is None else sharing
    if is_alone and rows > count:
        hint = "; XLA_FLAGS=--xla_force_host_platform_device_count=N divides a CPU into N"
        raise ConfigError(
            f"training.devices={rows}: there {'is' if count == 1 else 'are'} {count} "
            f"({jax.devices()[0].device_kind}); allowed: 1 to {count}, all, null"
            + (hint if jax.default_backend() == "cpu" else "")
        )
    if not is_alone and rows != count:
        raise ConfigError(
            f"training.devices={rows}: {processes.count()} processes have {count} devices, and "
            f"all of them take part; allowed: {count}, all, null"
        )
    return rows


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
    return jax.default_backend() == "cpu" and jax.device_count() == 1


def most_members() -> int:
    """Return how many members a population may have: enough to fill an accelerator."""
    cpu = jax.default_backend() == "cpu"
    return _CPU_MEMBERS if cpu else _ACCELERATOR_LANES * jax.device_count()


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

    if strategy.mesh_shape == (1, 1):
        return on_one_device(members, shared)
    mapped = jax.shard_map(
        on_one_device,
        mesh=_sharding(strategy, _MEMBERS).mesh,
        in_specs=(_MEMBERS, PartitionSpec()),
        out_specs=_MEMBERS,
        axis_names={MEMBERS},
        check_vma=False,
    )(members, shared)
    # How results lie along the rows is the compiler's choice, but the next program insists.
    return jax.lax.with_sharding_constraint(mapped, _sharding(strategy, _MEMBERS))


def deal_out(strategy: Strategy, members: Any) -> Any:
    """Put the leading axis of a pytree where the strategy computes it."""
    if strategy.mesh_shape == (1, 1):
        return jax.device_put(members)
    return _put(members, _sharding(strategy, _MEMBERS))


def share(strategy: Strategy, tree: Any) -> Any:
    """Put a pytree on every device that the strategy uses."""
    if strategy.mesh_shape == (1, 1):
        return tree
    return _put(tree, _sharding(strategy, PartitionSpec()))


def placed(strategy: Strategy, shapes: Any) -> Any:
    """Say of shapes with a leading axis of members where `deal_out` puts such arrays."""
    if strategy.mesh_shape == (1, 1):
        return shapes
    sharding = _sharding(strategy, _MEMBERS)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes
    )


def _put(tree: Any, sharding: NamedSharding) -> Any:
    """Put arrays where they are needed; of several processes each gives what its devices hold."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def one(leaf: Any) -> jax.Array:
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(one, tree)


def _sharding(strategy: Strategy, spec: PartitionSpec) -> NamedSharding:
    # Members change places between devices, which JAX's default, explicit axes, would not allow.
    devices = jax.devices()[: strategy.devices * strategy.rows]
    axes = (AxisType.Auto, AxisType.Auto)
    mesh = jax.make_mesh(strategy.mesh_shape, (MEMBERS, ROWS), axes, devices=devices)
    return NamedSharding(mesh, spec)
