"""Precisions from end to end: bf16 of the same quality, float64 exact, each by itself."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import QUIET, make_dataset, slow_but
from jax.test_util import check_grads
from scipy import stats

from snnjax import compilation, population, sweep
from snnjax.arrays import lay_out
from snnjax.config.errors import ConfigError
from snnjax.config.optimization import SgdConfig
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.config.split import Program, split
from snnjax.config.strict import convert
from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.experiment import Means, Run
from snnjax.fit import check_precision
from snnjax.nn import noise
from snnjax.nn.mlp import MLP
from snnjax.nn.products import precision_of_products, types_of
from snnjax.nn.randomness import Randomness
from snnjax.shapes import problem_of
from snnjax.step import Batch, Member, init_state, mean_loss

SEEDS = 8


@pytest.mark.slow
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


# Training in float64.

SMALL = {
    "model": {"depth": 2, "width": 7, "dropout": 0.0},
    "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.6},
    "schedule": {"name": "power", "unit": "steps", "time": 4.0, "power": 0.7},
    "regularization": {"l2": 1e-3},
    "training": {"epochs": 5, "batch_size": 200, "restore_best": False},
}


def program_of(precision: str, **sections: dict[str, Any]) -> tuple[Program, Member]:
    mapping = SMALL | sections
    training = mapping["training"] | {"precision": precision}
    return split(convert(Config, mapping | {"training": training}))


def test_float64_is_training_in_float64() -> None:
    """Five steps of all rows, momentum, decaying rate and penalty: equal to NumPy's to 1e-12."""
    data = make_dataset()
    program, member = program_of("float64")
    trained = population.train(program, [member], lay_out(data))
    with types_of("float64"):
        begin = init_state(program, problem_of([data]), member).network.params
    weights = layers_of(jax.tree.map(np.array, begin))
    rows = data.rows["train"]
    x, labels = data.features[rows].astype(np.float64), data.targets[rows]
    velocity = [np.zeros_like(w) for w in weights]
    for step in range(5):
        gradients = backward(weights, x, labels)
        rate = 0.1 * (1 + step / 4) ** -0.7
        for place, (w, g) in enumerate(zip(weights, gradients, strict=True)):
            g += 2e-3 * w if w.ndim == 2 else 0
            velocity[place] = 0.6 * velocity[place] + g
            w -= rate * velocity[place]
    for ours, theirs in zip(layers_of(trained.state.train.network.params), weights, strict=True):
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours[0], theirs, rtol=0, atol=1e-12)
    probabilities = forward(weights, x)[1]
    loss = -np.log(probabilities[np.arange(len(x)), labels]).mean()
    assert trained.outcomes[0].metrics["train"]["loss"] == pytest.approx(loss, rel=1e-12)


def layers_of(params: Any) -> list[Any]:
    layers = [*(params["hidden"][number]["linear"] for number in (0, 1)), params["output"]]
    return [layer[name] for layer in layers for name in ("kernel", "bias")]


def forward(weights: list[np.ndarray], x: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return what enters each layer, and the probabilities of the classes."""
    entering = [x]
    for kernel, bias in zip(weights[:4:2], weights[1:4:2], strict=True):
        z = entering[-1] @ kernel + bias
        entering.append(LAMBDA_01 * np.where(z > 0, z, ALPHA_01 * np.expm1(np.minimum(z, 0))))
    logits = entering[-1] @ weights[4] + weights[5]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return entering, powers / powers.sum(1, keepdims=True)


def backward(weights: list[np.ndarray], x: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Return the gradients of the mean cross-entropy."""
    entering, probabilities = forward(weights, x)
    of_z = (probabilities - np.eye(probabilities.shape[1])[labels]) / len(x)
    gradients: list[np.ndarray] = []
    for layer in (2, 1, 0):
        gradients = [entering[layer].T @ of_z, of_z.sum(0), *gradients]
        y = entering[layer]
        slope = np.where(y > 0, LAMBDA_01, y + LAMBDA_01 * ALPHA_01)
        of_z = (of_z @ weights[2 * layer].T) * slope
    return gradients


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_gradients_in_float64_are_those_of_differences(dropout: float) -> None:
    data = make_dataset()
    model = {"depth": 2, "width": 7, "dropout": dropout}
    program, member = program_of("float64", model=model)
    problem = problem_of([data])
    with types_of("float64"):
        state = init_state(program, problem, member)
        x = jnp.asarray(data.features[:50], jnp.float64)
        batch = Batch(x, jnp.asarray(data.targets[:50]), jnp.ones(50, bool))
        randomness = Randomness(noise.make_key(np.uint32(1)), batch.mask)

        def loss(params: Any) -> jax.Array:
            extra = state.network.extra
            return mean_loss(program, problem, params, extra, batch, member, randomness)[0]

        check_grads(
            jax.jit(loss), (state.network.params,), 1, ["rev"], atol=1e-7, rtol=1e-7, eps=1e-6
        )


def test_other_precisions_know_nothing_of_float64(tmp_path: Path) -> None:
    """A sweep of both in two threads: a run has the numbers, bit for bit, that it has without.

    Its programs are traced anew.
    """
    configs = {
        precision: convert(
            Config,
            SMALL
            | {"model": {"depth": 2, "width": 7}}
            | {"training": {"epochs": 2, "precision": precision}},
        )
        for precision in ("float64", "float32")
    }

    def metrics_of(folder: Path, *precisions: str) -> dict[str, Any]:
        compilation._known.clear()
        runs = {
            name: Run(replace(config, logging=QUIET), folder / name)
            for name, config in configs.items()
            if name in precisions
        }
        swept = sweep.run_sweep([*runs.values()], folder, Means(members=1, workers=2))
        assert {sweep.status_of(end) for end in swept.ended} == {"done"}
        read = {
            name: json.loads((run.folder / "result.json").read_text()) for name, run in runs.items()
        }
        return {name: result["metrics"] for name, result in read.items()}

    alone = metrics_of(tmp_path / "without", "float32")
    together = metrics_of(tmp_path / "with", "float32", "float64")
    assert together["float32"] == alone["float32"]
    single, double = (together[name]["test"]["loss"] for name in ("float32", "float64"))
    assert single != double
    assert single == pytest.approx(double, rel=1e-5)


def test_an_accelerator_without_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    check_precision(Config(training=TrainingConfig(precision="bf16")))
    with pytest.raises(ConfigError) as caught:
        check_precision(Config(training=TrainingConfig(precision="float64")))
    assert str(caught.value) == (
        "training.precision=float64: a tpu has no such numbers; "
        "allowed: float32, bf16, or JAX_PLATFORMS=cpu in the environment"
    )


# The moments that self-normalisation lives by.

LAYERS, UNITS = 32, 256


@cache
def moments(precision: str) -> np.ndarray:
    """Return mean and variance after each of 32 SELU layers, (32, 2), of N(0, 1) inputs."""
    config = ModelConfig(depth=LAYERS, width=UNITS, dropout=0.0)
    with types_of(precision), precision_of_products(precision):
        x = jax.random.normal(jax.random.key(0), (512, UNITS), jnp.float32).astype(float)
        model = MLP(config, UNITS, 2, jax.random.key(1))

        @jax.jit
        def by_layer(x: jax.Array) -> jax.Array:
            found = []
            for layer in model.hidden:
                x = layer(x, None)
                found.append(jnp.stack([x.mean(), x.var()]))
            return jnp.stack(found)

        return np.asarray(by_layer(x), np.float64)


@pytest.mark.parametrize(
    ("precision", "tolerance"), slow_but([("float32", 1e-6), ("bf16", 2e-3)], 1)
)
def test_what_rounding_does_to_the_moments(precision: str, tolerance: float) -> None:
    """Of the same weights and inputs; the tolerance is absolute, for means and variances alike."""
    exact, rounded = moments("float64"), moments(precision)
    np.testing.assert_allclose(exact, np.broadcast_to([0.0, 1.0], exact.shape), rtol=0, atol=0.5)
    assert (exact != rounded).any()
    np.testing.assert_allclose(rounded, exact, rtol=0, atol=tolerance)
