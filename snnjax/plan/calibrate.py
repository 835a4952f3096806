"""Measures what a machine takes for the work that is counted: small networks, small sweeps.

On a CPU the process's own time counts, so that neighbours do not decide; on an accelerator the
time that passes.
"""

import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from snnjax.arrays import lay_out
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.data.dataset import Dataset
from snnjax.plan.folders import with_folders
from snnjax.plan.networks import network_of
from snnjax.plan.rates import COMPILED, Rates, fit, line
from snnjax.plan.work import total, work_of
from snnjax.programs import Programs, compile_advance, prepare
from snnjax.strategy import choose, core_count, deal_out, memory_limit, share

_FEATURES, _CLASSES = 32, 10
_ACCELERATED_MEMBERS = 64
_SECONDS, _REPEATS = 0.4, 3  # of one measurement, which is the fastest of so many
_MOST_EPOCHS = 10**6


class Case(NamedTuple):
    """A network that is timed: layers, units, rows of a batch and of an epoch."""

    depth: int
    width: int
    batch: int
    rows: int


CASES = (
    Case(4, 8, 32, 2048),
    Case(4, 32, 32, 2048),
    Case(4, 32, 256, 2048),
    Case(4, 32, 32, 64),
    Case(16, 32, 32, 1024),
    Case(4, 128, 32, 2048),
    Case(4, 128, 256, 2048),
    Case(4, 256, 32, 512),
    Case(3, 512, 32, 512),
    Case(3, 512, 256, 1024),
    Case(2, 1024, 32, 256),
    Case(2, 1024, 256, 512),
)


# Those that tell how long compiling takes, few layers and many.
_COMPILED_TWICE = (CASES[1], CASES[4])


class _Timed(NamedTuple):
    """What was measured of a case; the seconds of compiling by what a program does."""

    amounts: Any
    seconds: float
    layers: int
    compiling: dict[str, float]


def calibrate(say: Callable[[str], None] = lambda line: None) -> Rates:
    """Measure this machine; takes one to two minutes.

    Args:
        say: Told what is being measured.
    """
    jax.config.update("jax_enable_compilation_cache", False)
    timed = []
    for number, case in enumerate(CASES, 1):
        say(f"{number} of {len(CASES)}: depth {case.depth}, width {case.width}, "
            f"batches of {case.batch}")  # fmt: skip
        timed.append(_time(case))
    amounts, seconds = zip(*((own.amounts, own.seconds) for own in timed), strict=True)
    compiling = {
        what: line([(own.layers, own.compiling[what]) for own in timed if own.compiling])
        for what in COMPILED
    }
    rates = Rates(
        seconds=fit(np.stack(amounts), np.array(seconds)),
        compiling=compiling,
        machine=describe_machine(),
    )
    say("run folders: four sweeps of the smallest networks")
    return with_folders(rates)


def describe_machine() -> dict[str, Any]:
    """Describe what JAX computes on here."""
    device = jax.local_devices()[0]
    return {
        "platform": jax.default_backend(),
        "kind": _processor() if jax.default_backend() == "cpu" else device.device_kind,
        "cores": core_count(),
        "memory": memory_limit(),
        "lanes": choose(2**20).lanes,
        "versions": {name: version(name) for name in ("snnjax", "jax")},
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for text in cpuinfo.read_text().splitlines():
            if text.startswith("model name"):
                return text.split(":", 1)[1].strip()
    return platform.processor()


def _clock() -> float:
    return time.process_time() if jax.default_backend() == "cpu" else time.perf_counter()


def _time(case: Case) -> _Timed:
    """Compile and time one case."""
    data, config = _data(case), _config(case)
    program, member = split(config)
    layout = lay_out(data)
    members = 1 if jax.default_backend() == "cpu" else _ACCELERATED_MEMBERS
    strategy = choose(members)
    seats = jax.tree.map(lambda *leaves: np.stack(leaves), *[(member, layout.views[0])] * members)
    seats, table = deal_out(strategy, seats), share(strategy, layout.table)
    problem = layout.problem
    began = _clock()
    programs = prepare(program, problem, problem, strategy, seats, table)
    together = _clock() - began
    state = programs.start(seats, table)
    compiling = {}
    if case in _COMPILED_TWICE:
        began = _clock()
        length = programs.length + 1  # its own, so that it is compiled anew
        compile_advance(program, problem, strategy, length, seats, state, table).result()
        advance = min(_clock() - began, together)
        compiling = dict.fromkeys(("start", "score"), (together - advance) / 2)
        compiling["advance"] = advance
    epochs, seconds = _fastest(programs, seats, state, table)
    work = work_of(program, problem, data, epochs, scored=False)
    return _Timed(
        total([(work, members)], strategy.lanes),
        seconds,
        network_of(program, problem).layers,
        compiling,
    )


def _fastest(programs: Programs, seats: Any, state: Any, table: Any) -> tuple[int, float]:
    """Return how many epochs were timed, and the shortest time that they took."""
    at, length = 0, programs.length

    def advance(epochs: int) -> float:
        nonlocal at, state
        began, until = _clock(), at + epochs
        while at < until:
            at = min(at + length, until)
            state, _ = programs.advance(seats, state, table, np.int32(at))
        jax.block_until_ready(state)
        return _clock() - began

    advance(1)
    epochs = max(1, round(_SECONDS / max(advance(2) / 2, 1e-6)))
    return epochs, max(min(advance(epochs) for _ in range(_REPEATS)), 1e-6)


def _config(case: Case) -> Config:
    model = ModelConfig(depth=case.depth, width=case.width, dropout=0.05)
    return Config(model=model, training=TrainingConfig(epochs=_MOST_EPOCHS, batch_size=case.batch))


def _data(case: Case) -> Dataset:
    """Make a data set of noise, a quarter of its rows for validation."""
    draw = np.random.default_rng(0)
    rows = case.rows + case.rows // 4
    places = np.arange(rows, dtype=np.int32)
    ones, none = np.ones(_FEATURES, np.float32), np.zeros(0, np.int32)
    return Dataset(
        name="noise",
        task="classification",
        features=draw.normal(size=(rows, _FEATURES)).astype(np.float32),
        targets=draw.integers(_CLASSES, size=rows, dtype=np.int32),
        outputs=_CLASSES,
        rows={"train": places[: case.rows], "validation": places[case.rows :], "test": none},
        shift=0 * ones,
        scale=ones,
        target_shift=np.zeros(_CLASSES),
        target_scale=np.ones(_CLASSES),
        sha256="",
    )
