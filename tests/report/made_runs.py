"""Run folders made up for tests: what a run would leave behind, without training one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snnjax.config.schema import Config
from snnjax.config.split import to_dict

VERSIONS = {"snnjax": "0.1.0", "jax": "0.10.2", "code": "0123456789ab"}


def make_run(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    *,
    validation: float | None = None,
    test: float | None = None,
    metric: str = "accuracy",
    status: str = "done",
    best_epoch: int = 2,
    epochs: int = 4,
    curve: Sequence[float] = (),
    losses: Sequence[float] = (),
    rows: int = 100,
    versions: Mapping[str, str] = VERSIONS,
    **more: Any,
) -> Path:
    """Write the folder of a run and return it.

    Args:
        folder: Where.
        settings: What differs from the defaults, by dotted key; keys that no schema has too.
        validation: The metric on the validation rows.
        test: The metric on the test rows.
        metric: Which one, also the monitored one.
        status: How it ended; `left` for a run without a result.
        best_epoch: Of the result.
        epochs: Of the result.
        curve: The metric on the validation rows by epoch.
        losses: The training loss by epoch.
        rows: How many test rows there are.
        versions: Of the result.
        more: Goes into the result as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = to_dict(Config())
    for key, value in {"training.monitor": metric, **(settings or {})}.items():
        branch, names = config, key.split(".")
        for name in names[:-1]:
            branch = branch.setdefault(name, {})
        branch[names[-1]] = value
    (folder / "config.json").write_text(json.dumps(config))
    lines = [
        {"epoch": number + 1, "step": number + 1, "split": split, name: value}
        for split, name, values in (("train", "loss", losses), ("validation", metric, curve))
        for number, value in enumerate(values)
    ]
    lines.sort(key=lambda line: line["epoch"])
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if status != "left":
        splits = {"train": {"loss": 0.1}, "validation": {metric: validation}}
        splits |= {"test": {metric: test}}
        result = {
            "status": status, "fingerprint": "0" * 16, "metrics": splits,
            "best_epoch": best_epoch, "epochs": epochs, "seconds": 3.0, "training_seconds": 2.0,
            "device": {"platform": "cpu"}, "strategy": {"map": "map"}, "versions": dict(versions),
            "data": {"name": config["data"]["name"], "sha256": "ab" * 32, "train_rows": 2 * rows,
                     "validation_rows": rows, "test_rows": rows},
        }  # fmt: skip
        (folder / "result.json").write_text(json.dumps(result | more))
    return folder


def make_sweep(folder: Path) -> Path:
    """Make the folder of a sweep and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "multirun.yaml").write_text("{}\n")
    return folder
