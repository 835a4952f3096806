"""Parameters and arithmetic that are counted, against networks that are traced and compiled."""

from functools import partial
from itertools import cycle

import jax
import numpy as np
import pytest
from flax import nnx

from snnjax.config.rules import broken_rules
from snnjax.config.schema import CONVOLUTIONAL, Config, ModelConfig
from snnjax.config.split import split
from snnjax.model_summary import summarize_model
from snnjax.nn.linear import Linear
from snnjax.plan.networks import network_of
from snnjax.registry import MODELS, resolve
from snnjax.shapes import Problem
from snnjax.step import Batch, init_state, parameter_count, train_step
from snnjax.theory.depth.network import Ends

BATCH = 128


NAMES = ("mlp", "highway", "resnet", "cnn")
"""One for each kind of network; the others of the registry are built by the same classes."""

NORMS = ("none", "batch", "layer", "rms", "weight")
ACTIVATIONS = ("selu", "prelu", "maxout")
FORMS = ("rectangular", "conic", "diavolo")


def configs(name: str) -> list[Config]:
    """Return a model with each thing that adds parameters, as far as it is allowed."""
    choices = zip(NORMS, cycle(ACTIVATIONS), cycle(FORMS), strict=False)
    made = [
        Config(model=ModelConfig(name=name, norm=n, activation=a, form=f, depth=3, width=20))
        for norm, activation, form in choices
        for n, a, f in ((norm, activation, "rectangular"), ("none", "maxout", form))
    ]
    return [config for config in made if not any(".form" in line for line in broken_rules(config))]


def problem_for(name: str) -> Problem:
    features = 784 if name in CONVOLUTIONAL else 17
    return Problem("classification", features, 10, train_rows=(BATCH,))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_network(name):
    problem = problem_for(name)
    programs = [split(config)[0] for config in configs(name)]
    assert programs
    for program in programs:
        assert network_of(program, problem).parameters == parameter_count(program, problem)


@pytest.mark.parametrize("name", NAMES)
def test_products_are_those_of_the_network(name):
    problem = problem_for(name)
    for config in configs(name)[:3]:
        network = network_of(split(config)[0], problem)
        summary = summarize_model(config.model, Ends(problem.features, problem.outputs))
        assert sum(network.forward().values()) == summary.flops


# XLA counts what is done to single numbers as well: activations, dropout, the update.
TOLERANCE = 0.1


@pytest.mark.parametrize(
    "model",
    [
        ModelConfig(width=256, depth=4, dropout=0.05),
        ModelConfig(name="highway", width=256, depth=3),
        ModelConfig(name="resnet", width=256, depth=2),
        ModelConfig(name="batchnorm", width=256, depth=3, activation="relu", norm="batch"),
    ],
    ids=lambda model: model.name,
)
def test_arithmetic_of_a_step_is_what_the_compiler_counts(model):
    program, member = split(Config(model=model))
    problem = Problem("classification", 32, 10, train_rows=(BATCH,))
    batch = Batch(
        jax.ShapeDtypeStruct((BATCH, 32), np.float32),
        jax.ShapeDtypeStruct((BATCH,), np.int32),
        jax.ShapeDtypeStruct((BATCH,), bool),
    )
    state = jax.eval_shape(partial(init_state, program, problem), member)
    compiled = jax.jit(partial(train_step, program, problem)).lower(member, state, batch).compile()
    analysis = compiled.cost_analysis()
    found = (analysis[0] if isinstance(analysis, list) else analysis)["flops"]
    counted = BATCH * sum(network_of(program, problem).training().values())
    assert counted <= found <= (1 + TOLERANCE) * counted


class Own(nnx.Module):
    """One affine layer."""

    def __init__(self, config, features, outputs, key, value):
        self.linear = Linear(jax.numpy.zeros((features, outputs)))

    def __call__(self, x, randomness=None):
        return self.linear(x)


def test_all_networks_of_the_registry_are_of_a_kind_that_is_counted():
    counted = {resolve("model", name) for name in NAMES}
    assert {resolve("model", name) for name in MODELS} == counted


def test_a_network_of_ones_own_has_the_parameters_it_has():
    program, _ = split(Config(model=ModelConfig(name=f"{__name__}:Own", width=20)))
    assert network_of(program, problem_for("mlp")).parameters == 17 * 10 + 10
