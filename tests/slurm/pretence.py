"""A stand-in for Slurm: what is submitted is trained at once, or lost."""

import json
from collections.abc import Sequence
from pathlib import Path

from conftest import QUIET

from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.experiment import Means, Run
from snnjax.slurm import submission
from snnjax.slurm.launch import train_by_slurm
from snnjax.slurm.settings import Settings
from snnjax.slurm.submission import Submission
from snnjax.sweep import run_sweep


def make_runs(folder: Path, count: int = 4) -> list[Run]:
    configs = [
        Config(
            seed=seed,
            data=DataConfig(name="sklearn_wine"),
            model=ModelConfig(depth=2, width=8),
            training=TrainingConfig(epochs=2, batch_size=64),
            logging=QUIET,
        )
        for seed in range(count)
    ]
    return [Run(config, folder / str(number)) for number, config in enumerate(configs)]


class Pretence:
    """Slurm that trains what is submitted at once, but for the tasks that are to be lost."""

    def __init__(self, folder: Path, lost: Sequence[int] = (), alive: bool = False) -> None:
        self.folder, self.lost, self.alive = folder, lost, alive
        self.arrays: list[list[tuple[int, ...]]] = []

    def submit(self, runs, parts, sweep, means, settings) -> Submission:
        array = len(self.arrays) + 1
        self.arrays.append([*parts])
        jobs = [f"{array}_{task}" for task in range(len(parts))]
        names = [[submission.name_of(runs[n], sweep) for n in part] for part in parts]
        for task, part in enumerate(parts):
            if task not in self.lost:
                run_sweep(runs, sweep, means, part)
        done = Submission(jobs, names)
        (sweep / "slurm").mkdir(exist_ok=True, parents=True)
        with (sweep / "slurm" / "submitted.jsonl").open("a") as file:
            file.write(json.dumps({"jobs": jobs, "runs": names}) + "\n")
        return done

    def in_queue(self, jobs) -> set[str]:
        return {job for job in jobs if self.alive and int(job.partition("_")[2]) in self.lost}


def train(runs, folder, **settings):
    return train_by_slurm(runs, folder, Means(), Settings(tasks=2, **settings))
