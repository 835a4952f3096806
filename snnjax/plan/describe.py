"""What is printed of an estimate."""

from collections.abc import Iterator
from typing import Any

from snnjax.plan.estimate import Estimate, Memory

_UNITS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def describe(estimate: Estimate) -> str:
    """Return the lines that tell of an estimate."""
    pairs = [*_counts(estimate), *_work(estimate), *_time(estimate)]
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in pairs)


def facts(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate as plain values, for a file."""
    training, evaluation = estimate.flops
    folders, checkpoints = estimate.disk
    return {
        "runs": estimate.jobs.runs,
        "trials": estimate.jobs.trials,
        "invalid": dict(estimate.jobs.invalid),
        "networks": estimate.networks,
        "populations": len(estimate.populations),
        "compilations": dict(estimate.compilations),
        "flops": {"training": training, "evaluation": evaluation},
        "memory": {**vars(estimate.largest), "total": estimate.largest.total},
        "seconds": {
            "start": estimate.start_seconds,
            "training": estimate.training_seconds,
            "compiling": estimate.compile_seconds,
        },
        "hours": estimate.hours,
        "tasks": [task.__dict__ for task in estimate.tasks],
        "disk": {"folders": folders, "checkpoints": checkpoints},
        "machine": dict(estimate.rates.machine),
    }


def duration(seconds: float) -> str:
    """Return a time in the largest unit that suits it."""
    for size, name in ((86400 * 3, "days"), (3600 * 2, "hours"), (120, "minutes")):
        if seconds >= size:
            unit = {"days": 86400, "hours": 3600, "minutes": 60}[name]
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} seconds"


def _scaled(value: float, unit: str) -> str:
    for size, prefix in _UNITS:
        if value >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def _counts(estimate: Estimate) -> Iterator[tuple[str, str]]:
    jobs = estimate.jobs
    data = {
        (own.config.data.name, own.config.data.path) for g in estimate.groups for own in g.entries
    }
    sets = f"{len(data):,} data set{'s' * (len(data) != 1)}"
    yield "runs", f"{jobs.runs:,} of {jobs.trials:,} trials on {sets}"
    for mistake, count in jobs.invalid.items():
        yield "left out", f"{count:,}: {mistake.splitlines()[0]}"
    compiled = ", ".join(f"{count:,} {what}" for what, count in estimate.compilations.items())
    yield "programs", f"{estimate.networks:,} networks, {len(estimate.populations):,} populations"
    yield "compilations", f"{estimate.compilations.total():,} ({compiled})"


def _work(estimate: Estimate) -> Iterator[tuple[str, str]]:
    training, evaluation = estimate.flops
    yield (
        "arithmetic",
        (
            f"{_scaled(training + evaluation, 'FLOP')}: {_scaled(training, 'FLOP')} training, "
            f"{_scaled(evaluation, 'FLOP')} evaluation"
        ),
    )
    yield "memory", f"{_memory(estimate.largest)} of the largest population"
    folders, checkpoints = estimate.disk
    yield (
        "disk",
        (
            f"{_scaled(folders, 'B')} of run folders, up to {_scaled(checkpoints, 'B')} of "
            "checkpoints while they are trained"
        ),
    )


def _memory(memory: Memory) -> str:
    parts = ((name, getattr(memory, name)) for name in vars(memory))
    told = ", ".join(f"{name} {_scaled(size, 'B')}" for name, size in parts if size)
    return f"{_scaled(memory.total, 'B')} ({told})"


def _time(estimate: Estimate) -> Iterator[tuple[str, str]]:
    place, machine = estimate.place, estimate.rates.machine
    alone = "one accelerator" if place.gpus else "one core"
    yield (
        f"on {alone}",
        (
            f"{duration(estimate.serial_seconds)}: {duration(estimate.training_seconds)} training, "
            f"{duration(estimate.compile_seconds)} compiling, {duration(estimate.start_seconds)} "
            "until the first run"
        ),
    )
    parts = f"{place.gpus} accelerators" if place.gpus else f"{place.cores} cores"
    times = [task.seconds for task in estimate.tasks]
    nodes = f"{place.nodes} node{'s' * (place.nodes != 1)}"
    yield f"on {nodes} of {parts}", duration(3600 * estimate.hours)
    if len(times) > 1:
        stages = f" in {len(estimate.stages)} stages" if len(estimate.stages) > 1 else ""
        longest, shortest = duration(max(times)), duration(min(times))
        yield "tasks", f"{len(times)}{stages}, the longest {longest}, the shortest {shortest}"
    source = machine.get("from") or f"calibrated {machine.get('date', '')}".strip()
    yield "measured on", f"{machine.get('kind') or machine['platform']}, {source}"
