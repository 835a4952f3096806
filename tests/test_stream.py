"""Training on endless data: which rows a step sees, and that nothing else decides it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import slow_but

from snnjax import population, training
from snnjax.arrays import Arrays, lay_out
from snnjax.config.optimization import LossConfig, SgdConfig
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.data import shapeset
from snnjax.data.dataset import SPLITS, Dataset, Stream
from snnjax.evaluation import generate
from snnjax.fit import check
from snnjax.guard import inputs_of
from snnjax.nn import noise
from snnjax.shapes import column_class, problem_of, row_class
from snnjax.step import DATA_STREAM, Batch, train_step
from snnjax.strategy import Strategy

WORDS = shapeset.WORDS


def make_data(rows: int = 100, fixed: int = 90) -> Dataset:
    """Make Shapeset with fewer fixed rows than it has."""
    images, labels = zip(*(shapeset.fixed(name, fixed) for name in SPLITS), strict=True)
    return Dataset(
        name="shapeset",
        task="classification",
        features=np.concatenate(images),
        targets=np.concatenate(labels),
        outputs=9,
        rows={name: np.arange(fixed, dtype=np.int32) + n * fixed for n, name in enumerate(SPLITS)},
        shift=np.full(1024, 127.5, np.float32),
        scale=np.full(1024, 1 / 127.5, np.float32),
        target_shift=np.zeros(9),
        target_scale=np.ones(9),
        sha256="made",
        stream=Stream("snnjax.data.shapeset:render", WORDS, rows),
    )


DATA = make_data()


def make(seed: int = 0, epochs: int = 2, **keys):
    config = Config(
        seed=seed,
        model=ModelConfig(depth=2, width=16, **keys),
        optimizer=SgdConfig(learning_rate=0.05),
        training=TrainingConfig(epochs=epochs, batch_size=8),
    )
    return split(config)


def batch_of(seed: int, step: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the batch of a step on the host."""
    key = noise.fold(noise.fold(noise.make_key(jnp.uint32(seed)), DATA_STREAM), step)
    return shapeset.render(np.asarray(noise.bits(key, (rows, WORDS))))


def test_an_epoch_equals_a_loop_of_steps_on_the_batches_of_seed_and_step():
    """100 rows in batches of 8: twelve whole ones and one of 4; the second epoch has new ones."""
    program, member = make(seed=5)
    layout = lay_out(DATA)
    arrays = Arrays(layout.table, layout.views[0])
    state = training.start(program, layout.problem, member, arrays)
    run = jax.jit(training.run_epoch, static_argnums=(0, 1))
    step = jax.jit(train_step, static_argnums=(0, 1))
    looped = state.train
    for epoch in range(2):
        hits = losses = 0.0
        for number in range(13):
            pixels, labels = batch_of(5, 13 * epoch + number, 8)
            mask = np.arange(8) < (4 if number == 12 else 8)
            inputs = (pixels.astype(np.float32) - 127.5) / np.float32(127.5)
            looped, sums = step(
                program, layout.problem, member, looped, Batch(inputs, labels, mask)
            )
            losses, hits = losses + float(sums["loss"]), hits + float(sums["hits"])
        state, record = run(program, layout.problem, member, state, arrays)
        assert int(state.train.step) == 13 * (epoch + 1)
        assert float(record["train"]["count"]) == 100
        assert float(record["train"]["hits"]) == hits
        np.testing.assert_allclose(record["train"]["loss"], losses, rtol=1e-5)
        for a, b in zip(*map(jax.tree.leaves, (state.train.network, looped.network)), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)


def test_a_batch_depends_on_seed_and_step_alone():
    """Mapped over members, in larger batches, and at a step that is reached later: the same."""
    layout = lay_out(DATA)
    arrays = Arrays(layout.table, layout.views[0])

    def draw(seed, step, rows):
        key = noise.fold(noise.fold(noise.make_key(seed), DATA_STREAM), step)
        batch = generate(DATA.stream, key, arrays, jnp.ones(rows, bool))
        return batch.inputs, batch.targets

    seeds, steps = jnp.arange(3, dtype=jnp.uint32), jnp.arange(40, 44, dtype=jnp.uint32)
    mapped = jax.jit(jax.vmap(lambda seed: jax.lax.map(lambda step: draw(seed, step, 24), steps)))(
        seeds
    )
    single = jax.jit(draw, static_argnums=2)
    seen = []
    for seed in range(3):
        for place, step in enumerate(range(40, 44)):
            inputs, targets = single(jnp.uint32(seed), jnp.uint32(step), 10)
            np.testing.assert_array_equal(mapped[0][seed, place, :10], inputs)
            np.testing.assert_array_equal(mapped[1][seed, place, :10], targets)
            seen.append(np.asarray(inputs))
    assert len(np.unique(np.concatenate(seen), axis=0)) == 3 * 4 * 10


@pytest.mark.parametrize("lanes", slow_but([1, 3], 0))
def test_a_population_over_seeds_equals_single_runs(lanes):
    layout = lay_out(DATA)
    program, _ = make()
    members = [make(seed, epochs=2 + seed)[1] for seed in range(3)]
    together = population.train(program, members, layout, strategy=Strategy(lanes))
    for number, member in enumerate(members):
        alone = population.train(program, [member], layout, strategy=Strategy(1))
        ours = jax.tree.map(lambda leaf, n=number: leaf[n], together.state.train)
        theirs = jax.tree.map(lambda leaf: leaf[0], alone.state.train)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            if lanes == 1:
                np.testing.assert_array_equal(a, b)
            else:
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_sets_share_a_program_only_with_the_same_stream():
    one, same, longer = make_data(), make_data(), make_data(rows=101)
    assert column_class(one) == column_class(same)
    assert len({column_class(data) for data in (one, longer, replace(one, stream=None))}) == 3
    assert problem_of([longer]).train_rows[-1] >= 101
    assert row_class(make_data(rows=100_000)) != row_class(one)


def test_the_rest_of_the_package_takes_rows_that_stand_for_the_stream():
    config = Config(loss=LossConfig(class_weights=(1.0,) * 9))
    check(config, DATA)
    inputs = inputs_of(DATA)
    assert (inputs.features, inputs.outputs) == (1024, 9)
    assert inputs.variance == pytest.approx(0.37, abs=0.05)


@pytest.mark.parametrize("keys", slow_but([{"norm": "weight"}, {"init": "lsuv"}], 0))
def test_networks_that_begin_from_data_do(keys):
    program, member = make(**keys)
    trained = population.train(program, [member], lay_out(DATA))
    assert trained.outcomes[0].status == "done"


@pytest.mark.slow
def test_shapes_are_learnt():
    """A guess at the most frequent classes is right once in six."""
    config = Config(
        model=ModelConfig(depth=2, width=128, dropout=0.0),
        optimizer=SgdConfig(learning_rate=0.05),
        training=TrainingConfig(epochs=6, batch_size=10, restore_best=False),
    )
    program, member = split(config)
    records = []
    data = make_data(rows=20_000, fixed=1000)
    trained = population.train(program, [member], lay_out(data), records.append)
    losses = [record.metrics["train"]["loss"] for record in records]
    assert losses[-1] < losses[0] - 0.15
    assert trained.outcomes[0].metrics["test"]["accuracy"] > 0.25
