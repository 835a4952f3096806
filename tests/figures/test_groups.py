"""Which runs are drawn as one group, and what the groups are called."""

from pathlib import Path

import numpy as np
import pytest

from snnjax.config.errors import ConfigError
from snnjax.figures.captions import caption, lines_text, runs_text
from snnjax.figures.groups import group_runs
from snnjax.figures.records import Run

PLAIN = {
    "seed": 0,
    "data.name": "wine",
    "data.root": "/a",
    "model.name": "mlp",
    "model.depth": 5,
    "model.activation": "tanh",
    "model.init": "uniform",
    "optimizer.learning_rate": 0.1,
    "model.norm": "none",
    "optimizer.nesterov": False,
    "clip.norm": None,
}


def run(record=None, folder="x", **changes):
    settings = {**PLAIN, **{key.replace("__", "."): value for key, value in changes.items()}}
    return Run(Path(folder), settings, record or {"epoch": np.array([0.0, 1.0])})


def labels(*runs):
    return [group.label for group in group_runs(runs)]


def test_runs_that_differ_in_seed_and_in_reporting_are_one_group():
    runs = [run(seed=seed, data__root=f"/{seed}", logging__every=seed + 1) for seed in (0, 2, 1)]
    (group,) = group_runs(runs)
    assert (group.label, len(group.runs)) == ("", 3)
    assert runs_text([group]) == "From 3 runs (seeds 0, 1, 2)."


def test_groups_keep_the_order_of_their_first_runs():
    runs = [run(model__depth=depth, seed=seed) for seed in (0, 1) for depth in (7, 3)]
    assert labels(*runs) == ["depth 7", "depth 3"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([{}, {"model__init": "glorot_uniform"}], ["uniform", "glorot uniform"]),
        (
            [{}, {"model__activation": "selu"}, {"model__init": "normal"}],
            ["tanh, uniform", "selu, uniform", "tanh, normal"],
        ),
        ([{"model__depth": 3}, {"model__depth": 100}], ["depth 3", "depth 100"]),
        (
            [{"model__depth": 3, "model__activation": "relu"}, {}, {"model__depth": 3}],
            ["relu, depth 3", "tanh, depth 5", "tanh, depth 3"],
        ),
        (
            [{}, {"optimizer__learning_rate": 1e-4}],
            ["learning rate 0.1", "learning rate 0.0001"],
        ),
        ([{}, {"model__norm": "batch"}], ["no norm", "norm batch"]),
        ([{}, {"optimizer__nesterov": True}], ["no nesterov", "nesterov"]),
        ([{}, {"clip__norm": 1.0}], ["no clip norm", "clip norm 1"]),
        # What differs along with a name need not be told beside it.
        ([{}, {"model__activation": "selu", "model__init": "lecun_normal"}], ["tanh", "selu"]),
        ([{}, {"own__key": 3}], ["no key", "key 3"]),
    ],
)
def test_labels_say_what_differs_and_no_more(changes, expected):
    assert labels(*(run(**change) for change in changes)) == expected


def test_runs_are_put_together_at_the_epochs_they_share():
    first = run({"epoch": np.array([0.0, 1.0, 2.0]), "dead": np.array([[1.0], [2.0], [3.0]])})
    second = run({"epoch": np.array([0.0, 2.0]), "dead": np.array([[5.0], [6.0]])}, seed=1)
    (group,) = group_runs([first, second])
    np.testing.assert_array_equal(group.epochs, [0, 1, 2])
    np.testing.assert_array_equal(group.values("dead")[..., 0], [[1, 2, 3], [5, np.nan, 6]])


def test_runs_of_different_shapes_are_refused_by_file():
    first = run({"epoch": np.zeros(1), "dead": np.zeros((1, 2))})
    second = run({"epoch": np.zeros(1), "dead": np.zeros((1, 3))}, folder="y", seed=1)
    with pytest.raises(
        ConfigError, match=r"y/diagnostics.npz: dead has shape \(3,\).*\(2,\) as in x"
    ):
        group_runs([first, second])[0].values("dead")


def test_captions_count_runs_seeds_looks_and_what_is_not_finite():
    bad = {"epoch": np.array([0.0, 4.0]), "dead": np.array([[0.0], [np.nan]])}
    runs = [run(bad), run(seed=1), run(seed=2), run(model__init="normal", model__depth=6)]
    groups = group_runs(runs)
    text = caption(["Seen."], groups, 5, ["dead"])
    assert text == (
        "Seen. From 4 runs: uniform: 3 runs (seeds 0, 1, 2); normal: 1 run (seed 0). "
        "2 of 5 groups are drawn. Values that are not finite are left out, in 1 of 4 runs. "
        "All: wine, mlp, tanh. The groups differ in model.depth too."
    )
    assert lines_text(groups).startswith("3 looks, epoch 0 to 4. Lines are medians of runs")
    assert lines_text(groups[1:]) == "2 looks, epoch 0 to 1."


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        (range(10), "From 10 runs (seeds 0 to 9)."),
        ((0, 1, 2, 3, 4, 5, 9), "From 7 runs (7 different seeds)."),
        ((3, 3), "From 2 runs (seeds 3, 3)."),
    ],
)
def test_seeds_in_captions(seeds, said):
    assert runs_text(group_runs([run(seed=seed) for seed in seeds])) == said
