"""What a state is expected to look like is what populations begin with."""

from dataclasses import replace
from itertools import product

import jax
import numpy as np
import pytest
from conftest import make_dataset

from snnjax import programs
from snnjax.arrays import lay_out
from snnjax.checkpoint.leaves import named, shapes_of
from snnjax.checkpoint.template import template_of
from snnjax.config.optimization import AdamConfig, MuonConfig, PlateauConfig
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import split
from snnjax.nn.products import types_of
from snnjax.step import can_pad
from snnjax.strategy import Strategy

SMALL = {"depth": 2, "width": 8}
CONFIGS = {
    "snn": Config(),
    "batchnorm": Config(model=ModelConfig("batchnorm", norm="batch", activation="relu", **SMALL)),
    "weightnorm": Config(model=ModelConfig("weightnorm", norm="weight", **SMALL)),
    "highway": Config(model=ModelConfig("highway", dropout_kind="ordinary", **SMALL)),
    "resnet": Config(model=ModelConfig("resnet", dropout_kind="ordinary", **SMALL)),
    "lsuv": Config(model=ModelConfig("mlp", init="lsuv", **SMALL)),
    "adam, plateau": Config(optimizer=AdamConfig(), schedule=PlateauConfig()),
    "muon": Config(optimizer=MuonConfig()),
    "float64": Config(training=TrainingConfig(precision="float64")),
}


def sets(task, kind):
    one = make_dataset(task=task)
    if kind == "bytes":
        return [replace(one, features=one.features.astype(np.uint8))]
    if kind == "weighted":
        return [replace(one, weights=np.ones(len(one.features), np.float32))]
    return [one] if kind == "alone" else [one, make_dataset(features=9, seed=1, task=task)]


TASKS = ("classification", "regression", "multilabel")
KINDS = ("alone", "padded", "bytes", "weighted")
CASES = [
    (name, task, kind)
    for name, task, kind in product(CONFIGS, TASKS, KINDS)
    # other data sets are not padded
    if kind != "padded" or (task != "regression" and can_pad(split(CONFIGS[name])[0]))
]


@pytest.mark.parametrize(("name", "task", "kind"), CASES)
def test_the_template_is_the_first_state(name, task, kind):
    program, member = split(CONFIGS[name])
    layout = lay_out(*sets(task, kind))
    seats = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (member, layout.views[0]))
    with types_of(program.training.precision):

        def start(seats, table):
            return programs.start_members(program, layout.problem, Strategy(), seats, table)

        state = jax.eval_shape(start, seats, layout.table)
    begun = {key: (np.dtype(leaf.dtype).name, leaf.shape[1:]) for key, leaf in named(state).items()}
    assert begun == shapes_of(template_of(program, layout.problem, member))
