"""Data sets of different sizes in one population: the numbers of each are those it has alone."""

import jax
import numpy as np
import pytest
from conftest import make_dataset, slow_but

from snnjax import population
from snnjax.arrays import lay_out
from snnjax.config.optimization import NadamConfig, SgdConfig
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.nn.mlp import hidden_widths
from snnjax.shapes import column_class, problem_of, row_class
from snnjax.strategy import Strategy

SETS = (
    make_dataset(rows=300, features=5, classes=2, counts=(200, 53, 47), seed=1),
    make_dataset(rows=90, features=12, classes=3, counts=(30, 20, 40), seed=2),
    make_dataset(rows=900, features=9, classes=6, counts=(500, 300, 100), seed=3),
)

MOMENTUM, NADAM = SgdConfig(learning_rate=0.05, momentum=0.5), NadamConfig()


def make_members(model, optimizer, **training):
    programs, members = zip(
        *(
            split(
                Config(
                    seed=7 + i,
                    model=model,
                    optimizer=optimizer,
                    training=TrainingConfig(
                        **{"epochs": 6, "batch_size": 32, "monte_carlo": 3 if model.dropout else 0}
                        | training
                    ),
                )
            )
            for i in range(len(SETS))
        ),
        strict=True,
    )
    return programs[0], members


def unpadded(state, model, data, number):
    """Cut a member's parameters down to what its data set uses; the rest must be zero."""
    params = jax.tree.map(lambda leaf: np.asarray(leaf[number]), state.best.params)
    layers = [*(params["hidden"][i]["linear"] for i in range(model.depth)), params["output"]]
    widths = [data.features.shape[1], *hidden_widths(model, data.outputs), data.outputs]
    cut = []
    for layer, rows, columns in zip(layers, widths, widths[1:], strict=False):
        kernel, bias = layer["kernel"], layer["bias"]
        assert not kernel[rows:].any()
        assert not kernel[:, columns:].any()
        assert not bias[columns:].any()
        cut.append((kernel[:rows, :columns], bias[:columns]))
    return cut


@pytest.mark.parametrize(
    ("model", "optimizer", "lanes", "sets"),
    slow_but(
        [
            (ModelConfig(depth=2, width=24, dropout=0.1, input_dropout=0.2), MOMENTUM, 1, SETS[:2]),
            (ModelConfig(depth=2, width=24, dropout=0.1, input_dropout=0.2), MOMENTUM, 1, SETS),
            (ModelConfig(depth=2, width=24, form="conic", dropout=0.1), NADAM, 3, SETS),
            (ModelConfig(depth=1, width=24, activation="relu", dropout=0), NADAM, 1, SETS),
        ],
        0,
    ),
    ids=["two sets", "rectangular", "conic in lockstep", "plain"],
)
def test_padding_changes_no_number(model, optimizer, lanes, sets):
    program, members = make_members(model, optimizer, patience=4)
    members = members[: len(sets)]
    layout = lay_out(*sets)
    assert layout.problem.is_padded
    records = [[] for _ in sets]
    together = population.train(
        program, members, layout, lambda record: records[record.member].append(record.metrics),
        sets=range(len(sets)), strategy=Strategy(lanes),
    )  # fmt: skip
    for number, data in enumerate(sets):
        curve = []
        alone = population.train(
            program, [members[number]], lay_out(data), lambda r, c=curve: c.append(r.metrics)
        )
        ours, theirs = together.outcomes[number], alone.outcomes[0]
        assert (ours.epochs, ours.best_epoch) == (theirs.epochs, theirs.best_epoch)
        for one, other in zip(
            unpadded(together.state, model, data, number),
            unpadded(alone.state, model, data, 0),
            strict=True,
        ):
            np.testing.assert_allclose(one[0], other[0], rtol=2e-3, atol=2e-5)
            np.testing.assert_allclose(one[1], other[1], rtol=2e-3, atol=2e-5)
        for split_name, metrics in theirs.metrics.items():
            assert ours.metrics[split_name] == pytest.approx(metrics, rel=1e-4)
        for one, other in zip(records[number], curve, strict=True):
            assert one.keys() == other.keys()
            for split_name in one:
                assert one[split_name] == pytest.approx(other[split_name], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("monitor", ["roc_auc", "macro_f1"])
def test_early_stopping_does_not_see_the_padding(monitor):
    """With a smooth activation: SELU's slope jumps at 0, and over 25 epochs now and then a unit
    lies so close to it that rounding decides, after which 1e-7 becomes 1e-4."""
    model = ModelConfig(depth=2, width=24, dropout=0.1, activation="jax.numpy:tanh")
    program, members = make_members(
        model, SgdConfig(learning_rate=0.1), epochs=25, patience=3, monitor=monitor
    )
    together = population.train(program, members, lay_out(*SETS), sets=range(3))
    for number, data in enumerate(SETS):
        alone = population.train(program, [members[number]], lay_out(data)).outcomes[0]
        ours = together.outcomes[number]
        assert (ours.epochs, ours.best_epoch) == (alone.epochs, alone.best_epoch)
        assert ours.metrics["test"] == pytest.approx(alone.metrics["test"], rel=1e-5)
    assert min(outcome.epochs for outcome in together.outcomes) < 25


@pytest.mark.slow
def test_folds_of_a_regression_set_are_an_axis():
    """Folds scale their targets differently and differ by a few rows."""
    folds = [
        make_dataset(task="regression", counts=(200 - 2 * i, 50 + i, 47), seed=i) for i in range(3)
    ]
    program, members = make_members(ModelConfig(depth=2, width=12), SgdConfig(), monitor="rmse")
    layout = lay_out(*folds)
    assert not layout.problem.is_padded
    together = population.train(program, members, layout, sets=range(3))
    for number, data in enumerate(folds):
        alone = population.train(program, [members[number]], lay_out(data)).outcomes[0]
        ours = together.outcomes[number]
        assert ours.best_epoch == alone.best_epoch
        for split_name, metrics in alone.metrics.items():
            assert ours.metrics[split_name] == pytest.approx(metrics, rel=1e-5)


def test_folds_that_share_their_features_share_their_rows():
    data = SETS[0]
    layout = lay_out(data, data, SETS[2])
    assert layout.table.features.shape == (1200, 9)
    first, again, other = (np.asarray(view.first["train"]) for view in layout.views)
    indices = np.asarray(layout.table.indices)
    np.testing.assert_array_equal(indices[first : first + 200], indices[again : again + 200])
    assert (indices[other : other + 500] >= 300).all()


def test_sizes_that_share_a_program():
    def columns(features, classes, **keywords):
        return column_class(make_dataset(features=features, classes=classes), **keywords)

    def rows(*counts):
        return row_class(make_dataset(sum(counts), counts=counts))

    assert columns(4, 2) == columns(32, 16) != columns(33, 16)
    assert columns(4, 16) != columns(4, 17) == columns(4, 128)
    assert columns(300, 3) != columns(301, 3)
    assert columns(4, 3, can_pad=False) != columns(5, 3, can_pad=False)
    assert rows(4096, 9, 9) != rows(4097, 9, 9) == rows(9000, 9, 9)
    assert rows(200, 50, 50) != rows(200, 0, 50)
    regression = [make_dataset(classes=n, task="regression") for n in (2, 3)]
    assert column_class(regression[0]) != column_class(regression[1])


def test_rows_are_rounded_up_to_a_few_sizes():
    problem = problem_of(SETS)
    assert problem.train_rows[-1] >= 500
    assert problem.train_rows[0] <= 4 * 30
    assert problem_of([SETS[0]]).train_rows == (208,)
