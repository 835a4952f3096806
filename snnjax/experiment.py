"""Runs from configuration to result: the one place that wires data, network, training, sinks."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from snnjax import checkpoint, interruption, messages
from snnjax.checkpoint import Kept, KeptRun
from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config
from snnjax.config.split import split, to_dict
from snnjax.data.dataset import SPLITS, Dataset
from snnjax.data.load import load
from snnjax.fit import check_data, check_names, check_optimizer, check_precision
from snnjax.guard import Guard, tell
from snnjax.ledger import Ledger
from snnjax.recorder import Recorder, read_result, versions_of
from snnjax.sinks import say
from snnjax.sinks.wandb_population import open_population

if TYPE_CHECKING:
    from snnjax.arrays import Layout
    from snnjax.diagnostics.observer import Look
    from snnjax.ending import Ended
    from snnjax.outcomes import EpochRecord, Outcome
    from snnjax.shapes import Problem


@dataclass(frozen=True)
class Run:
    """One configuration and the folder it reports to."""

    config: Config
    folder: Path


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        status: `skipped` where the folder already held this run's result; `failed` and `left` are
            said of runs that others train: they have noted why, or have not ended it.
        objective: The monitored metric on the validation rows (on the training rows where there
            are none); NaN of a run that diverged before its first healthy epoch, or has no result.
    """

    status: Literal["done", "diverged", "skipped", "failed", "left"]
    objective: float


class _AllFailed(Exception):  # noqa: N818  a signal from the report to the training loop
    """No run of a population can be written any more."""


def run(config: Config, folder: Path) -> RunResult:
    """Train one configuration and leave its run folder behind; `result.json` comes last.

    Args:
        config: The run.
        folder: Its run folder, which may exist.

    Raises:
        ConfigError: The configuration does not fit the data, `model.strict` does not allow it, or
            the folder holds another run.
        DataError: The data cannot be read.
        OSError: The folder cannot be written.
    """
    alone = Run(config, folder)
    if (earlier := earlier_result(alone)) is not None:
        say(f"{folder}: this run is already done, nothing to do")
        checkpoint.tidy(checkpoint.shelf_of(folder), config.checkpoint.keep)
        return earlier
    for refusal in checkpoint.refusals(checkpoint.shelf_of(folder), [config]).values():
        raise refusal
    data = load(config.data)
    check_data(config, data)
    tell(Guard().judge(config, data))
    # JAX is imported only now that hardly anything can be wrong, but before wandb's thread runs:
    # two threads importing NumPy's extensions at once can break both.
    from snnjax.arrays import lay_out
    from snnjax.compilation import keep_compiled
    from snnjax.strategy import row_devices

    keep_compiled()
    row_devices(config.training.devices)
    check_names(config)
    check_precision(config)
    check_optimizer(config)
    messages.call(to_dict(config), data.sha256, versions_of(config))
    _introduce(config, data)
    (result,) = run_population([alone], Together(lay_out(data)))
    if isinstance(result, Exception):
        raise result
    return result


@dataclass(frozen=True)
class Means:
    """What a sweep may use; None leaves it to the machine.

    Attributes:
        members: Most runs in one population.
        workers: Populations trained at once: by default one per core, or one where there is an
            accelerator. Threads suffice: all the work is in compiled programs.
        lanes: Members computed in lockstep.
        processes: Processes that share the sweep, each with so many workers; None for one.
    """

    members: int | None = None
    workers: int | None = None
    lanes: int | None = None
    processes: int | None = None

    def check(self) -> None:
        """Refuse what is not a number of something.

        Raises:
            ConfigError: Naming the key of the launcher, its value and what is allowed.
        """
        for name, value in asdict(self).items():
            is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if value is not None and not is_count:
                raise ConfigError(
                    f"hydra.launcher.{name}={value}: allowed: integers from 1, or null to leave "
                    "it to the machine"
                )


@dataclass(frozen=True)
class Together:
    """How runs are trained together; the default is for a run alone.

    Attributes:
        layout: Their data sets, perhaps others too.
        problem: The shapes of theirs; None where there are no others.
        sets: For each run the place of its data set in the layout; None for the first.
        size: See `population.train`.
        lanes: Members computed in lockstep; None leaves it to the machine.
        name: Of the population in its sweep.
    """

    layout: "Layout"
    problem: "Problem | None" = None
    sets: Sequence[int] | None = None
    size: int = 1
    lanes: int | None = None
    name: str = ""


def run_population(
    runs: Sequence[Run],
    together: Together,
    *,
    sweep: Path | None = None,
    count: Callable[[int], None] = lambda epochs: None,
) -> list[RunResult | Exception]:
    """Train runs of one program; each leaves its own run folder behind.

    A run whose folder cannot be written, or that another process is at, is left out.

    Args:
        runs: The members.
        together: How they are trained.
        sweep: The folder of their multirun. Without one the run reports to the console.
        count: Called for every epoch of every run with 1, first with those of earlier starts.

    Returns:
        For each run its result, or the error it failed with; EBUSY where another process is at it.

    Raises:
        KeyboardInterrupt: Stopping was asked for; each run keeps what it has written.
    """
    sets = [0] * len(runs) if together.sets is None else together.sets
    data = [together.layout.sets[place] for place in sets]
    folder = sweep or runs[0].folder
    own_runs = [KeptRun(one.config, one.folder, own) for one, own in zip(runs, data, strict=True)]
    kept = checkpoint.find_runs(own_runs, together.layout.problem, folder)
    recorders = [
        Recorder(
            one.config, one.folder, one.data,
            console=sweep is None, sweep=sweep, start_epoch=kept.epochs.get(number, 0),
        )
        for number, one in enumerate(own_runs)
    ]  # fmt: skip
    interruption.check()
    with ExitStack() as stack:
        wandb = runs[0].config.logging.wandb
        if sweep is None:
            wandb = replace(wandb, per="job")
        infos = [recorder.info for recorder in recorders]
        shares = stack.enter_context(open_population(wandb, folder, together.name, infos))
        results: list[RunResult | Exception | None] = []
        for number, (recorder, share) in enumerate(zip(recorders, shares, strict=True)):
            if number not in kept.refused:
                recorder.start(stack, share)
            results.append(kept.refused.get(number) or _before(runs[number], recorder))
        mine = [number for number, result in enumerate(results) if result is None]
        if mine:
            ends = _train(
                [runs[number] for number in mine],
                replace(together, sets=[sets[number] for number in mine]),
                [recorders[number] for number in mine],
                count,
                folder,
                kept.of(mine),
            )
            for number, end in zip(mine, ends, strict=True):
                results[number] = end
        return [result for result in results if result is not None]


def _before(run: Run, recorder: Recorder) -> RunResult | Exception | None:
    """Return how a run has ended before it was trained, None if it can be."""
    if isinstance(recorder.error, FileExistsError):
        try:
            return earlier_result(run) or recorder.error
        except ConfigError as error:
            return error
    return recorder.error


def earlier_result(run: Run) -> RunResult | None:
    """Return the result of a run that is already done, None if it is still to do.

    Raises:
        ConfigError: Its folder holds the result of another run.
    """
    if (earlier := read_result(run.config, run.folder)) is None:
        return None
    return RunResult("skipped", _objective(run.config, earlier["metrics"]))


def _train(
    runs: Sequence[Run],
    together: Together,
    recorders: Sequence[Recorder],
    count: Callable[[int], None],
    folder: Path,
    kept: Kept,
) -> list[RunResult | Exception]:
    """Train runs whose folders are open and write down how each ends, once it has ended.

    Checkpoints are kept in `folder`, that of a sweep or of a run alone.

    Raises:
        Exception: What ended all of them; those that ended before one have their results.
    """
    from snnjax import population
    from snnjax.diagnostics.observer import Watch
    from snnjax.strategy import choose

    programs, members = zip(*(split(one.config) for one in runs), strict=True)
    sets, layout = together.sets or (), together.layout
    strategy = choose(
        max(together.size, len(runs)), together.lanes, runs[0].config.training.devices
    )
    data = [layout.sets[place] for place in sets]
    ledger = Ledger([own.epoch_rows for own in data], kept.epochs)
    own_runs = [KeptRun(one.config, one.folder, own) for one, own in zip(runs, data, strict=True)]
    versions = recorders[0].versions
    for number, epoch in kept.epochs.items():
        count(epoch)
        if runs[number].folder == folder and runs[number].config.logging.progress != "none":
            say(f"{folder}: goes on after epoch {epoch}")
    ends: dict[int, RunResult | Exception] = {}

    def report(record: "EpochRecord") -> None:
        interruption.check()
        count(1)
        ledger.note(record.member, record.epoch)
        recorders[record.member].report(record)
        if all(n in ends or recorder.error is not None for n, recorder in enumerate(recorders)):
            raise _AllFailed

    def tell(ended: "Ended") -> None:
        shares = ledger.share_out([*ended.outcomes], ended.seconds, ended.compile_seconds)
        if ended.state is not None:
            places = {number - ended.first: own_runs[number] for number in ended.outcomes}
            checkpoint.keep_final(places, layout.problem, ended.state, versions)
        for (number, outcome), seconds in zip(ended.outcomes.items(), shares, strict=True):
            recorder = recorders[number]
            before = kept.seconds.get(number, (0.0, 0.0))
            taken = (a + b for a, b in zip(before, seconds, strict=True))
            circumstances = _circumstances(ended, outcome, *taken)
            recorder.conclude(outcome, circumstances | keeper.told_of(number))
            keeper.ended(number)
            objective = _objective(runs[number].config, outcome.metrics)
            ends[number] = recorder.error or RunResult(outcome.status, objective)

    def show(look: "Look") -> None:
        recorders[look.member].show(look)

    asked = runs[0].config.diagnostics
    watch = Watch(asked, show) if asked.measures else None

    def before_saving() -> None:
        for number, recorder in enumerate(recorders if watch else ()):
            if number not in ends:
                recorder.write_looks()

    keeper = checkpoint.open_keeper(
        own_runs, folder, versions, kept, ledger.share_until_now, before_saving
    )
    messages.go(bool(kept.leaves), min(kept.epochs.values(), default=0))
    try:
        population.train(
            programs[0], members, layout, report, tell=tell,
            sets=sets, problem=together.problem, size=together.size, strategy=strategy,
            keeper=keeper, watch=watch,
        )  # fmt: skip
    except Exception as error:
        interruption.check()  # what Ctrl-C breaks did not fail
        if not (ends or isinstance(error, _AllFailed)):
            raise
        for number, recorder in enumerate(recorders):
            ends.setdefault(number, recorder.error or error)
    except KeyboardInterrupt:
        if (
            len(runs) == 1
            and runs[0].folder == folder
            and runs[0].config.logging.progress != "none"
        ):
            _say_where_it_goes_on(folder, keeper.saved_epochs)
        raise
    finally:
        keeper.close()
    return [ends[number] for number in range(len(runs))]


def _say_where_it_goes_on(folder: Path, epochs: Mapping[int, int]) -> None:
    for epoch in epochs.values():
        say(f"epoch {epoch} is kept; go on with hydra.run.dir={folder}")


def _circumstances(
    ended: "Ended", outcome: "Outcome", training: float, compiling: float
) -> dict[str, Any]:
    from snnjax.population import device_description

    until_best = outcome.best_epoch / max(1, outcome.epochs)  # all epochs take the same
    return {
        "seconds": round(training + compiling, 3),
        "training_seconds": round(training, 3),
        "seconds_to_best": round(training * until_best, 3),
        "compile_seconds": round(ended.compile_seconds, 3),
        "strategy": {**ended.strategy, "population_seconds": round(ended.seconds, 3)},
        "device": device_description(),
    }


def _introduce(config: Config, data: Dataset) -> None:
    """Say on the console what is going to be trained on what."""
    from snnjax.shapes import problem_of
    from snnjax.step import parameter_count

    if config.logging.progress == "none":
        return
    parameters = parameter_count(split(config)[0], problem_of([data]))
    counts = {name: len(data.rows[name]) for name in SPLITS} | {"train": data.epoch_rows}
    rows = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    ends = {"classification": "classes", "regression": "outputs", "multilabel": "labels"}[data.task]
    model = config.model
    say(
        f"{data.name}: {rows} rows, {data.features.shape[1]:,} features, {data.outputs} {ends}; "
        f"{model.name}: depth {model.depth}, width {model.width} ({model.form}), "
        f"{parameters:,} parameters"
    )


def _objective(config: Config, metrics: Mapping[str, Mapping[str, float | None]]) -> float:
    watched = metrics.get("validation") or metrics.get("train") or {}
    value = watched.get(config.training.monitor)
    return math.nan if value is None else float(value)
