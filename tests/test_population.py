"""A population of n gives the numbers of n single runs, compiled once."""

import jax
import numpy as np
import pytest
from conftest import make_dataset, slow_but

from snnjax import population
from snnjax.arrays import lay_out
from snnjax.compilation import program_count
from snnjax.config.optimization import NadamConfig, SgdConfig
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.strategy import Strategy


def make_members(optimizer_of, count=5, dropout=0.1):
    """Make members that differ in seed, learning rate, dropout, epochs and patience."""
    programs, members = zip(
        *(
            split(
                Config(
                    seed=i,
                    model=ModelConfig(depth=2, width=12, dropout=dropout * (i + 1) / count),
                    optimizer=optimizer_of(0.01 * (i + 1)),
                    training=TrainingConfig(epochs=6 + 3 * i, batch_size=32, patience=2 + i),
                )
            )
            for i in range(count)
        ),
        strict=True,
    )
    assert len(set(programs)) == 1
    return programs[0], members


@pytest.mark.parametrize("lanes", slow_but([1, 2, 5], 1))
@pytest.mark.parametrize(
    "optimizer",
    slow_but(
        [
            lambda rate: SgdConfig(learning_rate=rate, momentum=0.5 + rate),
            lambda rate: NadamConfig(learning_rate=rate / 10),
        ],
        0,
    ),
    ids=["momentum", "nadam"],
)
def test_a_population_equals_single_runs(lanes, optimizer):
    """Early stopping on: members end at different epochs. Mapped one by one, bit for bit."""
    data = make_dataset()
    program, members = make_members(optimizer)
    together = population.train(program, members, lay_out(data), strategy=Strategy(lanes))
    assert len({outcome.epochs for outcome in together.outcomes}) > 1
    for number, member in enumerate(members):
        alone = population.train(program, [member], lay_out(data), strategy=Strategy(1))
        outcome, expected = together.outcomes[number], alone.outcomes[0]
        assert (outcome.status, outcome.epochs) == (expected.status, expected.epochs)
        ours = jax.tree.map(lambda leaf, n=number: leaf[n], together.state.best)
        theirs = jax.tree.map(lambda leaf: leaf[0], alone.state.best)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            if lanes == 1:
                np.testing.assert_array_equal(a, b)
            else:
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_a_member_that_diverges_leaves_the_others_alone():
    data = make_dataset()
    rates = (0.05, 1e5, 0.1)
    pairs = [
        split(
            Config(
                model=ModelConfig(depth=2, width=12, dropout=0.1),
                optimizer=SgdConfig(learning_rate=rate),
                training=TrainingConfig(epochs=4, batch_size=32),
            )
        )
        for rate in rates
    ]
    trained = population.train(pairs[0][0], [member for _, member in pairs], lay_out(data))
    assert [outcome.status for outcome in trained.outcomes] == ["done", "diverged", "done"]
    assert [outcome.epochs == 4 for outcome in trained.outcomes] == [True, False, True]


def test_reports_come_in_order_and_once():
    program, members = make_members(lambda rate: SgdConfig(learning_rate=rate), count=3)
    records = []
    trained = population.train(program, members, lay_out(make_dataset()), records.append)
    for number, outcome in enumerate(trained.outcomes):
        epochs = [record.epoch for record in records if record.member == number]
        assert epochs == list(range(1, outcome.epochs + 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 7},
        {"optimizer": SgdConfig(learning_rate=0.123)},
        {"training": TrainingConfig(epochs=3, batch_size=32)},
        {"model": ModelConfig(depth=2, width=12, dropout=0.33)},
    ],
    ids=["seed", "learning rate", "epochs", "dropout rate"],
)
def test_numbers_do_not_recompile(changes):
    base = {
        "model": ModelConfig(depth=2, width=12, dropout=0.1),
        "optimizer": SgdConfig(learning_rate=0.01),
        "training": TrainingConfig(epochs=2, batch_size=32),
    }
    data = make_dataset()
    program, member = split(Config(**base))
    population.train(program, [member], lay_out(data))
    compiled = program_count()
    other_program, other_member = split(Config(**(base | changes)))
    again = population.train(other_program, [other_member], lay_out(data))
    assert program_count() == compiled
    assert again.compile_seconds == 0


def test_folds_of_other_sizes_do_not_recompile():
    program, members = make_members(lambda rate: SgdConfig(learning_rate=rate), count=1)
    population.train(program, members, lay_out(make_dataset(counts=(200, 53, 47))))
    compiled = program_count()
    population.train(program, members, lay_out(make_dataset(counts=(195, 55, 46))))
    assert program_count() == compiled


def test_other_rows_of_the_same_data_do_not_recompile():
    """Folds whose splits have the same sizes share a program; data are arguments."""
    program, members = make_members(lambda rate: SgdConfig(learning_rate=rate), count=1)
    first = population.train(program, members, lay_out(make_dataset(seed=1)))
    compiled = program_count()
    second = population.train(program, members, lay_out(make_dataset(seed=2)))
    assert program_count() == compiled
    assert first.outcomes[0].metrics != second.outcomes[0].metrics
