"""Several processes that train one run together: the first leads, the others follow.

The first composes, decides and writes. It tells the others what to do by messages, which they
wait for as long as it takes. In training all run the same programs in the same order: what one of
them would decide by its clock or by a signal is agreed on between chunks, and an error in one of
them ends all.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from snnjax import interruption
from snnjax.config.errors import ConfigError

PREPARE, TRAIN, LEAVE = "prepare", "train", "leave"
"""What the first process tells the others to do."""

_LOOK_MILLISECONDS = 500  # for which a wait hears no signal
_SHUTDOWN_SECONDS = 60


@dataclass
class _Company:
    """What this process knows of the others.

    Attributes:
        count: How many there are with this one.
        index: The number of this one.
        told: Messages so far.
        is_broken: Whether they have lost one another.
        is_joined: Whether it was asked to train with others, though there may be none.
    """

    count: int = 1
    index: int = 0
    told: int = 0
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


def tell(message: Mapping[str, Any]) -> None:
    """Tell the other processes something, as the first one."""
    _client().key_value_set(f"snnjax/told/{_company.told}", json.dumps(message))
    _company.told += 1


def call(config: Mapping[str, Any], sha256: str, versions: Mapping[str, str]) -> None:
    """Let the others get ready for a run, as the first process; alone, do nothing.

    Args:
        config: The run, as plain values.
        sha256: Of its data.
        versions: What it is made by.

    Raises:
        ConfigError: One of them cannot train it.
        ConnectionError: One of them is gone.
        KeyboardInterrupt: Stopping was asked for while they were getting ready.
    """
    if is_alone():
        return
    tell({"do": PREPARE, "config": config, "sha256": sha256, "versions": versions})
    if problems := [f"process {n} {text}" for n, text in answers().items() if text]:
        raise ConfigError(problems)


def go(resumes: bool, epoch: int) -> None:
    """Let the others train what they were called for, from an epoch on; alone, do nothing."""
    if not is_alone():
        tell({"do": TRAIN, "resumes": resumes, "epoch": epoch})


def say_goodbye(code: int) -> None:
    """Let the others leave with an exit code."""
    if not is_alone():
        tell({"do": LEAVE, "code": code})


def listen() -> dict[str, Any]:
    """Return what the first process tells next; waits for it.

    Raises:
        ConnectionError: It is gone.
    """
    message: dict[str, Any] = json.loads(_wait(f"snnjax/told/{_company.told}"))
    _company.told += 1
    return message


def answer(text: str) -> None:
    """Answer to the last message, as one of the others."""
    _client().key_value_set(f"snnjax/answer/{_company.told}/{_company.index}", text)


def answers() -> dict[int, str]:
    """Return by process what the others answer to the last message; waits for all of them.

    Raises:
        ConnectionError: One of them is gone.
        KeyboardInterrupt: Stopping was asked for meanwhile.
    """
    names = {n: f"snnjax/answer/{_company.told}/{n}" for n in range(1, _company.count)}
    return {number: _wait(name) for number, name in names.items()}


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
        reason = str(error).partition("\n")[0][:200]
        raise _lost(reason) from error
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


def _wait(name: str) -> str:
    import jax

    while True:
        try:
            text: str = _client().blocking_key_value_get(name, _LOOK_MILLISECONDS)
            return text
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                _company.is_broken = True
                raise _lost(str(error).partition("\n")[0][:200]) from error
        interruption.check()
        time.sleep(0.01)


def _lost(reason: str) -> ConnectionError:
    told = f"process {_company.index}: another process has failed or is gone ({reason})"
    return ConnectionError(told)


def _client() -> Any:
    """Return what JAX's processes exchange words through: collectives do not wait that long."""
    from jax._src.distributed import global_state

    return global_state.client
