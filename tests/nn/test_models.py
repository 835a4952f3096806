"""What holds of all models: each YAML trains, populations and padding change no number."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import hasty, make_dataset, slow_but
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from snnjax import experiment, population
from snnjax.arrays import lay_out
from snnjax.config.optimization import SgdConfig
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.sources import folder, groups, register
from snnjax.config.split import split
from snnjax.config.strict import from_hydra
from snnjax.nn.mlp import MLP
from snnjax.nn.padding import Used
from snnjax.shapes import Problem, problem_of
from snnjax.step import Batch, apply, init_state, train_step
from snnjax.strategy import Strategy

SETS = (
    make_dataset(rows=300, features=5, classes=2, counts=(200, 53, 47), seed=1),
    make_dataset(rows=90, features=12, classes=3, counts=(30, 20, 40), seed=2),
)
IMAGES = make_dataset(rows=120, features=64, classes=3, counts=(64, 24, 32), seed=3)
RESNET = {"name": "resnet", "depth": 1, "activation": "relu", "norm": "batch", "dropout": 0.0}


def make_members(changes, **model):
    """Make members of one program that differ in some numbers."""
    programs, members = zip(
        *(
            split(
                Config(
                    seed=seed,
                    model=ModelConfig(**{"width": 16, "init": "he_normal"} | model | change),
                    optimizer=SgdConfig(learning_rate=0.02),
                    training=TrainingConfig(epochs=2, batch_size=32),
                )
            )
            for seed, change in enumerate(changes)
        ),
        strict=True,
    )
    assert len(set(programs)) == 1
    return programs[0], members


def assert_same(one, other):
    for split_name, metrics in other.metrics.items():
        assert one.metrics[split_name] == pytest.approx(metrics, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("model", "changes", "data"),
    [
        (
            {"name": "highway", "depth": 3},
            [{"gate_bias": -4.0, "dropout": 0.3}, {"gate_bias": -1.0, "dropout": 0.1}],
            SETS[0],
        ),
        (
            {"name": "cnn", "depth": 1},
            [{"conv_dropout": 0.3, "dropout": 0.1}, {"conv_dropout": 0.1, "dropout": 0.4}],
            IMAGES,
        ),
    ],
    ids=["highway", "cnn"],
)
@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 2])
def test_a_population_of_rates_and_gates_equals_single_runs(lanes, model, changes, data):
    program, members = make_members(changes, **model)
    layout = lay_out(data)
    together = population.train(program, members, layout, strategy=Strategy(lanes))
    for number, member in enumerate(members):
        alone = population.train(program, [member], layout, strategy=Strategy()).outcomes[0]
        assert_same(together.outcomes[number], alone)


PADDED = pytest.mark.parametrize(
    "model",
    [{"name": "highway", "depth": 3, "dropout": 0.2}, RESNET, RESNET | {"form": "diavolo"}],
    ids=["highway", "resnet", "diavolo"],
)


@PADDED
def test_a_padded_network_learns_what_it_does_alone(model):
    """One step of training on 13 of 16 rows, and the outputs after it."""
    program, (member, _) = make_members([{}, {}], **model | {"dropout": 0.0})
    random = np.random.default_rng(0)
    x, mask = jnp.asarray(random.normal(size=(16, 5)), jnp.float32), jnp.arange(16) < 13
    labels = jnp.asarray(random.integers(0, 3, 16), jnp.int32)

    @hasty
    def outputs(x, used=None):
        columns = (x.shape[1], 8 if used else 3)
        problem = Problem("classification", *columns, is_padded=used is not None)
        state = init_state(program, problem, member, used)
        batch = Batch(x, labels, mask)
        trained, _ = train_step(program, problem, member, state, batch, used)
        return [apply(program, problem, s.network, x, None)[0] for s in (state, trained)]

    start, end = outputs(x)
    used = Used(jnp.int32(5), jnp.int32(3))
    for alone, padded in zip(
        (start, end), outputs(jnp.pad(x, ((0, 0), (0, 7))), used), strict=True
    ):
        np.testing.assert_allclose(padded[:13, :3], alone[:13], rtol=1e-4, atol=1e-6)
        assert not padded[:, 3:].any()
    assert np.abs(end - start)[:13].max() > 1e-3


@pytest.mark.slow
@PADDED
def test_padding_changes_no_number(model):
    program, members = make_members([{}, {}], **model)
    layout = lay_out(*SETS)
    assert layout.problem.is_padded
    together = population.train(program, members, layout, sets=range(2))
    for number, data in enumerate(SETS):
        alone = population.train(program, [members[number]], lay_out(data)).outcomes[0]
        assert_same(together.outcomes[number], alone)


MODELS = groups()["model"]


@pytest.mark.parametrize("name", slow_but(MODELS, MODELS.index("cnn")))
def test_every_model_trains(name, tmp_path):
    """Two epochs on the digits leave the chance level, 2.3 nats, behind."""
    # With N(0, 1) weights, the loss begins above 3 nats and takes longer.
    config = config_of(name, *["training.epochs=20"] * (name == "sigmoid"))
    assert experiment.run(config, tmp_path).status == "done"
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["train"]["loss"] < np.log(10)


@pytest.mark.parametrize("name", MODELS)
def test_a_step_of_every_model_keeps_its_state(name):
    """Its shapes and types, found by tracing, which compiles nothing."""
    program, member = split(config_of(name))
    data = make_dataset(features=64)
    problem = problem_of([data])
    rows = jax.ShapeDtypeStruct((8,), jnp.int32)
    state = jax.eval_shape(partial(init_state, program, problem), member)
    batch = Batch(jax.ShapeDtypeStruct((8, 64), jnp.float32), rows, rows.update(dtype=bool))
    after, sums = jax.eval_shape(partial(train_step, program, problem), member, state, batch)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), state
    )
    assert sums["loss"].shape == ()


def config_of(name, *more):
    GlobalHydra.instance().clear()
    register()
    with initialize_config_dir(str(folder("conf")), version_base="1.3"):
        overrides = [f"model={name}", "training=debug", "training.batch_size=64"]
        overrides += ["logging=quiet", "model.width=32", "optimizer.learning_rate=0.05", *more]
        return from_hydra(compose("config", overrides))


def test_without_hidden_layers_it_is_logistic_regression():
    """With the weights that scikit-learn finds it gives the same probabilities."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    network = MLP(ModelConfig(depth=0), 12, 3, jax.random.key(0))
    assert not network.hidden
    x, labels = SETS[1].features, SETS[1].targets
    oracle = linear_model.LogisticRegression(C=np.inf, max_iter=1000).fit(x, labels)
    network.output.kernel[...] = jnp.asarray(oracle.coef_.T, jnp.float32)
    network.output.bias[...] = jnp.asarray(oracle.intercept_, jnp.float32)
    probabilities = jax.nn.softmax(network(jnp.asarray(x)))
    np.testing.assert_allclose(probabilities, oracle.predict_proba(x), rtol=1e-3, atol=1e-5)
