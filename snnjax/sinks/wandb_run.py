"""Opening and closing one Weights & Biases run: quiet, time-limited, offline where online fails."""

import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from snnjax.config.schema import WandbConfig
from snnjax.sinks.base import RunInfo, warn


@dataclass(frozen=True)
class Limits:
    """How long a server may keep a run waiting, in seconds.

    Attributes:
        init: For the server's answer when a run is opened.
        finish: For the last uploads when it is closed.
        outage: How long runs of this process go offline at once after a server failed one, so
            that a sweep of a thousand runs waits for a dead server once and not a thousand times.
    """

    init: float = 20.0
    finish: float = 60.0
    outage: float = 600.0


LIMITS = Limits()


class Outage:
    """The memory of a server that failed, shared by the runs of this process."""

    def __init__(self) -> None:
        self._until = 0.0
        self._lock = threading.Lock()

    def lasts(self) -> bool:
        """Tell whether it is too early to try the server again."""
        return time.monotonic() < self._until

    def begin(self, seconds: float) -> bool:
        """Note a failure; return whether it is the first one of this outage."""
        with self._lock:
            is_first = not self.lasts()
            self._until = time.monotonic() + seconds
        return is_first

    def end(self) -> None:
        """Forget it."""
        self._until = 0.0


OUTAGE = Outage()


def load_wandb() -> ModuleType:
    """Import wandb without its usage reports.

    They would go to its server even from an offline run, and where a firewall swallows them the
    process waits ten to twenty seconds for that when it ends. WANDB_ERROR_REPORTING=true in the
    environment brings them back.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    return wandb


def prepare(config: WandbConfig) -> None:
    """Import what runs will need; call it on the main thread before several threads open runs.

    Two threads that import NumPy's or pandas' extensions at once find them half done.
    """
    if config.mode == "disabled":
        return
    wandb = load_wandb()
    if config.per == "population":
        wandb.Table(columns=["run"], data=[["0"]])  # imports pandas where that is installed


def group_of(sweep: Path) -> str:
    """Return the name that groups the runs of a sweep: its folder's, after a date if it has one."""
    folder = sweep.resolve()
    is_dated = re.fullmatch(r"\d{4}-\d\d-\d\d", folder.parent.name)
    return f"{folder.parent.name}/{folder.name}" if is_dated else folder.name


def run_folder(run: Any) -> Path:
    """Return the folder with a run's data: what `wandb sync` takes."""
    return Path(run.dir).parent


def open_run(config: WandbConfig, run: RunInfo, limits: Limits = LIMITS) -> Any:
    """Open a run below the run folder: offline, or online if the server answers in time.

    `config.mode` decides, not the environment: WANDB_MODE neither switches an offline run online
    nor an online one off. Key, server and what the configuration leaves open (entity, group) come
    from the environment or `wandb login` as usual; a run of a sweep whose group is open there too
    is grouped by sweep. Never asks for a key.

    Raises:
        wandb.errors.Error: Not even an offline run can be opened.
    """
    wandb = load_wandb()
    # Also keeps wandb from asking for a key at a terminal, below a progress bar.
    wandb.setup(wandb.Settings(silent=True))
    if config.mode == "online" and not OUTAGE.lasts():
        try:
            return _init("online", config, run, limits)
        except (wandb.errors.CommError, wandb.errors.UsageError, TimeoutError) as error:
            offline = _init("offline", config, run, limits)
            if OUTAGE.begin(limits.outage):
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                warn(
                    f"wandb cannot go online ({reason}): this run is kept offline, and so are "
                    f"those of the next {limits.outage / 60:.0f} minutes; upload them later with: "
                    f"wandb sync {run_folder(offline)}"
                )
            return offline
    return _init("offline", config, run, limits)


def close_run(run: Any, summary: Mapping[str, Any], exit_code: int, limits: Limits) -> None:
    """Write the summary and close the run; what a dead server did not take stays on disk."""
    run.summary.update(dict(summary))
    try:
        run.finish(exit_code=exit_code)
    except TimeoutError:
        if OUTAGE.begin(limits.outage):
            warn(
                f"wandb did not upload everything within {limits.finish:.0f} s: nothing is lost; "
                f"upload it later with: wandb sync {run_folder(run)}"
            )


def _init(
    mode: Literal["online", "offline"], config: WandbConfig, run: RunInfo, limits: Limits
) -> Any:
    wandb = load_wandb()
    settings = wandb.Settings(
        mode=mode,
        init_timeout=limits.init,
        finish_timeout=limits.finish,
        finish_timeout_raises=True,
        silent=True,
        console="off",
        symlink=False,
        save_code=False,
        disable_code=True,
        disable_git=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
    opened = wandb.init(
        settings=settings,
        reinit="create_new",
        dir=str(run.folder),
        project=config.project,
        entity=config.entity,
        group=_group(config, run),
        name=run.name,
        config={**run.config, **({"fingerprint": run.fingerprint} if run.fingerprint else {})},
    )
    opened.define_metric("epoch")
    opened.define_metric("*", step_metric="epoch")
    return opened


def _group(config: WandbConfig, run: RunInfo) -> str | None:
    by_sweep = None if run.sweep is None else group_of(run.sweep)
    return config.group or os.environ.get("WANDB_RUN_GROUP") or by_sweep
