"""Run folders with diagnostics, made by a small network in NumPy that is trained by descent."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

BINS = 100
CURVES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float)),
    "selu": (
        lambda x: 1.0507 * np.where(x > 0, x, 1.67326 * np.expm1(np.minimum(x, 0))),
        lambda x: 1.0507 * np.where(x > 0, 1.0, 1.67326 * np.exp(np.minimum(x, 0))),
    ),
}
SPREADS: dict[str, Callable[[int, int], float]] = {
    "uniform": lambda i, o: 1 / (3 * i),
    "glorot_uniform": lambda i, o: 2 / (i + o),
    "lecun_normal": lambda i, o: 1 / i,
    "he_normal": lambda i, o: 2 / i,
    "normal": lambda i, o: 1.0,
}


def make_run(
    folder: Path,
    *,
    activation: str = "tanh",
    init: str = "glorot_uniform",
    depth: int = 5,
    width: int = 16,
    seed: int = 0,
    looks: tuple[float, ...] = (0, 1, 2, 3),
    rate: float = 0.1,
    leave_out: tuple[str, ...] = (),
    broken: str = "",
    result: bool = True,
) -> Path:
    """Train a network and write its folder; `broken` names an array that gets a NaN and inf."""
    record = train(activation, init, depth, width, seed, looks, rate)
    for key in broken.split():
        record[key].flat[-1], record[key].flat[0] = np.nan, np.inf
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / "diagnostics.npz",
        **{key: value for key, value in record.items() if not key.startswith(leave_out or ("!",))},
    )
    model = {"name": "mlp", "depth": depth, "width": width, "activation": activation, "init": init}
    config = {
        "seed": seed,
        "data": {"name": "sklearn_digits", "root": str(folder)},
        "model": {**model, "dropout": 0.0},
        "optimizer": {"name": "sgd", "learning_rate": rate},
        "logging": {"every": 1},
    }
    (folder / "config.json").write_text(json.dumps(config))
    lines = []
    for epoch, loss in enumerate(np.geomspace(2.3, 0.4 + 0.02 * seed, 8), 1):
        gap = 0.03 * max(epoch - 5, 0)
        for split, value in (("train", loss), ("validation", loss + 0.1 + gap)):
            line = {"epoch": epoch, "step": 10 * epoch, "split": split, "loss": value}
            lines.append(json.dumps({**line, "accuracy": float(np.exp(-value))}))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    if result:
        text = json.dumps({"status": "done", "best_epoch": 5 + seed % 2})
        (folder / "result.json").write_text(text)
    return folder


def train(
    activation: str, init: str, depth: int, width: int, seed: int, looks: tuple[float, ...],
    rate: float, classes: int = 4, rows: int = 60,
) -> dict[str, Any]:  # fmt: skip
    """Return what diagnostics.npz holds, of 20 steps per epoch on rows of random numbers."""
    random = np.random.default_rng(seed)
    sizes = [width, *[width] * depth, classes]
    kernels = [
        random.normal(size=(i, o)) * np.sqrt(SPREADS[init](i, o)) for i, o in pairwise(sizes)
    ]
    x = random.normal(size=(rows, width))
    targets = np.eye(classes)[(x @ random.normal(size=(width, classes))).argmax(1)]
    record: dict[str, list[Any]] = {}
    step, dead = 0, np.zeros((depth, width), bool)
    for epoch in looks:
        while step < round(20 * epoch):
            _, _, gradients, _ = descend(x, targets, kernels, activation)
            kernels = [w - rate * g for w, g in zip(kernels, gradients, strict=True)]
            step += 1
        dead = look(record, x, targets, kernels, activation, rate, dead)
        record.setdefault("epoch", []).append(float(epoch))
        record.setdefault("step", []).append(step)
    arrays = {key: np.array(value) for key, value in record.items()}
    labels = [str(n + 1) for n in range(depth)]
    fixed = {"selu": (0.0, 1.0)}.get(activation, (np.nan, np.nan))
    return {
        **arrays,
        "layers": np.array(labels),
        "kernels": np.array([*labels, "output"]),
        "fixed_mean": np.array(fixed[0]),
        "fixed_variance": np.array(fixed[1]),
    }


def descend(x: Any, targets: Any, kernels: Any, activation: str) -> tuple[Any, Any, Any, Any]:
    """Return pre-activations, activations, gradients of kernels, of each row's loss by layer."""
    function, slope = CURVES[activation]
    before, after = [], [x]
    for kernel in kernels[:-1]:
        before.append(after[-1] @ kernel)
        after.append(function(before[-1]))
    logits = after[-1] @ kernels[-1]
    shares = np.exp(logits - logits.max(1, keepdims=True))
    error = shares / shares.sum(1, keepdims=True) - targets
    gradients, back = [after[-1].T @ error / len(x)], []
    for place in range(len(before) - 1, -1, -1):
        back.append(error @ kernels[place + 1].T)
        error = back[-1] * slope(before[place])
        gradients.append(after[place].T @ error / len(x))
    return before, after[1:], gradients[::-1], back[::-1]


def look(
    record: dict[str, list[Any]], x: Any, targets: Any, kernels: Any, activation: str,
    rate: float, dead_before: Any,
) -> Any:  # fmt: skip
    """Append what is measured; return which units are dead."""
    slope = CURVES[activation][1]
    before, after, gradients, back = descend(x, targets, kernels, activation)
    for name, values in (
        *(("activation", after), ("preactivation", before), ("activation_gradient", back)),
        *(("weight", kernels), ("weight_gradient", gradients)),
    ):
        counts = [np.histogram(v, BINS) for v in values]
        for key, found in {
            "mean": [v.mean() for v in values],
            "variance": [v.var() for v in values],
            "p98": [np.percentile(v, 98) for v in values],
            "histogram": [c.astype(np.uint32) for c, _ in counts],
            "edges": [(e[0], e[-1]) for _, e in counts],
        }.items():
            record.setdefault(f"{name}_{key}", []).append(found)
    dead = np.array([(np.abs(slope(v)) < 1e-6).all(0) for v in before])
    norms = np.array([np.linalg.norm(w) for w in kernels])
    moved = np.array([np.linalg.norm(g) for g in gradients])
    spectra, whole = [], np.eye(x.shape[1])
    for kernel, values in zip(kernels, before, strict=False):
        jacobian = slope(values[0])[:, None] * kernel.T
        spectra.append(spread(jacobian))
        whole = jacobian @ whole
    for key, found in {
        "saturated": [(np.abs(slope(v)) < 0.1).mean() for v in before],
        "dead": dead.mean(1),
        "revived": (dead_before & ~dead).mean(1),
        "weight_norm": norms,
        "gradient_norm": moved,
        "update_norm": rate * moved,
        "layer_singular": spectra,
        "whole_singular": spread(kernels[-1].T @ whole),
        "predicted_mean": [0.9 * v.mean() for v in after],
        "predicted_variance": [0.9 * v.var() for v in after],
    }.items():
        record.setdefault(key, []).append(found)
    return dead


def spread(jacobian: Any) -> list[float]:
    values = np.linalg.svd(jacobian, compute_uv=False)
    return [values.min(), values.mean(), values.max()]
