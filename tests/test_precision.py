"""`training.precision=bf16` from end to end: other numbers, the same quality."""

import json
from dataclasses import replace

import numpy as np
from conftest import QUIET
from scipy import stats

from snnjax import sweep
from snnjax.config.optimization import SgdConfig
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.experiment import Run

SEEDS = 8


def test_bf16_reaches_the_accuracy_of_float32_within_the_noise_of_seeds(tmp_path):
    """Eight seeds each; a paired t-test at 1e-3, and the means a standard deviation apart at most.

    Weights and results stay float32, so that losses differ by rounding: not equal, but close.
    """
    base = Config(
        data=DataConfig(name="sklearn_digits"),
        model=ModelConfig(depth=4, width=64, dropout=0.05),
        optimizer=SgdConfig(learning_rate=0.05),
        training=TrainingConfig(epochs=6, batch_size=64),
        logging=QUIET,
    )
    runs, folders = [], {}
    for precision in ("float32", "bf16"):
        training = replace(base.training, precision=precision)
        folders[precision] = [tmp_path / precision / str(seed) for seed in range(SEEDS)]
        runs += [
            Run(replace(base, training=training, seed=seed), folder)
            for seed, folder in enumerate(folders[precision])
        ]
    assert all(end.status == "done" for end in sweep.run_sweep(runs, tmp_path).ended)

    def metrics_of(precision: str, name: str) -> np.ndarray:
        results = [json.loads((f / "result.json").read_text()) for f in folders[precision]]
        return np.array([result["metrics"]["validation"][name] for result in results])

    plain, rounded = (metrics_of(precision, "accuracy") for precision in ("float32", "bf16"))
    assert plain.mean() > 0.9
    assert abs(plain.mean() - rounded.mean()) < plain.std(ddof=1)
    assert stats.ttest_rel(plain, rounded).pvalue > 1e-3
    losses, rounded_losses = (metrics_of(precision, "loss") for precision in ("float32", "bf16"))
    assert (losses != rounded_losses).all()
    np.testing.assert_allclose(losses, rounded_losses, rtol=0.2)
