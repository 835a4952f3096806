"""What one task of an array does: trains its part, and goes back into the queue when told to."""

import os
import pickle
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from submitit.helpers import Checkpointable

from snnjax import interruption
from snnjax.endings import complain_once, settle
from snnjax.sinks.base import say
from snnjax.slurm import queue

if TYPE_CHECKING:
    from snnjax.experiment import Run

# What Slurm sends before it takes the node away. Some clusters announce a preemption by SIGTERM
# alone, which is sent to what is cancelled, too.
_WARNING = 128 + signal.SIGUSR2
_ENDING = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Task(Checkpointable):
    """A part of a sweep.

    Attributes:
        sweep: Its folder.
        runs: The file with all of its runs.
        own: The numbers of those of this task.
        means: What it may use, as the arguments of `Means`: as long as the task is being read, a
            signal ends it without more ado, so that little must be imported for that.
        requeues: How often it may be started again.
    """

    sweep: Path
    runs: Path
    own: Sequence[int]
    means: Mapping[str, int | None]
    requeues: int

    def __call__(self) -> dict[str, Any]:
        """Train the part, from where an earlier start of this task was stopped.

        Returns:
            What it took, see `sweep.Swept`.
        """
        with interruption.heard():
            try:
                return self._train()
            except KeyboardInterrupt:
                self._leave()

    def _train(self) -> dict[str, Any]:
        from snnjax.experiment import Means
        from snnjax.sweep import run_sweep

        runs: list[Run] = pickle.loads(self.runs.read_bytes())
        say(f"task {queue.own_job()}: {len(self.own)} of the {len(runs)} runs in {self.sweep}")
        swept = run_sweep(runs, self.sweep, Means(**self.means), self.own)
        complain_once(end for end in swept.ended if isinstance(end, Exception))
        for number, end in zip(self.own, swept.ended, strict=True):
            settle(end, runs[number].folder)
        return dict(swept.account)

    def _leave(self) -> NoReturn:
        """End the process after a signal; what was trained until then is saved."""
        code = interruption.exit_code()
        goes_on = code == _WARNING or (code == _ENDING and queue.is_preempted())
        if goes_on and queue.restarts() < self.requeues:
            is_done = queue.requeue()
            say("saved; back in the queue" if is_done else "saved; Slurm refused to requeue this")
        elif goes_on:
            say(f"saved; not requeued, hydra.launcher.requeues={self.requeues}")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)  # an orderly end would wait for what is still being computed
