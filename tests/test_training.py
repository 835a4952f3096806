"""Epochs on the device against plain loops: order, partial batches, early stopping, divergence."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import make_dataset, slow_but
from scipy import stats
from sklearn import metrics as sklearn

from snnjax import evaluation, population, programs, shapes, training
from snnjax.arrays import Arrays, lay_out
from snnjax.config.optimization import NadamConfig, SgdConfig
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.metric_names import BY_TASK
from snnjax.shapes import bucket, problem_of
from snnjax.step import Batch, apply, train_step

MODEL = ModelConfig(depth=3, width=16, dropout=0.1)


def make(model=MODEL, optimizer=None, data=None, seed=0, **keywords):
    config = Config(
        seed=seed,
        model=model,
        optimizer=optimizer or SgdConfig(learning_rate=0.05),
        training=TrainingConfig(**{"epochs": 5, "batch_size": 32} | keywords),
    )
    data = data or make_dataset()
    program, member = split(config)
    return program, problem_of([data]), member, data


def train(*arguments, **keywords):
    program, _, member, data = make(*arguments, **keywords)
    records = []
    trained = population.train(program, [member], lay_out(data), records.append)
    return trained, trained.outcomes[0], records


def assert_same(one, other, **tolerance):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        if tolerance:
            np.testing.assert_allclose(a, b, **tolerance)
        else:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "optimizer", slow_but([SgdConfig(momentum=0.9), NadamConfig()], 0), ids=lambda o: o.name
)
def test_an_epoch_equals_a_loop_of_steps(optimizer):
    """200 rows in batches of 32: six whole ones and one of 8, each row exactly once."""
    program, problem, member, data = make(optimizer=optimizer)
    layout = lay_out(data)
    (view,) = layout.views
    state = training.start(program, problem, member, Arrays(layout.table, view))
    order = shuffled(member, state.epoch, 200, problem.train_rows)[:200]
    order = data.rows["train"][order]
    assert sorted(order) == list(data.rows["train"])
    looped, losses = state.train, 0.0
    step = jax.jit(train_step, static_argnums=(0, 1))
    for start in range(0, len(order), 32):
        rows = order[start : start + 32]
        mask = np.arange(32) < len(rows)
        rows = np.pad(rows, (0, 32 - len(rows)), mode="edge")
        batch = Batch(data.features[rows], data.targets[rows], mask)
        looped, sums = step(program, problem, member, looped, batch)
        losses += float(sums["loss"])
    scanned, record = jax.jit(training.run_epoch, static_argnums=(0, 1))(
        program, problem, member, state, Arrays(layout.table, view)
    )
    assert_same(scanned.train.network, looped.network, rtol=2e-5, atol=1e-6)
    assert int(scanned.train.step) == 7
    np.testing.assert_allclose(record["train"]["loss"], losses, rtol=1e-5)
    assert int(record["train"]["count"]) == 200


def shuffled(member, epoch, count, sizes):
    return np.asarray(training._permutation(member, jnp.int32(epoch), jnp.int32(count), sizes))


@pytest.mark.parametrize("sizes", [(200,), (256,), (56, 224, 896)])
def test_every_epoch_has_another_order_and_padding_stays_behind(sizes):
    _, _, member, _ = make()
    orders = [shuffled(member, epoch, 200, sizes) for epoch in range(3)]
    for order in orders:
        assert sorted(order[:200]) == list(range(200))
    assert not np.array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0][:200], shuffled(member, 0, 200, (200,)))


@pytest.mark.parametrize("counts", slow_but([[200, 1, 47], [150, 53, 97], [10, 289, 1]], 1))
def test_evaluation_is_exact_over_the_whole_split(counts, monkeypatch):
    """Against scikit-learn on the network's own outputs, with batches that do not divide."""
    monkeypatch.setattr(evaluation, "_EVAL_ROWS", 16)
    monkeypatch.setattr(evaluation, "_REST_ROWS", 4)
    monkeypatch.setattr(programs, "_SCORED_ROWS", 50)
    data = make_dataset(counts=counts)
    program, problem, *_ = make(data=data)
    trained, outcome, _ = train(data=data, epochs=3)
    network = jax.tree.map(lambda leaf: leaf[0], trained.state.best)
    for split_name, rows in data.rows.items():
        logits = apply(program, problem, network, jnp.asarray(data.features[rows]), None)[0]
        labels, ours = data.targets[rows], outcome.metrics[split_name]
        log_probabilities = np.asarray(jax.nn.log_softmax(logits), np.float64)
        expected_loss = -log_probabilities[np.arange(len(rows)), labels].mean()
        predictions = np.asarray(logits).argmax(1)
        assert ours["loss"] == pytest.approx(expected_loss, rel=2e-6)
        assert ours["accuracy"] == pytest.approx(sklearn.accuracy_score(labels, predictions))
        f1 = sklearn.f1_score(labels, predictions, average="macro")
        assert ours["macro_f1"] == pytest.approx(f1)
        if len(np.unique(labels)) == 3:
            scores = np.asarray(jax.nn.softmax(logits))
            areas = [sklearn.roc_auc_score(labels == c, scores[:, c]) for c in range(3)]
            assert ours["roc_auc"] == pytest.approx(np.mean(areas), abs=1e-6)


@pytest.mark.slow
def test_regression_metrics_are_in_the_targets_own_unit():
    data = make_dataset(task="regression")
    program, problem, _, _ = make(data=data)
    trained, outcome, _ = train(data=data, epochs=8, monitor="rmse")
    network = jax.tree.map(lambda leaf: leaf[0], trained.state.best)
    rows = data.rows["test"]
    predicted = np.asarray(apply(program, problem, network, data.features[rows], None)[0])
    ours = outcome.metrics["test"]
    mse = sklearn.mean_squared_error(data.targets[rows] * 2.5, predicted * 2.5)
    assert ours["mse"] == pytest.approx(mse, rel=1e-5)
    assert ours["rmse"] == pytest.approx(np.sqrt(mse), rel=1e-5)
    assert ours["r2"] == pytest.approx(sklearn.r2_score(data.targets[rows], predicted), rel=1e-4)
    assert ours["loss"] == pytest.approx(mse / 2.5**2, rel=1e-5)


@pytest.mark.slow
def test_bytes_are_scaled_after_they_are_gathered():
    """Images as bytes with shift and scale, and as scaled floats: the same bits."""
    random = np.random.default_rng(0)
    data = make_dataset()
    pixels = random.integers(0, 256, data.features.shape).astype(np.uint8)
    shift = random.uniform(50, 200, 12).astype(np.float32)
    scale = random.uniform(0.005, 0.02, 12).astype(np.float32)
    as_bytes = replace(data, features=pixels, shift=shift, scale=scale)
    as_floats = replace(data, features=(pixels.astype(np.float32) - shift) * scale)
    one, outcome, _ = train(data=as_bytes)
    other, expected, _ = train(data=as_floats)
    assert_same(one.state, other.state)
    assert outcome == expected


@pytest.mark.slow
@pytest.mark.parametrize("monitor", sorted({*BY_TASK["classification"], *BY_TASK["regression"]}))
def test_early_stopping_follows_its_definition(monitor):
    """Recomputed from the recorded curve: first best epoch, then `patience` epochs without gain."""
    task = "classification" if monitor in BY_TASK["classification"] else "regression"
    keywords = {
        "data": make_dataset(task=task),
        "optimizer": NadamConfig(learning_rate=0.01),
        "epochs": 60,
        "monitor": monitor,
    }
    _, full, records = train(**keywords)
    curve = np.array([record.metrics["validation"][monitor] for record in records])
    for patience in (1, 4):
        best, last = 0, len(curve) - 1
        for epoch in range(len(curve)):
            gain = curve[epoch] - curve[best]
            if (gain > 0) if monitor in ("accuracy", "macro_f1", "roc_auc", "r2") else (gain < 0):
                best = epoch
            if epoch - best >= patience:
                last = epoch
                break
        assert last < len(curve) - 1, "the case must stop early to test anything"
        _, outcome, short = train(**keywords, patience=patience)
        assert (outcome.best_epoch, outcome.epochs, len(short)) == (best + 1, last + 1, last + 1)
        # The restored network is the best epoch's, not the last one's.
        recorded = short[best].metrics["validation"]["loss"]
        assert outcome.metrics["validation"]["loss"] == pytest.approx(recorded, rel=1e-6)
    assert full.epochs == 60


def test_without_restoring_the_last_network_is_scored():
    keywords = {"optimizer": NadamConfig(learning_rate=0.01), "epochs": 80}  # it overfits
    _, outcome, records = train(**keywords, restore_best=False)
    last = records[-1].metrics["validation"]["loss"]
    assert outcome.metrics["validation"]["loss"] == pytest.approx(last, rel=1e-6)
    assert outcome.best_epoch < outcome.scored_epoch == 80
    assert outcome.scored_step == records[-1].step


def test_without_validation_rows_the_last_epoch_stands_for_the_run():
    data = make_dataset(counts=(200, 0, 47))
    trained, outcome, records = train(data=data)
    assert outcome.best_epoch == outcome.epochs == 5
    assert set(outcome.metrics) == {"train", "test"}
    assert_same(trained.state.best, trained.state.train.network)
    assert all(set(record.metrics) == {"train"} for record in records)


@pytest.mark.parametrize("restore_best", [True, False])
def test_divergence_stops_the_run_and_names_the_epoch(restore_best):
    """Momentum of 0.95 breaks this run after some healthy epochs; the best of them is scored."""
    optimizer = SgdConfig(learning_rate=0.5, momentum=0.95)
    _, outcome, records = train(optimizer=optimizer, epochs=60, restore_best=restore_best)
    assert outcome.status == "diverged"
    assert 1 < outcome.epochs == len(records) < 60
    *healthy, broken = [record.metrics["validation"] for record in records]
    assert np.isfinite([record["loss"] for record in healthy]).all()
    assert np.isnan([*broken.values()]).all()
    losses = [record["loss"] for record in healthy]
    assert outcome.best_epoch == outcome.scored_epoch == int(np.argmin(losses)) + 1
    assert outcome.metrics["validation"]["loss"] == pytest.approx(min(losses), rel=1e-6)
    assert all(0 <= split["roc_auc"] <= 1 for split in outcome.metrics.values())


def test_a_run_that_breaks_at_once_has_no_metrics():
    _, outcome, records = train(optimizer=SgdConfig(learning_rate=1e8), epochs=30)
    assert (outcome.status, outcome.epochs, outcome.best_epoch) == ("diverged", 1, 0)
    assert outcome.metrics == {}
    assert len(records) == 1


def test_weights_alone_can_diverge():
    """One batch an epoch and no validation rows: the loss before the only step is fine."""
    data = make_dataset(counts=(200, 0, 47))
    data = replace(data, features=data.features * 100)
    optimizer = SgdConfig(learning_rate=3e38)
    _, outcome, records = train(data=data, optimizer=optimizer, batch_size=200)
    assert np.isfinite(records[0].metrics["train"]["loss"])
    assert (outcome.status, outcome.epochs) == ("diverged", 1)


@pytest.mark.parametrize("monitor", slow_but(["loss", "accuracy"], 1))
def test_validation_alone_can_diverge(monitor):
    data = make_dataset()
    features = data.features.copy()
    features[data.rows["validation"][0]] = np.inf
    _, outcome, records = train(data=replace(data, features=features), monitor=monitor)
    assert np.isfinite(records[0].metrics["train"]["loss"])
    assert (outcome.status, outcome.epochs) == ("diverged", 1)


def test_a_batch_larger_than_the_training_set_is_the_whole_set():
    whole, _, _ = train(batch_size=bucket(200))
    larger, _, _ = train(batch_size=100_000)
    assert_same(whole.state, larger.state)


@pytest.mark.parametrize("rows", [1, 7, 15, 16, 17, 200, 1000, 11_941, 12_100, 130_000])
def test_buckets_add_at_most_an_eighth_and_hold_neighbours(rows):
    assert rows <= bucket(rows) <= rows * 9 / 8
    assert bucket(bucket(rows)) == bucket(rows)
    assert bucket(0) == 0


@pytest.mark.slow
def test_padding_changes_no_number(monkeypatch):
    """193 training rows are padded to 208: the same weights, metrics to rounding."""
    data = make_dataset(counts=(193, 41, 47))
    padded, outcome, records = train(data=data)
    monkeypatch.setattr(shapes, "bucket", lambda rows: rows)
    plain, expected, plain_records = train(data=data)
    assert_same(padded.state.train, plain.state.train)
    assert (outcome.epochs, outcome.best_epoch) == (expected.epochs, expected.best_epoch)
    for ours, theirs in zip(records, plain_records, strict=True):
        assert ours.metrics["train"] == theirs.metrics["train"]
        assert ours.metrics["validation"] == pytest.approx(theirs.metrics["validation"], rel=1e-6)


@pytest.mark.slow
def test_an_extreme_unit_of_the_target_does_not_disturb_early_stopping():
    data = make_dataset(task="regression")
    for scale in (1e-25, 1e25):
        scaled = replace(data, target_scale=np.full(3, scale))
        _, outcome, _ = train(data=scaled, monitor="rmse", epochs=10)
        _, expected, _ = train(data=data, monitor="rmse", epochs=10)
        assert outcome.best_epoch == expected.best_epoch > 1


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_every_order_of_a_few_rows_is_as_likely(count):
    """Chi-square over all permutations, 4 cases at 1e-4 each."""
    draws = 200 * math.factorial(count)
    orders = jax.vmap(
        lambda seed: training._permutation({"seed": seed}, jnp.int32(3), jnp.int32(count), (8,))
    )(jnp.arange(draws, dtype=jnp.uint32))[:, :count]
    codes = np.asarray(orders) @ (count ** np.arange(count))
    _, cells = np.unique(codes, return_counts=True)
    assert len(cells) == math.factorial(count)
    assert stats.chisquare(cells).pvalue > 1e-4


@pytest.mark.parametrize("count", [200, 16_384, 20_000, 200_000])
def test_large_orders_have_no_structure(count):
    """Over 40 epochs: where rows come from, what follows a row, and how often order is kept."""
    _, _, member, _ = make()
    shuffle = jax.jit(training._permutation, static_argnums=3)
    cells, follows, kept = np.zeros((16, 16)), [], 0
    for epoch in range(40):
        order = np.asarray(shuffle(member, jnp.int32(epoch), jnp.int32(count), (bucket(count),)))
        order = order[:count].astype(np.int64)
        np.add.at(cells, (order * 16 // count, np.arange(count) * 16 // count), 1)
        follows.append((order[1:] - order[:-1]) % count * 16 // count)
        kept += (order[1::2] > order[:-1:2]).sum()
    # Rows and columns of the table have fixed sums: a contingency table.
    assert stats.chi2_contingency(cells).pvalue > 1e-4
    steps = np.bincount(np.concatenate(follows), minlength=16)
    expected = np.full(16, steps.sum() / 16)
    # A row never follows itself, which takes one of `count` steps from the first cell.
    expected[0] -= steps.sum() / count
    assert stats.chisquare(steps, expected * steps.sum() / expected.sum()).pvalue > 1e-4
    pairs = 40 * (count // 2)
    assert stats.binomtest(int(kept), pairs).pvalue > 1e-4


def test_every_seed_has_its_own_order():
    _, _, member, _ = make()
    orders = [shuffled({**member, "seed": np.uint32(seed)}, 0, 200, (200,)) for seed in (0, 1)]
    assert (orders[0] == orders[1]).mean() < 0.1


def test_same_seed_same_bits_other_seed_other_numbers():
    first, _, records = train(seed=3)
    again, _, records_again = train(seed=3)
    other, _, _ = train(seed=4)
    assert_same(first.state, again.state)
    assert records == records_again
    assert not np.array_equal(
        first.state.train.network.params["output"]["kernel"],
        other.state.train.network.params["output"]["kernel"],
    )


@pytest.mark.parametrize("length", slow_but([1, 2, 8], 1))
def test_chunks_of_any_length_give_the_same_bits(length, monkeypatch):
    whole, _, records = train(epochs=11, patience=4)
    monkeypatch.setattr(programs, "_MAX_CHUNK", length)
    chunked, _, chunked_records = train(epochs=11, patience=4)
    assert chunked.strategy["chunk_epochs"] == length
    assert_same(whole.state, chunked.state)
    assert records == chunked_records
