"""Every network trained here and in PyTorch eager at equal size, and what alpha dropout costs.

    python benchmarks/models.py --out benchmarks/results/models.json
    python benchmarks/models.py --device gpu --out benchmarks/results/models_gpu.json
    python benchmarks/models.py --show --out benchmarks/results/models.json   # only the table

Weights are copied, rows lie in memory, both take plain SGD and batches of 128; `contestants` take
turns of whole epochs. On a CPU what counts is the process's CPU time on one pinned core, on an
accelerator wall time. Networks are those of `conf/model`; CNNs are trained on random images of
MNIST's size, all others on letter. Results are kept after every turn: started again with the
same --out, the benchmark goes on where it stopped. Needs the `oracles` extra.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import single_run
from contestants import Contestant, Measured
from equality import PRESETS, preset
from machine import cpu_name, describe, peak_gflops, spread, versions
from records import Records, take_turns
from tables import markdown

BATCH_SIZE = 128
# Enough rows of MNIST's shape for an epoch of about a second on one core.
IMAGES = 2_560
OURS, THEIRS, WITHOUT = "snnjax", "torch", "snnjax without dropout"
TABLE = "models"


@dataclass(frozen=True)
class Case:
    """A model as `conf/model` has it, of some size."""

    model: str
    depth: int = 8
    width: int = 256

    @property
    def name(self) -> str:
        return self.model if self.is_images else f"{self.model} d{self.depth} w{self.width}"

    @property
    def is_images(self) -> bool:
        return self.model.startswith("cnn")

    @property
    def tells_dropout(self) -> bool:
        """Whether the share of dropout in a step is measured as well."""
        return self.model == "snn" and self.width >= 256


CASES = (
    *(Case("snn", width=width) for width in (32, 256, 1024)),
    *map(Case, ("msra", "batchnorm", "layernorm", "weightnorm", "maxout", "highway", "resnet")),
    *map(Case, ("cnn", "cnn_relu")),
)


def present(case: Case) -> bool:
    """Tell whether there is such a model."""
    return (PRESETS / f"{case.model}.yaml").exists()


def config_of(case: Case) -> Any:
    size = {} if case.is_images else {"depth": case.depth, "width": case.width}
    return preset(case.model, **size)


def load(case: Case) -> Any:
    """Load letter with all rows for training, or make images of MNIST's shape."""
    import numpy as np

    letter = single_run.load(single_run.Case("letter", case.depth, case.width))
    if not case.is_images:
        return letter
    random = np.random.default_rng(0)
    rows = {"train": np.arange(IMAGES, dtype=np.int32)}
    return replace(
        letter,
        features=random.normal(size=(IMAGES, 28 * 28)).astype(np.float32),
        targets=random.integers(0, 10, IMAGES).astype(np.int32),
        outputs=10,
        rows=letter.rows | rows,
        shift=np.zeros(28 * 28, np.float32),
        scale=np.ones(28 * 28, np.float32),
        target_shift=np.zeros(10),
        target_scale=np.ones(10),
    )


def contestants_of(case: Case, seconds: float, device: str) -> dict[str, Contestant]:
    """Return who takes turns in a case; each prepares itself when it is asked first."""
    data = cache(partial(load, case))
    config = config_of(case)

    def here(model: Any) -> Callable[[int], None]:
        return single_run.prepare_model(model, data(), BATCH_SIZE)[0]

    def in_torch() -> Callable[[int], None]:
        model = torch_twin(config, data())
        where = "cpu" if device == "cpu" else "cuda"
        return single_run.prepare_torch_model(model, data(), BATCH_SIZE, where)

    ways: dict[str, Callable[[], Callable[[int], None]]] = {OURS: partial(here, config)}
    if case.tells_dropout:
        ways[WITHOUT] = partial(here, replace(config, dropout=0.0))
    ways[THEIRS] = in_torch
    rows = IMAGES if case.is_images else len(data().rows["train"])
    clock = time.process_time if device == "cpu" else time.perf_counter
    return {who: contestant(prepare, rows, seconds, clock) for who, prepare in ways.items()}


def torch_twin(config: Any, data: Any) -> Any:
    """Build the same network in PyTorch, with weights that ours could have begun with."""
    import numpy as np
    from torch_models import copy_weights, make_network

    from snnjax.config.optimization import SgdConfig
    from snnjax.config.schema import TrainingConfig
    from snnjax.config.split import Program
    from snnjax.shapes import Problem
    from snnjax.step import init_state

    features, outputs = data.features.shape[1], data.outputs
    program = Program(config, SgdConfig(), TrainingConfig())
    problem = Problem("classification", features, outputs)
    network = init_state(program, problem, {"seed": np.uint32(0)}).network
    return copy_weights(network, make_network(config, features, outputs))


def contestant(
    prepare: Callable[[], Callable[[int], None]],
    rows: int,
    seconds: float,
    clock: Callable[[], float],
) -> Contestant:
    """Return one that trains for about so many seconds at every turn."""

    @cache
    def ready() -> tuple[Callable[[int], None], int]:
        train = prepare()
        train(1)  # to warm up; the next one tells how many epochs a turn has
        began = clock()
        train(1)
        return train, max(1, round(seconds / (clock() - began)))

    def run(kept: Path) -> Measured:
        train, epochs = ready()
        began = clock()
        train(epochs)
        taken = clock() - began
        return {"seconds": round(taken, 3), "samples_per_second": round(epochs * rows / taken)}

    return run


def table_of(rows: Mapping[str, Any]) -> str:
    """Return medians, the ratios turn by turn, and what dropout costs."""
    head = (
        "model",
        "snnjax, samples/s",
        "PyTorch, samples/s",
        "ratio",
        "dropout's share of a step",
    )
    body = []
    for name, row in rows.items():
        speeds = {
            who: [one["samples_per_second"] for one in taken]
            for who, taken in row["measured"].items()
        }
        ours, theirs = speeds.get(OURS, []), speeds.get(THEIRS, [])
        ratios = [a / b for a, b in zip(ours, theirs, strict=False)]
        shares = [1 - a / b for a, b in zip(ours, speeds.get(WITHOUT, []), strict=False)]
        medians = [f"{spread(some)['median']:,.0f}" if some else "" for some in (ours, theirs)]
        body.append([name, *medians, _spread_text(ratios, ".2f"), _spread_text(shares, ".1%")])
    return markdown(head, body)


def _spread_text(values: list[float], form: str) -> str:
    if not values:
        return ""
    low, median, high = (spread(values, 6)[name] for name in ("min", "median", "max"))
    return f"{median:{form}} ({low:{form}} to {high:{form}})"


def machine_of(device: str) -> dict[str, Any]:
    """Describe what is measured on: one core, or an accelerator."""
    if device != "cpu":
        return describe(device)
    return {
        "cpu": cpu_name(),
        "cores": 1,
        "device": device,
        "versions": versions(),
        "date": time.strftime("%Y-%m-%d"),
        "peak_gflops": peak_gflops(1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn")
    parser.add_argument("--cases", default="", help="only cases whose name contains this")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--show", action="store_true", help="only print what --out holds")
    parser.add_argument("--out", type=Path, required=True, help="JSON file, continued if it exists")
    arguments = parser.parse_args()
    if arguments.show:
        if not arguments.out.exists():
            sys.exit(f"--out {arguments.out}: no such file, nothing was measured yet")
        print(table_of(json.loads(arguments.out.read_text())["tables"][TABLE]))
        return 0
    if arguments.device == "cpu":  # before JAX and PyTorch make their threads
        os.sched_setaffinity(0, {single_run.CORE})
        os.environ["JAX_PLATFORMS"] = "cpu"
    else:  # two libraries share the accelerator
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    records = Records(arguments.out, machine_of(arguments.device))
    for case in CASES:
        if arguments.cases not in case.name or not present(case):
            continue
        facts = {"batch_size": BATCH_SIZE, "data": "images" if case.is_images else "letter"}
        who = contestants_of(case, arguments.seconds, arguments.device)
        take_turns(records, TABLE, case.name, facts, who, arguments.turns, arguments.out.parent)
    print("\n" + table_of(records.rows(TABLE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
