"""The program behind `python -m snnjax.train`: check, hand over to Hydra, account for the runs."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from snnjax import guard, interruption
from snnjax.config.overrides import check_overrides
from snnjax.config.strict import from_hydra
from snnjax.endings import FULL_ERROR, SESSION, complain_once, gravest, settle, told
from snnjax.figures.after import draw_after
from snnjax.file_names import ERROR_FILE
from snnjax.sinks.base import say

_INFORMATION = ("help", "hydra_help", "cfg", "info", "shell_completion", "experimental_rerun")


def main() -> int:
    """Run the command line in `sys.argv` and return the exit code.

    Returns:
        0 when every run is done, 1 when one failed, 2 for a configuration or data that cannot be
        used, 3 when training diverged, 130 when interrupted by Ctrl-C, 143 by SIGTERM, 138 by
        SIGUSR1, 140 by SIGUSR2.
    """
    guard.forget()
    return told(_train)


def _train() -> int:
    argv = check_overrides(sys.argv[1:])
    with interruption.heard(), _hydra_raising():
        try:
            _launch(argv)
        except Exception:
            interruption.check()  # an import that Ctrl-C ends fails with an error of its own
            raise
    return _account()


def run_job(cfg: Any) -> float:
    """Train one composed configuration; a failure is written down and does not stop the others.

    In a process that a launcher of somebody else has started, what a signal does there is done
    after everything has been saved.

    Returns:
        What a search minimises or maximises; NaN where there is nothing to return.
    """
    if interruption.is_heard():
        return _run_job(cfg)
    try:
        with interruption.heard():
            return _run_job(cfg)
    except KeyboardInterrupt:
        _pass_on(interruption.exit_code())


def _pass_on(code: int) -> NoReturn:
    """Let the signal of an exit code do what it would have done, then leave.

    That of the end of a job's time is submitit's, which puts the job back; SIGTERM it ignores.
    """
    signal.raise_signal(code - 128)
    if code == 128 + signal.SIGTERM:
        from snnjax.slurm import queue

        if queue.own_job() and queue.is_preempted() and queue.requeue():
            say("saved; back in the queue")
    sys.stdout.flush()
    os._exit(code)  # an orderly end would wait for what is still being computed


def _run_job(cfg: Any) -> float:
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    if hydra.mode is not None and hydra.mode.name == "MULTIRUN":
        told = [o for o in hydra.overrides.task if not o.startswith("+sweep=")]
        say(f"run {hydra.job.num}: {' '.join(told)}")
    else:
        SESSION.run = folder
    try:
        config = from_hydra(cfg)
        (folder / ERROR_FILE).unlink(missing_ok=True)
        from snnjax.experiment import run

        return settle(run(config, folder), folder)
    except Exception as error:
        interruption.check()  # an import that Ctrl-C ends fails with an error of its own
        complain_once([error])
        return settle(error, folder)


@contextmanager
def _hydra_raising() -> Iterator[None]:
    """Make Hydra pass exceptions on instead of printing them and leaving."""
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FULL_ERROR]
        else:
            os.environ[FULL_ERROR] = before


def _launch(argv: list[str]) -> None:
    """Check the configurations that `argv` asks for, then let Hydra run them."""
    import hydra
    from hydra._internal.utils import get_args_parser

    from snnjax.config.preflight import PRIMARY, VERSION_BASE, preflight
    from snnjax.config.sources import folder, register

    register()
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)  # for `package.module:attribute`; `python -m` does so too
    given = get_args_parser().parse_args(argv)
    asks = any(getattr(given, name) for name in _INFORMATION)
    if not (asks or given.config_path):
        alone = preflight(given.overrides, given.multirun, given.config_dir, given.config_name)
        if alone is not None:
            _check_run(alone)
    sys.argv[1:] = argv
    hydra.main(str(folder("conf")), PRIMARY, VERSION_BASE)(run_job)()


def _check_run(composed: Any) -> None:
    """Refuse what `model.strict` does not allow, and the folder of another run.

    Before Hydra writes into the folder of this one.
    """
    config = from_hydra(composed)
    guard.refuse(config)
    folder = Path(str(composed.hydra.run.dir))
    if folder.exists():
        from snnjax.recorder import read_result

        read_result(config, folder)


def _account() -> int:
    """Print the summary of a multirun, draw figures, and return the gravest exit code."""
    codes = list(SESSION.codes)
    if SESSION.is_detached:
        return gravest(codes)
    if SESSION.sweep is not None:
        from snnjax.summary import print_summary, read_jobs

        jobs = read_jobs(SESSION.sweep)
        print_summary(jobs, SESSION.sweep)
        codes += [job.exit_code for job in jobs]  # also of jobs that ran in other processes
    if (folder := SESSION.sweep or SESSION.run) is not None and (line := draw_after(folder)):
        say(line)
    return gravest(codes)
