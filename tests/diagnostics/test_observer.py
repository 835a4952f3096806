"""Looks during training: when, at what, and without a trace in what is trained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import make_dataset

from snnjax import population, training
from snnjax.arrays import Arrays, lay_out
from snnjax.compilation import program_count
from snnjax.config.optimization import CosineConfig, NadamConfig, PlateauConfig, SgdConfig
from snnjax.config.schema import Config, DiagnosticsConfig, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.diagnostics.observer import Watch, _interval
from snnjax.evaluation import gather, used_columns
from snnjax.step import train_step
from snnjax.strategy import Strategy

DATA = make_dataset()
CHEAP = ("activations", "drift")


def make_members(epochs=(3, 8, 5), rates=(0.05, 0.02, 0.1), **training_choices):
    pairs = [
        split(
            Config(
                seed=number,
                model=ModelConfig(depth=2, width=10, dropout=0.1),
                optimizer=SgdConfig(learning_rate=rate, momentum=0.5),
                training=TrainingConfig(epochs=own, batch_size=32, **training_choices),
            )
        )
        for number, (own, rate) in enumerate(zip(epochs, rates, strict=True))
    ]
    return pairs[0][0], [member for _, member in pairs]


def watched(program, members, config, data=(DATA,), **choices):
    """Train members; return what they became, and of each the looks and all events in order."""
    looks = {number: [] for number in range(len(members))}
    events = {number: [] for number in range(len(members))}

    def show(look):
        looks[look.member].append(look)
        events[look.member].append(("look", look.epoch))

    def report(record):
        events[record.member].append(("epoch", record.epoch))

    watch = Watch(config, show) if config else None
    trained = population.train(program, members, lay_out(*data), report, watch=watch, **choices)
    return trained, looks, events


def assert_same_training(one, other):
    for a, b in zip(jax.tree.leaves(one.state), jax.tree.leaves(other.state), strict=True):
        np.testing.assert_array_equal(a, b)
    for mine, theirs in zip(one.outcomes, other.outcomes, strict=True):
        assert (mine.status, mine.epochs, mine.best_epoch) == (
            theirs.status, theirs.epochs, theirs.best_epoch,
        )  # fmt: skip
        np.testing.assert_equal(mine.metrics, theirs.metrics)


def test_training_is_the_same_and_every_member_is_seen_when_it_is_due():
    """Members end by their epochs, by their patience, and by divergence."""
    program, members = make_members((3, 30, 12, 9), (0.05, 0.3, 0.02, 1e5), patience=3)
    plain, *_ = watched(program, members, None)
    config = DiagnosticsConfig(measures=CHEAP, every=4, steps=(1, 10, 21))
    trained, looks, events = watched(program, members, config)
    assert_same_training(trained, plain)
    assert [outcome.status for outcome in trained.outcomes] == ["done"] * 3 + ["diverged"]
    for number, outcome in enumerate(trained.outcomes):
        last, batches = outcome.epochs, 7  # 200 rows by 32
        steps = {0, 1, 10, 21, last * batches, *range(0, last * batches, 4 * batches)}
        steps = sorted(step for step in steps if step <= last * batches)
        assert [look.step for look in looks[number]] == steps
        assert [look.epoch for look in looks[number]] == [step / batches for step in steps]
        # What was seen at the end of an epoch follows on its metrics, before those of the next.
        expected = [(float(epoch), "epoch") for epoch in range(1, last + 1)]
        expected += [(step / batches, "look") for step in steps]
        expected.sort(key=lambda event: (event[0], event[1] == "look"))
        assert events[number] == [(kind, epoch) for epoch, kind in expected]
    assert looks[1][0].labels == {"layers": ["1", "2"], "kernels": ["1", "2", "output"]}
    diverged = looks[3][-1].arrays["activation_mean"]
    assert not np.isfinite(diverged).all()


def test_intervals_and_steps_recompile_nothing_and_no_diagnostics_compile_nothing():
    program, members = make_members((4,), (0.05,))
    before = program_count()
    watched(program, members, None)
    without = program_count() - before
    watched(program, members, DiagnosticsConfig(measures=CHEAP, every=2, steps=(5,)))
    # One for looking and one for walking.
    assert program_count() - before == without + 2
    for every, steps in ((1, ()), (3, (2, 9)), ("auto", (1, 2, 3, 8))):
        watched(program, members, DiagnosticsConfig(measures=CHEAP, every=every, steps=steps))
    watched(program, members, None)
    assert program_count() - before == without + 2


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 4])
def test_looks_at_a_population_are_those_at_each_member_alone(lanes):
    """Of members that end at different times; regrouping gives them other places."""
    epochs = (2, 9, 4, 7, 3, 6, 1, 8)
    program, members = make_members(epochs, np.linspace(0.02, 0.1, 8))
    config = DiagnosticsConfig(measures=(*CHEAP, "weights"), every=2, steps=(3, 15))
    plain, *_ = watched(program, members, None, strategy=Strategy(lanes))
    together, looks, _ = watched(program, members, config, strategy=Strategy(lanes))
    assert_same_training(together, plain)
    for number in (0, 3, 6):
        _, (alone), _ = watched(program, [members[number]], config, strategy=Strategy(1))
        assert [look.step for look in alone[0]] == [look.step for look in looks[number]]
        for one, other in zip(looks[number], alone[0], strict=True):
            assert one.arrays.keys() == other.arrays.keys()
            for name, array in one.arrays.items():
                if name.endswith("histogram"):
                    moved = np.abs(np.cumsum(array.astype(int), -1)
                                   - np.cumsum(other.arrays[name].astype(int), -1))  # fmt: skip
                    assert moved.max() <= (0 if lanes == 1 else 3)
                elif lanes == 1:
                    np.testing.assert_array_equal(array, other.arrays[name])
                else:
                    np.testing.assert_allclose(array, other.arrays[name], rtol=1e-3, atol=1e-4)


SETS = (
    make_dataset(rows=300, features=5, classes=2, counts=(200, 53, 47), seed=1),
    make_dataset(rows=90, features=12, classes=3, counts=(30, 7, 40), seed=2),
)
ALL = ("activations", "gradients", "weights", "units", "theory", "jacobians", "drift", "noise")


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        ModelConfig(depth=2, width=24, dropout=0.1),
        ModelConfig(depth=3, width=24, form="conic", dropout=0.0, activation="tanh"),
        ModelConfig(name="mlp", depth=2, width=80, dropout=0.0, norm="batch", activation="tanh"),
        ModelConfig(name="resnet", depth=1, width=16, dropout=0.0, norm="layer"),
        ModelConfig(name="highway", depth=2, width=16, dropout=0.0),
        ModelConfig(name="maxout", depth=2, width=16, dropout=0.0, activation="maxout"),
    ],
    ids=["snn", "conic", "batch", "resnet", "highway", "maxout"],
)
def test_what_is_seen_of_padded_members_is_what_is_seen_of_them_alone(model):
    """Of two data sets with other columns, classes, and numbers of batches, at steps inside."""
    pairs = [
        split(Config(seed=n, model=model, optimizer=SgdConfig(learning_rate=0.02),
                     training=TrainingConfig(epochs=3, batch_size=16)))
        for n in range(2)
    ]  # fmt: skip
    program, members = pairs[0][0], [member for _, member in pairs]
    config = DiagnosticsConfig(measures=ALL, every=2, steps=(1, 5, 27))
    layout = lay_out(*SETS)
    assert layout.problem.is_padded
    _, together, _ = watched(program, members, config, SETS, sets=(0, 1))
    for number, data in enumerate(SETS):
        _, alone, _ = watched(program, [members[number]], config, (data,))
        assert [look.step for look in together[number]] == [look.step for look in alone[0]]
        for one, other in zip(together[number], alone[0], strict=True):
            assert one.labels == other.labels
            for name, array in one.arrays.items():
                assert_same(name, array, other.arrays[name], other.arrays)


def assert_same(name, padded, alone, others):
    if name == "is_dead":
        width = alone.shape[1]
        assert not padded[:, width:].any()
        np.testing.assert_array_equal(padded[:, :width], alone)
    elif name in ("omega", "tau"):
        width = alone.shape[1]
        assert np.isnan(padded[:, width:]).all()
        np.testing.assert_allclose(padded[:, :width], alone, rtol=5e-3, atol=1e-3)
    elif name.endswith("histogram"):
        np.testing.assert_array_equal(padded.sum(-1), alone.sum(-1))
        moved = np.abs(np.cumsum(padded.astype(int), -1) - np.cumsum(alone.astype(int), -1))
        assert moved.max() <= 0.02 * alone.sum(-1).max() + 2
    elif name == "layer_singular" and others["widths"].max() > 64:
        np.testing.assert_allclose(padded[:, 1:], alone[:, 1:], rtol=0.1)
    else:
        scale = np.nanmax(np.abs(alone), initial=0) if np.isfinite(alone).any() else 0
        np.testing.assert_allclose(padded, alone, rtol=1e-2, atol=1e-3 * scale + 1e-6)


SCHEDULES = {
    "constant": {"optimizer": SgdConfig(learning_rate=0.05, momentum=0.9)},
    "cosine": {"optimizer": NadamConfig(), "schedule": CosineConfig()},
    "plateau": {"optimizer": SgdConfig(learning_rate=0.1), "schedule": PlateauConfig(patience=1)},
}


@pytest.mark.parametrize(
    "choices",
    ["constant", *(pytest.param(n, marks=pytest.mark.slow) for n in SCHEDULES if n != "constant")],
)
def test_a_walk_takes_the_steps_that_training_takes(choices):
    """Step k inside an epoch is k steps on the same rows; to the end it is the epoch itself."""
    config = Config(
        model=ModelConfig(depth=2, width=10, dropout=0.1),
        training=TrainingConfig(epochs=5, batch_size=32),
        **SCHEDULES[choices],
    )
    program, member = split(config)
    member = jax.tree.map(jnp.asarray, member)
    layout = lay_out(DATA)
    arrays, problem = Arrays(layout.table, layout.views[0]), layout.problem
    state = training.start(program, problem, member, arrays)
    epoch = jax.jit(lambda state: training.run_epoch(program, problem, member, state, arrays)[0])
    walk = jax.jit(lambda state, step: training.train_until(
        program, problem, member, state, arrays, step
    ))  # fmt: skip
    for _ in range(3):
        state = epoch(state)

    def one_step(train, number):
        order = training._permutation(member, state.epoch, 200, problem.train_rows)
        place = number * 32 + jnp.arange(32)
        rows = arrays.table.indices[arrays.view.first["train"] + order[jnp.minimum(place, 199)]]
        batch = gather(arrays, rows, place < 200)
        pace = training.pace_of(program, problem, member, state, arrays)
        used = used_columns(problem, arrays.view)
        return train_step(program, problem, member, train, batch, used, pace)[0]

    stepped, train = jax.jit(one_step), state.train
    walked = state
    for number in range(7):
        train = stepped(train, number)
        if number in (0, 3, 6):
            before = walked
            walked = walk(before, 21 + number + 1)
            direct = walk(state, 21 + number + 1)
            assert int(walked.train.step) == int(train.step) == 21 + number + 1
            assert int(walked.epoch) == 3
            for a, b, c in zip(
                *map(jax.tree.leaves, (walked.train, direct.train, train)), strict=True
            ):
                np.testing.assert_array_equal(a, b)
                np.testing.assert_allclose(a, c, rtol=1e-4, atol=1e-6)
    np.testing.assert_equal(
        jax.tree.leaves(jax.device_get(walked.train)),
        jax.tree.leaves(jax.device_get(epoch(state).train)),
    )
    for elsewhere in (0, 20, 21, 29, 1000):
        assert int(walk(state, elsewhere).train.step) == 21
    ended = state._replace(status=jnp.int32(training.DIVERGED))
    assert int(walk(ended, 25).train.step) == 21


def test_the_interval_of_auto_follows_from_the_cost():
    """Wide networks on many rows are looked at after every epoch, small ones seldom."""
    data = make_dataset(rows=9000, counts=(8500, 300, 100))
    problem, rows = (
        lay_out(data).problem,
        {"train": np.array([8500]), "validation": np.array([300])},
    )
    wide, narrow = (
        split(Config(model=ModelConfig(depth=3, width=width), training=TrainingConfig()))[0]
        for width in (1000, 4)
    )
    few, many = (DiagnosticsConfig(measures=own) for own in (("activations",), ALL))
    assert _interval(few, wide, problem, rows) == 1
    assert _interval(few, narrow, problem, rows) > 1
    assert _interval(many, narrow, problem, rows) > _interval(few, narrow, problem, rows)
    fixed = DiagnosticsConfig(measures=ALL, every=7)
    assert _interval(fixed, wide, problem, rows) == 7
