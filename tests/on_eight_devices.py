"""Train networks whose batches eight devices share, which test_rows.py starts a process for.

Fails where they differ from those of one device; prints how they were trained.
"""

import json

import jax
import numpy as np
from conftest import make_dataset

from snnjax import compilation, population, programs
from snnjax.arrays import lay_out
from snnjax.config.optimization import (
    AdamConfig,
    ClipConfig,
    LossConfig,
    RegularizationConfig,
    SgdConfig,
)
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.crew import assemble
from snnjax.strategy import Strategy, share

ONE = Strategy()
EPOCHS = 4
# Of some epochs in float32; batches are 30 rows and 20, which devices cannot all divide evenly.
TOLERANCE = {"rtol": 1e-5, "atol": 2e-6}
TRAINING = TrainingConfig(epochs=EPOCHS, batch_size=30)
ALPHA = Config(
    model=ModelConfig(depth=2, width=8, dropout=0.1, input_dropout=0.1),
    optimizer=AdamConfig(learning_rate=0.01),
    clip=ClipConfig(norm=0.5),
    regularization=RegularizationConfig(l2=1e-3, max_norm=1.5),
    loss=LossConfig(class_weights="balanced", label_smoothing=0.1),
    training=TrainingConfig(epochs=EPOCHS, batch_size=30, monte_carlo=2),
)
NORMALISED = Config(
    model=ModelConfig(
        name="batchnorm", depth=2, width=8, activation="relu", init="he_normal", norm="batch",
        dropout_kind="ordinary", dropout=0.2,
    ),
    optimizer=SgdConfig(learning_rate=0.05),
    training=TRAINING,
)  # fmt: skip
LABELS = Config(
    model=ModelConfig(depth=1, width=8),
    optimizer=SgdConfig(learning_rate=0.05),
    clip=ClipConfig(value=0.01),
    loss=LossConfig(class_weights="balanced"),
    training=TRAINING,
)


def check_whole(strategy: Strategy) -> str:
    """Compare a population of three, from its first weights to its scores."""
    layout = lay_out(make_dataset())
    program, member = split(ALPHA)
    members = [{**member, "seed": np.uint32(seed)} for seed in range(3)]
    alone, shared = (
        population.train(program, members, layout, strategy=own) for own in (ONE, strategy)
    )
    same(alone.state, shared.state, members=3)
    for expected, outcome in zip(alone.outcomes, shared.outcomes, strict=True):
        assert outcome.status == "done"
        for name, metrics in expected.metrics.items():
            ours = [outcome.metrics[name][metric] for metric in metrics]
            np.testing.assert_allclose(ours, [*metrics.values()], **TOLERANCE)
    return json.dumps(shared.strategy)


def check_steps(config: Config, task: str, strategy: Strategy) -> None:
    """Compare some epochs from the same state on, and the sums of each of them."""
    layout = lay_out(make_dataset(task=task))
    program, member = split(config)
    one = population._Population(program, [member], layout, layout.problem, [0], ONE, 1)
    seats = one.seats()
    statics = (program, layout.problem, ONE)
    start, _ = compilation.compiled(programs.start_members, statics, (seats, layout.table))
    state = jax.device_get(start(seats, layout.table))
    ends = []
    for own in (ONE, strategy):
        people, table = assemble(own, seats), share(own, layout.table)
        begin = assemble(own, state).at_work
        compiling = programs.compile_advance(
            program, layout.problem, own, EPOCHS, people.at_work, begin, table
        )
        advance, _ = compiling.result()
        assert ("all-reduce" in advance.as_text()) == (own.rows > 1)
        ends.append(jax.device_get(advance(people.at_work, begin, table, np.int32(EPOCHS))))
    (state_alone, news_alone), (state_shared, news_shared) = ends
    assert state_alone.epoch == EPOCHS
    same(state_alone, state_shared)
    same(news_alone["records"], news_shared["records"])


def same(expected: object, ours: object, members: int = 1) -> None:
    """Compare all arrays of members within the rounding of sums in another order."""
    leaves = jax.tree.leaves(expected), jax.tree.leaves(ours)
    for one, other in zip(*leaves, strict=True):
        np.testing.assert_allclose(other[:members], one[:members], **TOLERANCE)


def main() -> None:
    """Compare all, and tell of the population."""
    compilation._CPU_OPTIONS["xla_backend_optimization_level"] = "0"
    check_steps(NORMALISED, "classification", Strategy(rows=8))
    check_steps(LABELS, "multilabel", Strategy(rows=5))
    print(check_whole(Strategy(lanes=2, devices=2, rows=4)))


if __name__ == "__main__":
    main()
