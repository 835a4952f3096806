"""Several processes that train one run together: the first leads, the others follow.

The first composes, decides and writes, and tells the others what to do: see `messages`. In
training all run the same programs in the same order: what one of them would decide by its clock
or by a signal is agreed on between chunks, and an error in one of them ends all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from snnjax import interruption
from snnjax.config.errors import ConfigError

_SHUTDOWN_SECONDS = 60


@dataclass
class _Company:
    """What this process knows of the others.

    Attributes:
        count: How many there are with this one.
        index: The number of this one.
        is_broken: Whether they have lost one another.
        is_joined: Whether it was asked to train with others, though there may be none.
    """

    count: int = 1
    index: int = 0
    is_broken: bool = False
    is_joined: bool = False


_company = _Company()


class Stopped(KeyboardInterrupt):
    """All processes stop at the same chunk, because one of them was asked to."""


def is_alone() -> bool:
    """Tell whether this process trains by itself."""
    return _company.count == 1


def is_joined() -> bool:
    """Tell whether this process was started to train with others, of which there may be none."""
    return _company.is_joined


def is_first() -> bool:
    """Tell whether this process is the one that writes."""
    return _company.index == 0


def index() -> int:
    """Return the number of this process, from 0."""
    return _company.index


def is_broken() -> bool:
    """Tell whether a process failed while all were training: they cannot go on together."""
    return _company.is_broken


def count() -> int:
    """Count the processes that train together."""
    return _company.count


def join(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Join the other processes; before anything is computed. They are waited for.

    Args:
        coordinator: HOST:PORT of the first one; None, like the others, for what Slurm or another
            scheduler that JAX knows says.
        processes: How many there are.
        process: The number of this one, from 0.

    Raises:
        ConfigError: There is no such scheduler, or they do not find one another.
    """
    import jax

    if "jax_enable_preemption_service" in jax.config.values:
        # It takes SIGTERM for itself.
        jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            coordinator, processes, process, shutdown_timeout_seconds=_SHUTDOWN_SECONDS
        )
    except (ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"the processes do not find one another ({reason}); start them with srun, or give "
            "each --coordinator HOST:PORT --processes N --process I"
        ) from error
    _company.count, _company.index = jax.process_count(), jax.process_index()
    _company.is_joined = True


def leave() -> None:
    """Part in good order; waits for the others."""
    import jax

    jax.distributed.shutdown()


@contextmanager
def in_step() -> Iterator[None]:
    """Let signals be heard by `agree` only while processes train together.

    Raises:
        ConnectionError: Another process has failed or is gone.
    """
    import jax

    if is_alone():
        yield
        return
    try:
        with interruption.deferred(), interruption.unheard():
            yield
    except Stopped:
        raise
    except jax.errors.JaxRuntimeError as error:
        _company.is_broken = True
        if "RESOURCE_EXHAUSTED" in str(error):
            raise
        raise lost(error) from error
    except BaseException:
        _company.is_broken = True
        raise


def agree(wish: bool, after: Any = ()) -> bool:
    """Return whether any process wishes something; alone, what this one does.

    To stop is agreed on only here, after however long a chunk took: the grace begins then.

    Args:
        wish: What this one wishes.
        after: Arrays being computed: what processes exchange must not overtake one another.

    Raises:
        Stopped: A process was asked to stop; all of them do.
    """
    if is_alone():
        return wish
    import jax
    from jax.experimental import multihost_utils

    jax.block_until_ready(after)
    ballot = np.array([interruption.asked_by(), wish], np.int32)
    signal, is_wished = np.max(multihost_utils.process_allgather(ballot), axis=0).tolist()
    if signal:
        interruption.ask(signal)
        interruption.begin_grace()
        raise Stopped
    return bool(is_wished)


def from_first(tree: Any) -> Any:
    """Return arrays on the host as the first process has them, to the last bit."""
    if is_alone():
        return tree
    import jax
    from jax.experimental import multihost_utils

    hosts = jax.tree.map(np.asarray, tree)
    # They are sent as sums with zeros, of which only those of integers are exact.
    octets = jax.tree.map(lambda leaf: np.frombuffer(leaf.tobytes(), np.uint8), hosts)
    sent = multihost_utils.broadcast_one_to_all(octets)
    return jax.tree.map(
        lambda octet, leaf: np.frombuffer(bytes(octet), leaf.dtype).reshape(leaf.shape), sent, hosts
    )


def lost(cause: Exception) -> ConnectionError:
    """Note that another process has failed or is gone; return what to raise instead of JAX's error.

    Args:
        cause: The latter.
    """
    _company.is_broken = True
    reason = str(cause).partition("\n")[0][:200]
    told = f"process {_company.index}: another process has failed or is gone ({reason})"
    return ConnectionError(told)
