"""What trajectories do not show: noise, padding, weight norm, and what is left alone."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import make_dataset
from scipy import stats

from snnjax import population
from snnjax.arrays import lay_out
from snnjax.config.optimization import (
    AdamConfig,
    ClipConfig,
    LossConfig,
    MuonConfig,
    RegularizationConfig,
    SgdConfig,
)
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.optim.clipping import clip
from snnjax.optim.optimizers import make_optimizer
from snnjax.optim.regularization import add_noise, decay, penalty, project
from snnjax.registry import resolve
from snnjax.shapes import problem_of
from snnjax.step import Batch, can_pad, init_state, train_step

REGULARIZATION = RegularizationConfig(l1=1e-3, l2=1e-3, decay=0.05, max_norm=0.8)
SETS = (
    make_dataset(rows=300, features=1, classes=2, counts=(200, 53, 47), seed=1),
    make_dataset(rows=90, features=7, classes=4, counts=(60, 10, 20), seed=2),
)


def of(**numbers: Any) -> Any:
    return lambda name: numbers.get(name, 0.0 if name != "max_norm" else None)


@pytest.mark.parametrize("step", [0, 3, 1000])
def test_noise_has_the_variance_it_is_said_to_have(step: int) -> None:
    """A chi-squared test at 1e-4 of 20,000 draws, and no two arrays or steps alike."""
    zeros = {"a": jnp.zeros((100, 100)), "b": jnp.zeros((100, 100))}
    keys = jax.random.split(jax.random.key(step), 2)
    noisy = [add_noise(of(noise=0.04), zeros, key, jnp.uint32(step)) for key in keys]
    variance = 0.04 / (1 + step) ** 0.55
    drawn = [np.asarray(leaf).ravel() for tree in noisy for leaf in tree.values()]
    squares = np.sum(np.concatenate(drawn[:2]) ** 2) / variance
    low, high = stats.chi2.ppf([5e-5, 1 - 5e-5], 20_000)
    assert low < squares < high
    together = np.corrcoef(drawn)[np.triu_indices(4, 1)]
    assert np.abs(together).max() < stats.norm.ppf(1 - 1e-5) / 100


@pytest.mark.slow
def test_noise_depends_on_seed_and_step_only() -> None:
    """Seen through training steps of a rate so that the noise is all that moves the weights."""
    config = Config(
        model=ModelConfig(depth=1, width=5, dropout=0.0),
        optimizer=SgdConfig(learning_rate=1.0),
        regularization=RegularizationConfig(noise=1e-2),
    )
    data = make_dataset(features=3)
    problem = problem_of([data])
    none = Batch(jnp.zeros((4, 3)), jnp.zeros(4, jnp.int32), jnp.ones(4, bool))

    def kernel(seed: int, step: int) -> Any:
        program, member = split(replace(config, seed=seed))
        state = init_state(program, problem, member)
        before = state.network.params["hidden"][0]["linear"]["kernel"]
        state = state._replace(step=jnp.uint32(step))
        after = train_step(program, problem, member, state, none)[0].network.params
        return np.asarray(after["hidden"][0]["linear"]["kernel"] - before)

    first = kernel(0, 0)
    np.testing.assert_array_equal(first, kernel(0, 0))
    assert np.all(first != 0)  # inputs of 0 give no other gradient to these weights
    for other in (kernel(0, 1), kernel(1, 0)):
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.95


@pytest.mark.slow
def test_padding_changes_no_number() -> None:
    """A set of one feature, too: a kernel with one row and one with padding have the same units."""
    config = Config(
        model=ModelConfig(depth=1, width=12, dropout=0.1, activation="tanh"),
        optimizer=AdamConfig(learning_rate=0.01),
        regularization=REGULARIZATION,
        clip=ClipConfig(adaptive=0.05, norm=0.2, layer_norm=0.1),
        loss=LossConfig(label_smoothing=0.1),
        training=TrainingConfig(epochs=4, batch_size=32),
    )
    program, member = split(config)
    layout = lay_out(*SETS)
    assert layout.problem.is_padded
    together = population.train(program, [member, member], layout, sets=[0, 1])
    alone = population.train(program, [member], lay_out(SETS[0])).outcomes[0]
    for name, metrics in alone.metrics.items():
        assert together.outcomes[0].metrics[name] == pytest.approx(metrics, rel=1e-4)


def test_what_knows_nothing_of_padding_is_never_padded() -> None:
    assert can_pad(split(Config())[0])
    noisy = RegularizationConfig(noise=0.1)
    assert not can_pad(split(Config(regularization=noisy))[0])
    assert not can_pad(split(Config(optimizer=MuonConfig()))[0])


def test_weight_normalised_layers_are_what_they_make() -> None:
    """A direction and a length are regularised as the kernel they stand for."""
    random = np.random.default_rng(0)
    direction, length = random.normal(size=(6, 4)), random.uniform(0.5, 2, 4)
    kernel = direction * length / np.linalg.norm(direction, axis=0)
    normed = {"a": {"direction": jnp.asarray(direction), "length": jnp.asarray(length)}}
    plain = {"a": {"kernel": jnp.asarray(kernel), "bias": jnp.full(4, 100.0)}}
    numbers = of(l1=0.3, l2=0.7, decay=0.2, max_norm=1.1)
    expected = 0.3 * np.abs(kernel).sum() + 0.7 * (kernel**2).sum()
    for params in (normed, plain):
        np.testing.assert_allclose(penalty(numbers, params), expected, rtol=1e-6)
    decayed = decay(numbers, 0.1, normed, normed)["a"]
    np.testing.assert_allclose(decayed["length"], 0.98 * length, rtol=1e-6)
    np.testing.assert_array_equal(decayed["direction"], normed["a"]["direction"])
    assert np.asarray(project(numbers, normed)["a"]["length"]).max() <= np.float32(1.1)
    for change in (decay(numbers, 0.1, plain, plain), project(numbers, plain)):
        np.testing.assert_array_equal(change["a"]["bias"], plain["a"]["bias"])


def test_no_penalty_is_no_work() -> None:
    assert penalty(of(), {"kernel": jnp.ones((2, 2))}) == 0.0
    assert type(penalty(of(), {})) is float


def test_one_unit_per_column_of_a_kernel_with_one_row() -> None:
    weights, gradient = jnp.array([[1.0, 2.0]]), jnp.array([[1.0, 0.1]])
    limits = {"value": None, "norm": None, "layer_norm": None, "adaptive": 0.5}
    clipped, sums = clip(limits.__getitem__, {"kernel": gradient}, {"kernel": weights})
    np.testing.assert_allclose(clipped["kernel"], [[0.5, 0.1]], rtol=1e-6)
    assert float(sums["clipped"]) == 1


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_centred_rmsprop_of_a_gradient_that_never_changes(share: float) -> None:
    """Its variance is 0, and rounding must not make it negative."""
    optimizer = resolve("optimizer", "rmsprop")(0.1, share, 1e-7, centered=True)
    gradient = jnp.asarray(np.random.default_rng(0).normal(size=100), jnp.float32)

    def step(state: Any, _: None) -> Any:
        update, state = optimizer.update(gradient, state)
        return state, update

    _, updates = jax.jit(lambda: jax.lax.scan(step, optimizer.init(gradient), length=300))()
    assert np.isfinite(np.asarray(updates)).all()


def test_a_momentum_that_is_off_has_no_state() -> None:
    config = SgdConfig()
    optimizer = make_optimizer(config, lambda name: getattr(config, name))
    assert not jax.tree.leaves(optimizer.init({"kernel": jnp.ones((2, 2))}))
