"""What holds of all models: each YAML trains, populations and padding change no number."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import make_dataset
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


@pytest.mark.parametrize(
    "model",
    [{"name": "highway", "depth": 3, "dropout": 0.2}, RESNET, RESNET | {"form": "diavolo"}],
    ids=["highway", "resnet", "diavolo"],
)
def test_padding_changes_no_number(model):
    program, members = make_members([{}, {}], **model)
    layout = lay_out(*SETS)
    assert layout.problem.is_padded
    together = population.train(program, members, layout, sets=range(2))
    for number, data in enumerate(SETS):
        alone = population.train(program, [members[number]], lay_out(data)).outcomes[0]
        assert_same(together.outcomes[number], alone)


@pytest.mark.parametrize("name", groups()["model"])
def test_every_model_trains(name, tmp_path):
    """Two epochs on the digits leave the chance level, 2.3 nats, behind."""
    GlobalHydra.instance().clear()
    register()
    with initialize_config_dir(str(folder("conf")), version_base="1.3"):
        overrides = [f"model={name}", "training=debug", "training.batch_size=64"]
        overrides += ["logging=quiet", "model.width=32", "optimizer.learning_rate=0.05"]
        config = from_hydra(compose("config", overrides))
    assert experiment.run(config, tmp_path).status == "done"
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["train"]["loss"] < np.log(10)


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
