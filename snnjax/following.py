"""What the processes beside the first do: the same computations, without a run folder."""

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import jax

from snnjax import messages, population, processes
from snnjax.arrays import lay_out
from snnjax.compilation import keep_compiled
from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config
from snnjax.config.split import split
from snnjax.config.strict import convert
from snnjax.data.dataset import Dataset
from snnjax.data.load import load
from snnjax.diagnostics.observer import Watch
from snnjax.endings import explain
from snnjax.keeping import NoKeeper
from snnjax.recorder import code_digest, other_versions
from snnjax.strategy import Strategy, choose, deal_out
from snnjax.training import MemberState


@dataclass(frozen=True)
class Restorer(NoKeeper):
    """Keeps nothing, and goes on from where the first process does.

    Attributes:
        resumes: Whether that is not the beginning.
        epoch: Epochs behind the run.
    """

    resumes: bool
    epoch: int

    def restore(
        self, strategy: Strategy, state: MemberState, members: int
    ) -> tuple[MemberState, int]:
        """Return the state that the first process has read, or the one given."""
        if not self.resumes:
            return state, 0
        restored: MemberState = deal_out(strategy, processes.from_first(jax.device_get(state)))
        return restored, self.epoch


def follow() -> int:
    """Do what the first process says until it says goodbye; return its exit code.

    Raises:
        ConnectionError: It has failed or is gone.
    """
    keep_compiled()
    ready: tuple[Config, Dataset] | None = None
    while True:
        message = messages.listen()
        if message["do"] == messages.LEAVE:
            return int(message["code"])
        if message["do"] == messages.PREPARE:
            ready = None
            try:
                ready = _prepared(message)
                messages.answer("")
            except Exception as error:  # whatever it is, the first one tells it
                messages.answer(f"on {socket.gethostname()}: {explain(error)[0]}")
        elif ready is not None:
            _train(*ready, Restorer(message["resumes"], message["epoch"]))


def _prepared(message: Mapping[str, Any]) -> tuple[Config, Dataset]:
    """Return the run and its data, which must be those that the first process has.

    Raises:
        ConfigError: They, or source code and libraries, are others.
        DataError: The data cannot be read.
    """
    config = convert(Config, message["config"])
    if other := other_versions(message["versions"], code_digest(config)):
        raise ConfigError(f"the first process has other {other}")
    data = load(config.data)
    if data.sha256 != message["sha256"]:
        raise ConfigError(
            f"{config.data.name} holds other data (sha256 {data.sha256[:12]}, of the first "
            f"process {message['sha256'][:12]})"
        )
    return config, data


def _train(config: Config, data: Dataset, keeper: Restorer) -> None:
    """Take part in training; a stop that all agreed on is the first process's to tell."""
    program, member = split(config)
    watch = Watch(config.diagnostics, lambda look: None) if config.diagnostics.measures else None
    strategy = choose(1, sharing=config.training.devices)
    with suppress(processes.Stopped):
        population.train(
            program, [member], lay_out(data), strategy=strategy, keeper=keeper, watch=watch
        )
