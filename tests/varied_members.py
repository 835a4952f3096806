"""Members that end at very different epochs, and what each of them gives alone."""

from functools import cache

import jax
import numpy as np
from conftest import make_dataset

from snnjax import population
from snnjax.arrays import Layout, lay_out
from snnjax.config.optimization import SgdConfig
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import Program, split
from snnjax.step import Member
from snnjax.strategy import Strategy

# Epochs, patience, learning rate; with the smallest rate nothing is learnt, and patience ends it.
_MEMBERS = (
    (2, 9, 0.1),
    (14, 9, 0.05),
    (1, 9, 0.2),
    (14, 2, 1e-30),
    (9, 9, 0.1),
    (3, 9, 0.2),
    (14, 5, 1e-30),
    (5, 9, 0.1),
)
EPOCHS = [2, 14, 1, 3, 9, 3, 6, 5]
SETS = [0, 1, 1, 0, 0, 1, 0, 1]
CHUNK = 2


def make_varied() -> tuple[Program, list[Member]]:
    """Make members of one program that stop after `EPOCHS`."""
    programs, members = zip(
        *(
            split(
                Config(
                    seed=seed,
                    model=ModelConfig(depth=1, width=8, dropout=0.1),
                    optimizer=SgdConfig(learning_rate=rate),
                    training=TrainingConfig(
                        epochs=epochs, batch_size=32, patience=patience, monte_carlo=seed + 1
                    ),
                )
            )
            for seed, (epochs, patience, rate) in enumerate(_MEMBERS)
        ),
        strict=True,
    )
    assert len(set(programs)) == 1
    return programs[0], list(members)


@cache
def layout() -> Layout:
    """Lay out the two data sets that `SETS` tells of."""
    return lay_out(make_dataset(), make_dataset(seed=1, counts=(190, 50, 47)))


@cache
def alone() -> list[population.Trained]:
    """Train every member by itself."""
    program, members = make_varied()
    return [
        population.train(program, [member], layout(), sets=[place], strategy=Strategy())
        for member, place in zip(members, SETS, strict=True)
    ]


def assert_as_alone(together: population.Trained, *, exactly: bool) -> None:
    """Compare a population of all members with single runs: outcomes and networks."""
    tolerance = {"rtol": 0, "atol": 0} if exactly else {"rtol": 1e-4, "atol": 1e-6}
    assert [outcome.epochs for outcome in together.outcomes] == EPOCHS
    for number, single in enumerate(alone()):
        (expected,), outcome = single.outcomes, together.outcomes[number]
        assert outcome.status == expected.status
        assert outcome.best_epoch == expected.best_epoch
        for split_name, metrics in expected.metrics.items():
            ours = [outcome.metrics[split_name][name] for name in metrics]
            np.testing.assert_allclose(ours, [*metrics.values()], **tolerance)
        for ours, theirs in zip(
            jax.tree.leaves(together.state), jax.tree.leaves(single.state), strict=True
        ):
            np.testing.assert_allclose(ours[number], theirs[0], **tolerance)
