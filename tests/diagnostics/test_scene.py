"""What layers compute and what flows back through them, against networks written out in NumPy."""

import jax
import numpy as np
import pytest
from conftest import make_dataset, slow_but
from stage import DATA, plain, quickly, set_up
from written_out import Network, derivative

from snnjax.diagnostics.kernels import trained_weights_of, weights_of
from snnjax.nn.randomness import Randomness
from snnjax.step import mean_loss

DIGITS = make_dataset(features=64)
NORMS = ("batch", "layer", "rms", "weight")
MODELS = [
    {"activation": "tanh"},
    {"activation": "relu", "width": 130},  # wider layers have their rows first
    {"activation": "selu", "depth": 12, "width": 6},
    {"name": "mlp", "norm": "batch", "activation": "tanh"},
    {"name": "resnet", "activation": "tanh", "depth": 2},
    {"name": "highway", "activation": "tanh", "depth": 3},
    {"name": "maxout", "activation": "maxout"},
    {"name": "cnn", "depth": 1, "activation": "tanh"},
    {"activation": "prelu"},
    {"activation": "rrelu"},
    *({"activation": name} for name in ("sigmoid", "softsign", "elu", "leaky_relu", "silu")),
    *({"activation": "tanh", "norm": norm} for norm in NORMS[1:]),
    *({"activation": "tanh", "norm": n, "norm_placement": "after"} for n in NORMS[:3]),
    {"activation": "selu", "norm": "batch", "width": 130},
    {"name": "cnn", "depth": 2, "activation": "selu", "norm": "batch"},
    {"name": "resnet", "activation": "relu", "block_layers": 3, "form": "diavolo"},
    {"name": "resnet", "norm": "layer", "norm_placement": "after", "activation": "sigmoid"},
    {"name": "highway", "activation": "relu", "depth": 11, "norm": "batch"},
    {"form": "conic", "activation": "tanh", "depth": 3},
    {"activation": "maxout", "pieces": 3, "width": 130},
    {"name": "mlp", "dropout": 0.3, "input_dropout": 0.2, "dropout_kind": "ordinary"},
]


def by_choices(choices):
    return "-".join(str(value) for value in choices.values())


@pytest.fixture(scope="module", params=slow_but(MODELS, 2, 3), ids=by_choices)
def seen(request):
    """Return a network, and what a scene shows of it."""
    data = DIGITS if request.param.get("name") == "cnn" else DATA
    config = plain(**request.param)
    stage = set_up(config, data, moved=0.3 if data is DATA else 0.05)
    order = []

    def look(scene):
        order[:] = [[*scene.layers], *([*own] for own in scene.gradients), [*scene.kernels]]
        return scene.layers, scene.gradients, scene.weight_gradients, scene.kernels

    return config.model, stage, stage.see(look), order


def test_layers_show_what_they_compute(seen):
    model, stage, (layers, *_), _ = seen
    x, labels = stage.rows()
    written = Network(model, stage.params)
    written.row_losses(x, labels)
    assert len(layers) == len(written.seen) / 2
    for (kind, number), expected in written.seen.items():
        values = getattr(layers[str(number)], kind)[: len(expected)]
        np.testing.assert_allclose(values, expected, rtol=1e-3, atol=2e-5)


def test_gradients_are_those_of_each_rows_own_loss(seen):
    """At a few places each."""
    model, stage, (_, gradients, *_), _ = seen
    x, labels = stage.rows()
    written, random = Network(model, stage.params), np.random.default_rng(0)
    written.row_losses(x, labels)
    largest = 0.0
    for (kind, number), values in written.seen.items():
        own = gradients[0 if kind == "preactivation" else 1][str(number)]
        scale = np.abs(own).max()
        for _ in range(3):
            row, column = random.integers(len(values)), random.integers(values.shape[1])
            expected = derivative(model, stage.params, x, labels, (kind, number, row, column))
            np.testing.assert_allclose(own[row, column], expected, rtol=1e-3, atol=1e-4 * scale)
            largest = max(largest, abs(expected))
        assert not own[len(values) :].any()
    assert largest > 1e-4


def test_gradients_of_weights_are_those_of_the_loss(seen):
    """Nothing is dropped here, as a network without dropout does in training."""
    model, stage, (_, _, found, _), _ = seen
    if model.dropout:
        return
    x, labels = stage.rows()
    batch = stage.scene(stage.state, 53).batch
    np.testing.assert_allclose(batch.inputs, x)
    np.testing.assert_array_equal(batch.targets, labels)
    randomness = Randomness(None, batch.mask)

    def mean(params):
        extra = stage.state.train.network.extra
        return mean_loss(
            stage.program, stage.problem, params, extra, batch, stage.member, randomness
        )[0]

    expected = quickly(jax.grad(mean), stage.params)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_weights_are_those_that_multiply(seen):
    """Gradients by weights are what enters a layer times what flows back to its net inputs."""
    model, stage, (layers, gradients, of_params, kernels), _ = seen
    if model.norm != "none" or model.name not in ("snn", "mlp"):
        return
    x = np.asarray(stage.rows()[0], np.float64)
    rows, by_weights = len(x), trained_weights_of(of_params)
    for number in range(1, model.depth + 1):
        label = str(number)
        flowing = gradients[0][label][:rows].astype(np.float64)
        np.testing.assert_allclose(by_weights[label], x.T @ flowing / rows, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(
            kernels[label].weights, stage.params["hidden"][number - 1]["linear"]["kernel"]
        )
        x = layers[label].activation[:rows].astype(np.float64)
    np.testing.assert_array_equal(kernels["output"].weights, stage.params["output"]["kernel"])


def test_labels_are_in_the_order_of_the_network(seen):
    model, _, (layers, *_), orders = seen
    numbers = sorted(layers, key=int)
    assert numbers == [str(number) for number in range(1, len(layers) + 1)]
    *of_layers, kernels = orders
    assert of_layers == [numbers] * 3
    assert [label for label in kernels if label.isdigit()] == numbers
    assert kernels[-1] == "output"
    gates = [label for label in kernels if "gate" in label]
    assert gates == [f"hidden.{n}.gate" for n in range(1, model.depth)] * (model.name == "highway")


def test_kernels_of_many_layers_are_not_confused():
    """Eleven layers and more: "10" comes before "2" in the alphabet."""
    stage = set_up(plain(depth=12, width=5))
    found = stage.see(lambda scene: [own.weights for own in scene.kernels.values()])
    for number, weights in enumerate(found[:-1]):
        np.testing.assert_array_equal(weights, stage.params["hidden"][number]["linear"]["kernel"])
    assert [*weights_of(stage.params)] == [*map(str, range(1, 13)), "output"]
