"""One sweep of SELU networks in PyTorch, the peer of `sweep.py`, in several forms.

    python benchmarks/torch_sweep.py SPECIFICATION.json

The specification holds the fields of `Specification`. Every form trains the same networks on the
same rows, evaluates the validation rows after every epoch, and is given what makes it fast: rows in
memory, gradients set to None, nothing read back to the host within an epoch.

- `eager`: one trial after another, the whole epoch shuffled at once, fused optimizer.
- `eager_dataloader`: one trial after another as most scripts do, with a DataLoader.
- `processes`: `eager` in one process per core, each with its share of the trials.
- `compile`: one trial after another through torch.compile, one network drawn anew for every trial
  so that it is compiled once.
- `vmap`: trials side by side as stacked parameters, through torch.func.
"""

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module, Sequential
    from torch.optim import Optimizer


@dataclass(frozen=True)
class Specification:
    """A sweep and how to train it.

    Attributes:
        form: One of the forms above.
        rows: A npz file with `features`, `targets`, `validation_features`, `validation_targets`.
        outputs: Number of classes.
        seeds: Of every trial.
        learning_rates: Of every trial.
        report: The JSON file to write.
        threads: Of PyTorch, within an operation.
    """

    form: str
    rows: str
    outputs: int
    depth: int
    width: int
    dropout: float
    epochs: int
    batch_size: int
    seeds: Sequence[int]
    learning_rates: Sequence[float]
    report: str
    threads: int


@dataclass(frozen=True)
class Rows:
    """Training and validation rows as tensors."""

    features: "Tensor"
    targets: "Tensor"
    validation_features: "Tensor"
    validation_targets: "Tensor"


Evaluation = tuple[float, float]  # mean loss, accuracy
Curve = list[Evaluation]  # one per epoch


def load_rows(path: str) -> Rows:
    import numpy as np
    import torch

    with np.load(path) as arrays:
        return Rows(**{name: torch.from_numpy(arrays[name]) for name in arrays.files})


def make_network(specification: Specification, features: int) -> "Sequential":
    """Build the network; its weights are drawn by `draw_weights`."""
    from torch import nn

    layers: list[nn.Module] = []
    widths = [features, *[specification.width] * specification.depth]
    for fan_in, fan_out in pairwise(widths):
        layers += [
            nn.Linear(fan_in, fan_out),
            nn.SELU(inplace=True),
            nn.AlphaDropout(specification.dropout),
        ]
    return nn.Sequential(*layers, nn.Linear(specification.width, specification.outputs))


def draw_weights(network: "Module", seed: int) -> None:
    """Draw N(0, 1 / fan_in) weights in place."""
    import torch

    torch.manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            torch.nn.init.zeros_(layer.bias)


def batches(rows: Rows, size: int) -> Iterator[tuple["Tensor", "Tensor"]]:
    """Yield one epoch in a new order, gathered at once: what is fastest for rows in memory."""
    import torch

    order = torch.randperm(len(rows.features))
    features, targets = rows.features.index_select(0, order), rows.targets.index_select(0, order)
    return zip(features.split(size), targets.split(size), strict=True)


def evaluate(network: "Module", rows: Rows) -> Evaluation:
    import torch

    network.eval()
    with torch.inference_mode():
        logits = network(rows.validation_features)
        loss = torch.nn.functional.cross_entropy(logits, rows.validation_targets)
        hits = (logits.argmax(1) == rows.validation_targets).float().mean()
    network.train()
    return loss.item(), hits.item()


def train_one(
    network: "Module",
    loss_of: Callable[["Tensor", "Tensor"], "Tensor"],
    optimizer: "Optimizer",
    epoch: Callable[[], Any],
    rows: Rows,
    epochs: int,
) -> Curve:
    """Train one network; `epoch` returns the batches of a new epoch."""
    curve = []
    for _ in range(epochs):
        for features, targets in epoch():
            optimizer.zero_grad(set_to_none=True)
            loss_of(features, targets).backward()
            optimizer.step()
        curve.append(evaluate(network, rows))
    return curve


def train_one_by_one(specification: Specification, rows: Rows) -> list[Curve]:
    """Train the forms `eager`, `eager_dataloader` and `compile`."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    size = specification.batch_size

    def in_memory() -> Any:
        return batches(rows, size)

    loader = DataLoader(TensorDataset(rows.features, rows.targets), size, shuffle=True)
    is_usual = specification.form == "eager_dataloader"
    network = make_network(specification, rows.features.shape[1])

    def loss_of(features: "Tensor", targets: "Tensor") -> "Tensor":
        return torch.nn.functional.cross_entropy(network(features), targets)

    # The last batch of an epoch is shorter: two fixed shapes are faster than a dynamic one.
    compiled = torch.compile(loss_of, dynamic=False)
    curves = []
    for seed, rate in zip(specification.seeds, specification.learning_rates, strict=True):
        draw_weights(network, seed)
        optimizer = torch.optim.SGD(network.parameters(), lr=rate, fused=not is_usual)
        step = compiled if specification.form == "compile" else loss_of
        epoch = loader.__iter__ if is_usual else in_memory
        curves.append(train_one(network, step, optimizer, epoch, rows, specification.epochs))
    return curves


def train_stacked(specification: Specification, rows: Rows) -> list[Curve]:
    """Train the form `vmap`, some trials at a time."""
    # What was fastest on server cores: more activations would leave their caches.
    together = 64 if specification.width <= 32 else 8
    curves: list[Curve] = []
    for start in range(0, len(specification.seeds), together):
        some = replace(
            specification,
            seeds=specification.seeds[start : start + together],
            learning_rates=specification.learning_rates[start : start + together],
        )
        curves += _train_stack(some, rows)
    return curves


def _train_stack(specification: Specification, rows: Rows) -> list[Curve]:
    import torch
    from torch.func import functional_call, grad, stack_module_state, vmap

    size, trials = specification.batch_size, len(specification.seeds)
    networks = []
    for seed in specification.seeds:
        network = make_network(specification, rows.features.shape[1])
        draw_weights(network, seed)
        networks.append(network)
    parameters, _ = stack_module_state(networks)
    parameters = {name: value.detach() for name, value in parameters.items()}
    training, scoring = networks[0], copy.deepcopy(networks[0]).eval()
    rates = {
        name: torch.tensor(specification.learning_rates).view(-1, *[1] * (value.ndim - 1))
        for name, value in parameters.items()
    }

    def loss_of(own: dict[str, Any], features: "Tensor", targets: "Tensor") -> "Tensor":
        return torch.nn.functional.cross_entropy(functional_call(training, own, features), targets)

    gradient = vmap(grad(loss_of), randomness="different")
    logits_of = vmap(
        lambda own: functional_call(scoring, own, rows.validation_features), randomness="error"
    )
    curves: list[Curve] = [[] for _ in range(trials)]
    for _ in range(specification.epochs):
        orders = torch.stack([torch.randperm(len(rows.features)) for _ in range(trials)])
        for order in orders.split(size, dim=1):
            flat = order.reshape(-1)
            features = rows.features.index_select(0, flat).view(trials, order.shape[1], -1)
            targets = rows.targets.index_select(0, flat).view(trials, -1)
            gradients = gradient(parameters, features, targets)
            for name, value in parameters.items():
                value.addcmul_(rates[name], gradients[name], value=-1)
        with torch.inference_mode():
            logits = logits_of(parameters)
            truth = rows.validation_targets.expand(trials, -1)
            losses = torch.nn.functional.cross_entropy(logits.mT, truth, reduction="none").mean(1)
            hits = (logits.argmax(2) == truth).float().mean(1)
        for curve, *evaluation in zip(curves, losses.tolist(), hits.tolist(), strict=True):
            curve.append((evaluation[0], evaluation[1]))
    return curves


def train_in_processes(specification: Specification) -> list[dict[str, Any]]:
    """Train the form `processes`: a pinned process per core; return their reports."""
    cores = sorted(os.sched_getaffinity(0))
    shares = []
    for number, core in enumerate(cores):
        share = replace(
            specification,
            form="eager",
            seeds=specification.seeds[number :: len(cores)],
            learning_rates=specification.learning_rates[number :: len(cores)],
            report=f"{specification.report}.{number}",
            threads=1,
        )
        if share.seeds:
            path = Path(f"{share.report}.specification")
            path.write_text(json.dumps(asdict(share)))
            command = [sys.executable, __file__, str(path), "--core", str(core)]
            shares.append((subprocess.Popen(command), share.report))
    codes = [process.wait() for process, _ in shares]
    if any(codes):
        sys.exit("a process of the sweep failed")
    return [json.loads(Path(report).read_text()) for _, report in shares]


def train_here(specification: Specification) -> dict[str, Any]:
    """Train in this process and return what there is to report."""
    import torch

    torch.set_num_threads(specification.threads)
    rows = load_rows(specification.rows)
    began = time.perf_counter()
    train = train_stacked if specification.form == "vmap" else train_one_by_one
    curves = train(specification, rows)
    return {"training_seconds": time.perf_counter() - began, "curves": curves}


def main() -> None:
    path, *pinned = sys.argv[1:]
    if pinned:  # before PyTorch makes its threads
        os.sched_setaffinity(0, {int(pinned[1])})
    specification = Specification(**json.loads(Path(path).read_text()))
    if specification.form == "processes":
        parts = train_in_processes(specification)
        report = {
            "training_seconds": sum(part["training_seconds"] for part in parts) / len(parts),
            "curves": [curve for part in parts for curve in part["curves"]],
        }
    else:
        report = train_here(specification)
    Path(specification.report).write_text(json.dumps(report))


if __name__ == "__main__":
    main()
