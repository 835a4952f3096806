"""The run folder of one run: what is written before, during and after training."""

import importlib.metadata
import json
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import snnjax
from snnjax.config.errors import ConfigError
from snnjax.config.kept import read_config
from snnjax.config.schema import Config
from snnjax.config.split import fingerprint, to_dict
from snnjax.data.dataset import SPLITS, Dataset
from snnjax.diagnostics.predicted import predicted
from snnjax.diagnostics.record import Record
from snnjax.file_names import CONFIG_FILE, ERROR_FILE, METRICS_FILE, RESULT_FILE
from snnjax.metric_names import MAXIMIZED
from snnjax.sinks import DIAGNOSTICS, Evaluation, RunInfo, Sink, Sinks, open_sinks
from snnjax.sinks.jsonl import is_locked
from snnjax.source_code import digest_with
from snnjax.whole_file import write_whole

if TYPE_CHECKING:
    from snnjax.diagnostics.observer import Look
    from snnjax.outcomes import EpochRecord, Outcome

# What was seen inside a network is written after so many seconds, or so many times what that takes.
_LOOKS_SECONDS, _PARTS = 10.0, 50.0

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
"""What decides a network's numbers beside the source code of this package."""


class Recorder:
    """Writes one run's folder. An OSError is kept, and nothing more is written after it.

    Args:
        config: The run.
        folder: Its folder.
        data: Its data set.
        console: Whether it reports to the console, which is for one at a time.
        sweep: The folder of the multirun that it belongs to, if it does.
        start_epoch: Epochs behind a run that goes on from a checkpoint.

    Attributes:
        info: What its sinks learn about the run.
        error: What went wrong with this folder; None while all is well.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        data: Dataset,
        *,
        console: bool,
        sweep: Path | None = None,
        start_epoch: int = 0,
    ) -> None:
        self.info = replace(_run_info(config, folder, data, sweep), start_epoch=start_epoch)
        self.error: OSError | None = None
        self._config = config
        self._code = code_digest(config)  # now: the files may be edited while it trains
        self._logging = config.logging if console else replace(config.logging, progress="none")
        self._folder = folder
        self._data = data
        self._sinks: Sinks | None = None
        self._looks = Record(folder)
        self._written = -math.inf

    @property
    def versions(self) -> Mapping[str, str]:
        """What the run is made by: source code and libraries."""
        return _versions() | {"code": self._code}

    def start(self, stack: ExitStack, share: Sink | None = None) -> None:
        """Make the folder, write `config.json` and open the sinks; `stack` closes them.

        Args:
            stack: Closes them.
            share: The run's share in the wandb run of its population; see `open_population`.
        """
        self._attempt(lambda: self._start(stack, share))

    def report(self, record: "EpochRecord") -> None:
        """Write the metrics of an epoch."""
        for split, metrics in record.metrics.items():
            self._write(Evaluation(record.epoch, record.step, split, metrics))

    def show(self, look: "Look") -> None:
        """Take in what was seen inside the network; the file follows after a while.

        How long that is depends on what writing takes: it is written whole every time.
        """
        looks = self._looks
        arrays = {**look.arrays, **predicted(self._config.model, look.arrays)}
        if not looks.add(look.epoch, look.step, look.labels, arrays):
            return  # before a checkpoint that the run went on from
        self._write(
            Evaluation(int(look.epoch), look.step, DIAGNOSTICS, looks.scalars(), looks.histograms())
        )
        began = time.monotonic()
        if began > self._written:
            self.write_looks()
            took = time.monotonic() - began
            self._written = time.monotonic() + max(_LOOKS_SECONDS, _PARTS * took)

    def write_looks(self) -> None:
        """Write what was seen until now, so that a run can go on from here."""
        self._attempt(self._looks.write)

    def conclude(self, outcome: "Outcome", circumstances: Mapping[str, Any]) -> None:
        """Write the test metrics, then `result.json`, whose presence means that the run is done.

        Args:
            outcome: How the run ended.
            circumstances: What the whole population has in common: seconds, strategy, device.
        """
        if "test" in outcome.metrics:
            metrics = outcome.metrics["test"]
            self._write(Evaluation(outcome.scored_epoch, outcome.scored_step, "test", metrics))
        self._attempt(self._looks.write)
        self._attempt(lambda: self._conclude(outcome, circumstances))

    def _start(self, stack: ExitStack, share: Sink | None) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # First, because the sinks lock the folder.
        self._sinks = stack.enter_context(open_sinks(self._logging, self.info, share))
        write_json(self._folder / CONFIG_FILE, to_dict(self._config))
        self._looks.resume(self.info.start_epoch)

    def _write(self, evaluation: Evaluation) -> None:
        if (sinks := self._sinks) is not None:
            self._attempt(lambda: sinks.write(evaluation))

    def _conclude(self, outcome: "Outcome", circumstances: Mapping[str, Any]) -> None:
        made_by = {"versions": self.versions}
        result = result_of(
            fingerprint(self._config), outcome, {**circumstances, **made_by}, self._data
        )
        write_json(self._folder / RESULT_FILE, result)
        # Of another process that failed at this run and said so while this one was at it.
        (self._folder / ERROR_FILE).unlink(missing_ok=True)
        if self._sinks is not None:
            self._sinks.finish(result)

    def _attempt(self, write: Callable[[], None]) -> None:
        if self.error is None:
            try:
                write()
            except OSError as error:
                self.error = error


def result_of(
    identity: str, outcome: "Outcome", circumstances: Mapping[str, Any], data: Dataset
) -> dict[str, Any]:
    """Return what `result.json` says of a run.

    Args:
        identity: Its fingerprint.
        outcome: How it ended.
        circumstances: Seconds, device, versions and the like.
        data: What it was fitted on.
    """
    return {
        "status": outcome.status,
        "fingerprint": identity,
        "metrics": outcome.metrics,
        **({"roc_auc_by_task": outcome.areas} if outcome.areas else {}),
        "best_epoch": outcome.best_epoch,
        "scored_epoch": outcome.scored_epoch,
        "epochs": outcome.epochs,
        **circumstances,
        "data": {"name": data.name, "sha256": data.sha256}
        | {f"{split}_rows": len(data.rows[split]) for split in SPLITS},
    }


def is_in_use(folder: Path) -> bool:
    """Tell whether a process is training in a run folder; False where that is unknown."""
    return bool(is_locked(folder / METRICS_FILE))


def read_result(config: Config, folder: Path) -> dict[str, Any] | None:
    """Return the result that a folder already holds of this very run, None if it holds none.

    Raises:
        ConfigError: It holds the result, or the beginnings, of another run, or something else.
    """
    path, now = folder / RESULT_FILE, code_digest(config)
    if not path.exists():
        _check_beginnings(config, folder)
        return None
    result = read_result_file(path)
    if result.get("fingerprint") != (own := fingerprint(config)):
        raise ConfigError(
            f"{path}: holds the result of another run (fingerprint {result.get('fingerprint')}, "
            f"this one has {own}); choose another folder with hydra.run.dir or hydra.sweep.dir"
        )
    if not config.sweep.mix_versions and (
        other := other_versions(result.get("versions") or {}, now)
    ):
        raise ConfigError(
            f"{path}: comes from other {other}; choose another folder with hydra.run.dir or "
            "hydra.sweep.dir, or accept it with sweep.mix_versions=true"
        )
    return result


def other_versions(
    made_by: Mapping[str, Any], code: str, packages: Sequence[str] = PACKAGES
) -> str | None:
    """Say which source code or libraries something was made by if they are not those of now.

    Args:
        made_by: The `versions` of a result or a checkpoint.
        code: The digest of the source code now.
        packages: The libraries that count.
    """
    now = library_versions(tuple(packages))
    if made_by.get("code") != code:
        return f"source code ({made_by.get('code')}, now {code})"
    differing = [name for name in packages if made_by.get(name) != now[name]]
    if not differing:
        return None
    told = ", ".join(f"{name} {made_by.get(name)}, now {now[name]}" for name in differing)
    return f"versions of libraries ({told})"


def read_result_file(path: Path) -> dict[str, Any]:
    """Return the content of a `result.json`.

    Raises:
        ConfigError: It is none.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a result of a run ({error}); remove it") from error
    if not (isinstance(result, dict) and isinstance(result.get("metrics"), dict)):
        raise ConfigError(f"{path}: not a result of a run; remove it")
    return result


def _check_beginnings(config: Config, folder: Path) -> None:
    """Refuse a folder in which another run was started and did not end."""
    path = folder / CONFIG_FILE
    try:
        begun = read_config(folder)
    except (OSError, ValueError):
        return  # nothing there, or nothing that says what it is
    if fingerprint(begun) != fingerprint(config):
        raise ConfigError(
            f"{path}: another run was started in this folder and did not end; remove the folder, "
            "or choose another with hydra.run.dir or hydra.sweep.dir"
        )


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write strict JSON so that the file is there whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    write_whole(path, json.dumps(_nullified(content), indent=2, allow_nan=False) + "\n")


def _run_info(config: Config, folder: Path, data: Dataset, sweep: Path | None) -> RunInfo:
    monitor = config.training.monitor
    return RunInfo(
        name=f"{data.name}-{config.model.name}-s{config.seed}",
        folder=folder,
        epochs=config.training.epochs,
        monitor=monitor,
        maximize=monitor in MAXIMIZED,
        split="validation" if len(data.rows["validation"]) else "train",
        config=to_dict(config),
        fingerprint=fingerprint(config),
        sweep=sweep,
        smoothing=config.training.smoothing,
        min_gain=config.training.min_gain,
    )


def _versions() -> dict[str, str]:
    return library_versions(PACKAGES)


@cache
def library_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of this package, of Python and of some libraries by their names."""
    found = {name: importlib.metadata.version(name) for name in packages}
    return {"snnjax": snnjax.__version__, "python": platform.python_version()} | found


def code_digest(config: Config) -> str:
    """Return 12 hexadecimal digits of the source code that a run is made by.

    The package's, and that of the modules of one's own that the configuration names, with those
    that they import from where they lie.
    """
    model = config.model
    named = (model.name, model.activation, model.init, model.norm, model.dropout_kind)
    modules = {name.split(":")[0] for name in named if ":" in name}
    return digest_with(tuple(sorted(modules)))[:12]


def versions_of(config: Config) -> dict[str, str]:
    """Return what a run is made by now: source code and libraries."""
    return _versions() | {"code": code_digest(config)}


def _nullified(content: Any) -> Any:
    """Replace NaN and infinities, which JSON has no words for, by None."""
    if isinstance(content, Mapping):
        return {key: _nullified(value) for key, value in content.items()}
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
