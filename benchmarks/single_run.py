"""One SELU network trained here and in PyTorch eager, on the same core, in turns.

    python benchmarks/single_run.py --out benchmarks/results/single_run.json

Both train on the same rows in memory with the same batch size, plain SGD and alpha dropout 0.05;
PyTorch takes its usual best eager form (index_select from tensors in memory, fused optimizer).
A turn is a number of whole epochs, the two libraries alternate, and what counts is the process's
CPU time on one pinned core, so that a busy neighbour does not decide. Needs the `oracles` extra.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from machine import cpu_name, peak_gflops, spread, versions

CORE = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


@dataclass(frozen=True)
class Case:
    """A data set of the UCI collection and a network."""

    data: str
    depth: int
    width: int
    batch_size: int = 128
    dropout: float = 0.05
    precision: str = "float32"
    target: float | None = None

    @property
    def name(self) -> str:
        return f"{self.data} d{self.depth} w{self.width}"


CASES = (
    Case("abalone", 8, 256, target=1.5),
    Case("letter", 8, 256, target=1.5),
    Case("abalone", 20, 100, target=2.2),
    Case("letter", 20, 100, target=2.2),
    Case("abalone", 8, 32, target=4.0),
    Case("letter", 8, 32, target=4.0),
)


def load(case: Case):
    """Load a set with all its rows for training."""
    import numpy as np

    from snnjax.config.schema import DataConfig
    from snnjax.data.load import load

    data = load(DataConfig(name=case.data, standardize="none"))
    rows = np.sort(np.concatenate(list(data.rows.values())))
    empty = rows[:0]
    return replace(data, rows={"train": rows, "validation": empty, "test": empty})


def prepare_snnjax(case: Case, data) -> tuple[Callable[[int], None], float]:
    """Return a function that trains some epochs, and the seconds it took to compile."""
    from snnjax.config.schema import ModelConfig

    model = ModelConfig(depth=case.depth, width=case.width, dropout=case.dropout)
    return prepare_model(model, data, case.batch_size, case.precision)


def prepare_model(
    model, data, batch_size: int, precision: str = "float32"
) -> tuple[Callable[[int], None], float]:
    """Return what `prepare_snnjax` does, for any model."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from snnjax.arrays import lay_out
    from snnjax.config.optimization import SgdConfig
    from snnjax.config.schema import Config, TrainingConfig
    from snnjax.config.split import split
    from snnjax.programs import prepare
    from snnjax.strategy import Strategy

    program, member = split(
        Config(
            model=model,
            optimizer=SgdConfig(learning_rate=0.01),
            training=TrainingConfig(epochs=10**6, batch_size=batch_size, precision=precision),
        )
    )
    layout = lay_out(data)
    seats = jax.tree.map(
        lambda leaf: jnp.asarray(np.asarray(leaf)[None]), (member, layout.views[0])
    )
    problem = layout.problem
    programs = prepare(program, problem, problem, Strategy(), seats, layout.table)
    carried = {"state": programs.start(seats, layout.table), "epoch": 0}

    def train(epochs: int) -> None:
        end = carried["epoch"] + epochs
        while carried["epoch"] < end:
            carried["epoch"] = min(end, carried["epoch"] + programs.length)
            until = jnp.int32(carried["epoch"])
            carried["state"], news = programs.advance(seats, carried["state"], layout.table, until)
            jax.device_get(news)

    return train, programs.seconds


def prepare_torch(case: Case, data) -> Callable[[int], None]:
    """Return a function that trains some epochs of the same network."""
    import torch

    layers: list[torch.nn.Module] = []
    widths = [data.features.shape[1], *[case.width] * case.depth]
    for fan_in, fan_out in pairwise(widths):
        linear = torch.nn.Linear(fan_in, fan_out)
        torch.nn.init.normal_(linear.weight, std=fan_in**-0.5)
        torch.nn.init.zeros_(linear.bias)
        layers += [linear, torch.nn.SELU(), torch.nn.AlphaDropout(case.dropout)]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(case.width, data.outputs))
    return prepare_torch_model(model, data, case.batch_size)


def prepare_torch_model(model, data, batch_size: int, device: str = "cpu") -> Callable[[int], None]:
    """Return what `prepare_torch` does, for any model; `device` is one of PyTorch's."""
    import torch

    torch.set_num_threads(1)
    model = model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
    features = torch.from_numpy(data.features[data.rows["train"]]).to(device)
    targets = torch.from_numpy(data.targets[data.rows["train"]]).long().to(device)

    def train(epochs: int) -> None:
        model.train()
        for _ in range(epochs):
            total = torch.zeros((), device=device)
            for rows in torch.randperm(len(features), device=device).split(batch_size):
                optimizer.zero_grad(set_to_none=True)
                logits = model(features.index_select(0, rows))
                loss = torch.nn.functional.cross_entropy(logits, targets.index_select(0, rows))
                loss.backward()
                optimizer.step()
                total += loss.detach()
            total.item()

    return train


def samples_per_second(train: Callable[[int], None], epochs: int, rows: int) -> float:
    """Time some epochs in CPU seconds of this process."""
    began = time.process_time()
    train(epochs)
    return epochs * rows / (time.process_time() - began)


def measure(case: Case, turns: int, seconds: float) -> dict:
    """Let the two libraries alternate on one case."""
    data = load(case)
    rows = len(data.rows["train"])
    ours, compile_seconds = prepare_snnjax(case, data)
    theirs = prepare_torch(case, data)
    # One turn to warm up, which also says how many epochs a turn of about `seconds` has.
    epochs = {}
    for name, train in (("snnjax", ours), ("torch", theirs)):
        train(1)
        speed = samples_per_second(train, 1, rows)
        epochs[name] = min(64, max(1, round(seconds * speed / rows)))
    speeds: dict[str, list[float]] = {"snnjax": [], "torch": []}
    for _ in range(turns):
        speeds["snnjax"].append(samples_per_second(ours, epochs["snnjax"], rows))
        speeds["torch"].append(samples_per_second(theirs, epochs["torch"], rows))
    ratios = [a / b for a, b in zip(speeds["snnjax"], speeds["torch"], strict=True)]
    widths = [data.features.shape[1], *[case.width] * case.depth, data.outputs]
    flops = 6 * sum(fan_in * fan_out for fan_in, fan_out in pairwise(widths))
    return {
        "case": case.name,
        "turns": turns,
        "epochs_per_turn": epochs,
        "samples_per_second": {name: spread(values) for name, values in speeds.items()},
        "ratio": spread(ratios),
        "ratio_wanted": case.target,
        "gflops": round(statistics.median(speeds["snnjax"]) * flops / 1e9, 1),
        "compile_seconds": round(compile_seconds, 2),
    }


def describe() -> dict:
    return {
        "cpu": cpu_name(),
        "cores_used": 1,
        "core_peak_gflops": peak_gflops(cores=1),
        **versions(),
        "date": time.strftime("%Y-%m-%d"),
    }


def measure_all(
    description: str,
    cases: Sequence[Case],
    measure: Callable[[Case, int, float], dict],
    line_of: Callable[[Case, dict], str],
    seconds: float,
) -> None:
    """Measure what the command line asks for on one core; print a line per case, keep what is done.

    Args:
        description: For the help page.
        cases: All there are.
        measure: Given a case, the turns and the seconds of one.
        line_of: What is printed of a result.
        seconds: Of a turn, by default.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=seconds, help="length of a turn")
    parser.add_argument("--cases", default="", help="only cases whose name contains this")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()

    os.sched_setaffinity(0, {CORE})  # before JAX and PyTorch make their threads
    report = {"machine": describe(), "cases": []}
    print(json.dumps(report["machine"]))
    for case in cases:
        if arguments.cases not in case.name:
            continue
        result = measure(case, arguments.turns, arguments.seconds)
        report["cases"].append(result)
        print(line_of(case, result), flush=True)
        if arguments.out:
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(report, indent=1) + "\n")


def line_of(case: Case, result: dict) -> str:
    ours, theirs = (result["samples_per_second"][name]["median"] for name in ("snnjax", "torch"))
    return (
        f"{case.name:18} snnjax {ours / 1e3:7.1f}k  torch {theirs / 1e3:7.1f}k samples/s  "
        f"ratio {result['ratio']['median']:.2f} "
        f"({result['ratio']['min']:.2f} to {result['ratio']['max']:.2f}), "
        f"wanted {case.target}  compile {result['compile_seconds']} s"
    )


if __name__ == "__main__":
    measure_all(__doc__.splitlines()[0], CASES, measure, line_of, seconds=3.0)
