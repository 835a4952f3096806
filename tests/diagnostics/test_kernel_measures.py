"""Weights, their sums and norms, the next update, drift, and all that measures put together."""

import jax
import numpy as np
import pytest
from stage import plain, set_up

from snnjax.config.optimization import (
    AdamConfig,
    CosineConfig,
    NadamConfig,
    PlateauConfig,
    SgdConfig,
)
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.diagnostics.measures import activations, drift, gradients, theory, weights
from snnjax.diagnostics.predicted import predicted
from snnjax.diagnostics.statistics import BINS
from snnjax.step import train_step
from snnjax.theory.moments.activations import activation_moments
from snnjax.theory.moments.moment_map import Moments
from snnjax.training import pace_of

KINDS = ("mean", "variance", "p98", "histogram", "edges")


def numpy_of(values):
    return {
        "mean": values.mean(),
        "variance": values.var(),
        "edges": np.array([values.min(), values.max()]),
    }


def test_twelve_layers_keep_their_places_in_every_measure():
    """Names that go through JAX come back sorted: 1, 10, 11, 12, 2, ..."""
    stage = set_up(plain(depth=12, width=7, activation="tanh"))
    seen = stage.see(lambda s: activations(s) | gradients(s) | weights(s))
    arrays = stage.see(lambda s: (s.layers, s.gradients, s.weight_gradients))
    layers, (by_preactivation, by_activation), by_params = arrays
    hidden = stage.params["hidden"]
    flat = [hidden[n]["linear"]["kernel"] for n in range(12)] + [stage.params["output"]["kernel"]]
    steep = [by_params["hidden"][n]["linear"]["kernel"] for n in range(12)]
    steep.append(by_params["output"]["kernel"])
    numbers = [str(n) for n in range(1, 13)]
    expected = {
        "activation": [layers[n].activation[:53] for n in numbers],
        "preactivation": [layers[n].preactivation[:53] for n in numbers],
        "activation_gradient": [by_activation[n][:53] for n in numbers],
        "preactivation_gradient": [by_preactivation[n][:53] for n in numbers],
        "weight": flat,
        "weight_gradient": steep,
    }
    for kind, own in expected.items():
        for place, values in enumerate(own):
            for name, value in numpy_of(values.astype(np.float64)).items():
                found = seen[f"{kind}_{name}"][place]
                np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-7)
            share = (values <= seen[f"{kind}_p98"][place]).mean()
            assert abs(share - 0.98) <= 1.01 / values.size + 0.02
            counts = seen[f"{kind}_histogram"][place]
            assert counts.shape == (BINS,)
            assert counts.sum() == values.size
    np.testing.assert_allclose(seen["weight_norm"], [np.linalg.norm(w) for w in flat], rtol=1e-5)
    np.testing.assert_allclose(seen["gradient_norm"], [np.linalg.norm(w) for w in steep], rtol=1e-5)
    np.testing.assert_allclose(
        seen["omega"][1:], np.stack([w.sum(0) for w in flat[1:12]]), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        seen["tau"][1:], np.stack([(w**2).sum(0) for w in flat[1:12]]), rtol=1e-5
    )


@pytest.mark.slow
def test_omega_and_tau_of_layers_of_several_widths():
    stage = set_up(plain(form="conic", depth=3, width=20))
    seen = stage.see(weights)
    for place, width in enumerate((20, 11, 6)):
        kernel = stage.params["hidden"][place]["linear"]["kernel"]
        np.testing.assert_allclose(seen["omega"][place, :width], kernel.sum(0), atol=1e-5)
        np.testing.assert_allclose(seen["tau"][place, :width], (kernel**2).sum(0), rtol=1e-5)
        assert np.isnan(seen["omega"][place, width:]).all()
        assert np.isnan(seen["tau"][place, width:]).all()


@pytest.mark.slow
def test_normalised_weights_are_those_that_multiply():
    stage = set_up(plain(name="mlp", norm="weight"))
    seen = stage.see(lambda s: weights(s) | gradients(s))
    for place in range(2):
        linear = stage.params["hidden"][place]["linear"]
        direction = linear["direction"].astype(np.float64)
        own = linear["length"] * direction / np.linalg.norm(direction, axis=0)
        assert seen["weight_norm"][place] == pytest.approx(np.linalg.norm(own), rel=1e-5)
        np.testing.assert_allclose(seen["omega"][place], own.sum(0), rtol=1e-4, atol=1e-5)
        assert seen["weight_variance"][place] == pytest.approx(own.var(), rel=1e-4)


STEPS = {
    "momentum": {"optimizer": SgdConfig(learning_rate=0.1, momentum=0.9)},
    "adam": {"optimizer": AdamConfig()},
    "cosine": {"optimizer": NadamConfig(), "schedule": CosineConfig()},
    "plateau": {"optimizer": SgdConfig(learning_rate=0.1), "schedule": PlateauConfig()},
}


@pytest.mark.parametrize(
    "choices",
    ["momentum", *(pytest.param(name, marks=pytest.mark.slow) for name in [*STEPS][1:])],
)
def test_the_update_is_that_of_one_step(choices):
    """With momentum that has been gathered, far into a schedule, and with dropout."""
    config = Config(
        model=ModelConfig(depth=2, width=12, dropout=0.2),
        training=TrainingConfig(batch_size=32, epochs=4),
        **STEPS[choices],
    )
    stage = set_up(config)
    random = np.random.default_rng(5)
    train = stage.state.train

    def filled(leaf):
        is_real = np.issubdtype(leaf.dtype, np.floating) and leaf.ndim
        return np.abs(random.normal(size=leaf.shape)).astype(leaf.dtype) if is_real else leaf

    train = train._replace(opt_state=jax.tree.map(filled, train.opt_state), step=train.step + 15)
    state = stage.state._replace(train=train, epoch=stage.state.epoch + 2)
    if choices == "plateau":
        state = state._replace(plateau=state.plateau._replace(factor=np.float32(0.1)))

    def step(state):
        batch = stage.scene(state, 32).batch
        pace = pace_of(stage.program, stage.problem, stage.member, state, stage.arrays)
        return train_step(
            stage.program, stage.problem, stage.member, state.train, batch, None, pace
        )[0].network.params

    object.__setattr__(stage, "state", state)
    after = jax.tree.map(np.asarray, jax.jit(step)(state))
    seen = stage.see(weights)
    kernels = [
        [params["hidden"][0]["linear"]["kernel"], params["hidden"][1]["linear"]["kernel"],
         params["output"]["kernel"]]
        for params in (stage.params, after)
    ]  # fmt: skip
    moved = [np.linalg.norm(b - a) for a, b in zip(*kernels, strict=True)]
    np.testing.assert_allclose(seen["update_norm"], moved, rtol=1e-4)
    assert min(moved) > 1e-4


@pytest.mark.parametrize("placement", ["before", pytest.param("after", marks=pytest.mark.slow)])
def test_drift_of_running_moments(placement):
    config = plain(name="mlp", norm="batch", norm_placement=placement, activation="tanh")
    stage = set_up(config)
    random = np.random.default_rng(4)
    network = stage.state.train.network

    def moved(leaf):
        return np.exp(random.normal(size=leaf.shape)).astype(leaf.dtype)

    extra = jax.tree.map(moved, network.extra)
    train = stage.state.train._replace(network=network._replace(extra=extra))
    object.__setattr__(stage, "state", stage.state._replace(train=train))
    seen = stage.see(lambda s: drift(s) | {"layers": s.layers})
    x = stage.rows()[0].astype(np.float64)
    for place in range(2):
        layer = seen["layers"][str(place + 1)]
        linear = stage.params["hidden"][place]["linear"]
        z = (
            x @ linear["kernel"] + linear["bias"]
            if placement == "before"
            else layer.activation[:53]
        )
        norm, own = extra["hidden"][place]["norm"], stage.params["hidden"][place]["norm"]
        mean, variance = z.mean(0), z.var(0)
        expected = ((mean - norm["mean"]) ** 2 / norm["variance"]).mean()
        assert seen["drift_mean"][place] == pytest.approx(expected, rel=1e-3)
        expected = (np.log(variance / norm["variance"]) ** 2).mean()
        assert seen["drift_variance"][place] == pytest.approx(expected, rel=1e-3)
        x = layer.activation[:53].astype(np.float64)
        if placement == "after":
            x = (x - mean) / np.sqrt(variance + 1e-5) * own["scale"] + own["shift"]


@pytest.mark.slow
def test_without_batch_normalisation_nothing_drifts():
    assert set_up(plain(norm="layer", name="mlp")).see(drift) == {}


@pytest.mark.parametrize(
    "activation", ["selu", *(pytest.param(n, marks=pytest.mark.slow) for n in ("tanh", "relu"))]
)
def test_predictions_are_the_moment_map_of_the_layer_below(activation):
    config = plain(depth=3, width=40, activation=activation)
    stage = set_up(config)
    seen = stage.see(lambda s: theory(s))
    x = stage.rows()[0].astype(np.float64)
    assert seen["input_mean"] == pytest.approx(x.mean(), abs=1e-6)
    assert seen["input_variance"] == pytest.approx(x.var(), rel=1e-5)
    found = predicted(config.model, seen)
    below = x.mean(), x.var()
    for place in range(3):
        kernel = stage.params["hidden"][place]["linear"]["kernel"].astype(np.float64)
        omega, tau = kernel.sum(0), (kernel**2).sum(0)
        # Each unit has mean mu omega and variance nu tau; of all of them together:
        mean = (below[0] * omega).mean()
        variance = (below[1] * tau).mean() + (below[0] * omega).var()
        expected = activation_moments(config.model, Moments(mean, variance))
        assert found["predicted_mean"][place] == pytest.approx(expected.mean, abs=1e-5)
        assert found["predicted_variance"][place] == pytest.approx(expected.variance, rel=1e-4)
        below = seen["activation_mean"][place], seen["activation_variance"][place]
    fixed = [float(found["fixed_mean"]), float(found["fixed_variance"])]
    if activation == "selu":
        np.testing.assert_allclose(fixed, [0, 1], atol=1e-6)
    else:
        assert np.isnan(fixed).all()


@pytest.mark.slow
def test_predictions_by_quadrature_and_of_a_wide_network():
    """Independently of the theory's code, and of a network that it should describe."""
    config = plain(depth=2, width=2000, activation="selu")
    stage = set_up(config, moved=0.0)
    seen = stage.see(theory)
    found = predicted(config.model, seen)
    z, weight = np.polynomial.hermite_e.hermegauss(200)
    weight = weight / weight.sum()
    tau = float((stage.params["hidden"][1]["linear"]["kernel"].astype(float) ** 2).sum(0).mean())
    omega = stage.params["hidden"][1]["linear"]["kernel"].astype(float).sum(0)
    mu, nu = float(seen["activation_mean"][0]), float(seen["activation_variance"][0])
    z = z * np.sqrt(nu * tau + mu**2 * omega.var()) + mu * omega.mean()
    y = 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))
    mean = (weight * y).sum()
    assert found["predicted_mean"][1] == pytest.approx(mean, abs=3e-3)
    assert found["predicted_variance"][1] == pytest.approx(
        (weight * y**2).sum() - mean**2, rel=5e-3
    )
    assert found["predicted_mean"][1] == pytest.approx(seen["activation_mean"][1], abs=0.05)
    assert found["predicted_variance"][1] == pytest.approx(seen["activation_variance"][1], rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [
        {"name": "mlp", "norm": "batch"},
        {"name": "resnet", "depth": 1},
        pytest.param({"depth": 0}, marks=pytest.mark.slow),
    ],
    ids=["normalised", "no chain", "no layers"],
)
def test_networks_that_the_theory_says_nothing_of(choices):
    config = plain(**choices)
    assert predicted(config.model, set_up(config).see(theory)) == {}


def test_values_that_overflow_predict_nothing():
    config = plain(depth=2)
    stage = set_up(config)
    params = stage.params
    params["hidden"][0]["linear"]["kernel"][:] = 1e30
    found = predicted(config.model, stage.with_params(params).see(theory))
    assert np.isnan(found["predicted_mean"][1])
    assert np.isnan(found["predicted_variance"][1])


@pytest.mark.slow
def test_nothing_is_dropped_and_nothing_random():
    """A look shows what the network computes without its dropout: twice the same."""
    with_dropout, without = plain(dropout=0.4), plain()
    for measure in (activations, gradients):
        one, other = (set_up(config).see(measure) for config in (with_dropout, without))
        for name, array in one.items():
            np.testing.assert_allclose(array, other[name], rtol=1e-5, atol=1e-7)


def test_an_empty_network_has_weights_and_gradients():
    seen = set_up(plain(depth=0)).see(lambda s: activations(s) | gradients(s) | weights(s))
    assert seen["weight_norm"].shape == (1,)
    assert "activation_mean" not in seen
    assert "omega" not in seen
