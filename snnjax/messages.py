"""What processes that train together say to one another: the first one to all, the others to it.

They wait for messages as long as it takes, which collectives of JAX do not.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from snnjax import interruption, processes
from snnjax.config.errors import ConfigError

PREPARE, TRAIN, LEAVE = "prepare", "train", "leave"
"""What the first process tells the others to do."""

_LOOK_MILLISECONDS = 500  # for which a wait hears no signal

_told = {"count": 0}  # messages so far


def tell(message: Mapping[str, Any]) -> None:
    """Tell the other processes something, as the first one."""
    _client().key_value_set(f"snnjax/told/{_told['count']}", json.dumps(message))
    _told["count"] += 1


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
    if processes.is_alone():
        return
    tell({"do": PREPARE, "config": config, "sha256": sha256, "versions": versions})
    if problems := [f"process {n} {text}" for n, text in answers().items() if text]:
        raise ConfigError(problems)


def go(resumes: bool, epoch: int) -> None:
    """Let the others train what they were called for, from an epoch on; alone, do nothing."""
    if not processes.is_alone():
        tell({"do": TRAIN, "resumes": resumes, "epoch": epoch})


def say_goodbye(code: int) -> None:
    """Let the others leave with an exit code."""
    if not processes.is_alone():
        tell({"do": LEAVE, "code": code})


def listen() -> dict[str, Any]:
    """Return what the first process tells next; waits for it.

    Raises:
        ConnectionError: It is gone.
    """
    message: dict[str, Any] = json.loads(_wait(f"snnjax/told/{_told['count']}"))
    _told["count"] += 1
    return message


def answer(text: str) -> None:
    """Answer to the last message, as one of the others."""
    _client().key_value_set(f"snnjax/answer/{_told['count']}/{processes.index()}", text)


def answers() -> dict[int, str]:
    """Return by process what the others answer to the last message; waits for all of them.

    Raises:
        ConnectionError: One of them is gone.
        KeyboardInterrupt: Stopping was asked for meanwhile.
    """
    names = {n: f"snnjax/answer/{_told['count']}/{n}" for n in range(1, processes.count())}
    return {number: _wait(name) for number, name in names.items()}


def _wait(name: str) -> str:
    import jax

    while True:
        try:
            text: str = _client().blocking_key_value_get(name, _LOOK_MILLISECONDS)
            return text
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise processes.lost(error) from error
        interruption.check()
        time.sleep(0.01)


def _client() -> Any:
    """Return what JAX's processes exchange words through: collectives do not wait that long."""
    from jax._src.distributed import global_state

    return global_state.client
