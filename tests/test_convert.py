"""Networks taken over from PyTorch and Keras and given back: equal weights, equal outputs."""

import os
from functools import cache
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.config.optimization import SgdConfig
from snnjax.config.schema import ModelConfig, TrainingConfig
from snnjax.config.split import IN_MEMBER, Program
from snnjax.convert import ConversionError, from_keras, from_torch, to_keras, to_torch
from snnjax.nn import noise
from snnjax.nn.randomness import Randomness
from snnjax.shapes import Problem
from snnjax.step import Network, apply, init_state

# Keras on PyTorch: neither knows of NumPy 2's `copy`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FEATURES, OUTPUTS = 12, 5
CONFIGS = {
    "depth 0": {"depth": 0, "width": 256, "dropout": 0.0},
    "depth 1": {"depth": 1},
    "depth 4": {"depth": 4},
    "depth 32": {"depth": 32},
    "conic": {"depth": 2, "form": "conic"},
    "input dropout": {"depth": 2, "input_dropout": 0.1, "dropout": 0.0},
    "ordinary dropout": {"depth": 2, "activation": "relu", "dropout_kind": "ordinary"},
    "elu": {"depth": 3, "activation": "elu", "elu_alpha": 0.7},
    "leaky_relu": {"depth": 3, "activation": "leaky_relu", "leaky_slope": 0.2},
    "layer norm": {"depth": 3, "norm": "layer", "norm_epsilon": 1e-3},
    "batch norm": {"depth": 3, "norm": "batch", "norm_momentum": 0.75},
    "batch norm after": {"depth": 3, "norm": "batch", "norm_placement": "after"},
    **{
        name: {"depth": 3, "activation": name}
        for name in ("relu", "tanh", "sigmoid", "softsign", "silu", "mish", "identity")
    },
}


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """Keras on PyTorch, whose settings are kept out of the user's folder."""
    pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ.setdefault("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
    return pytest.importorskip("keras", reason="Keras is an oracle, in the `oracles` extra")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is an oracle, in the `oracles` extra")


@pytest.fixture(params=["torch", "keras"])
def library(request):
    """Return how a library's networks are taken over, made, and evaluated."""
    module = request.getfixturevalue(request.param)
    if request.param == "torch":
        return from_torch, to_torch, lambda model, x: model(module.tensor(x)).detach().numpy()
    return from_keras, to_keras, lambda model, x: model.predict(x, verbose=0)


def program_of(config) -> Program:
    return Program(config, SgdConfig(), TrainingConfig())


def problem_of(features=FEATURES, outputs=OUTPUTS) -> Problem:
    return Problem("classification", features, outputs)


@cache
def make(**choices) -> tuple[ModelConfig, Network]:
    """Draw a network whose biases, factors and moments are about 1."""
    config = ModelConfig(**{"name": "mlp", "width": 24} | choices)
    shapes = jax.eval_shape(
        lambda: init_state(program_of(config), problem_of(), {"seed": 0})
    ).network
    random = np.random.default_rng(1)

    def draw(leaf):
        spread = leaf.shape[0] ** -0.5 if leaf.ndim == 2 else 0.1
        return jnp.asarray(random.normal(leaf.ndim == 1, spread, leaf.shape), jnp.float32)

    return config, jax.tree.map(draw, shapes)


def outputs_of(config, network, x):
    problem = problem_of(x.shape[1], network.params["output"]["bias"].size)
    return np.asarray(apply(program_of(config), problem, network, jnp.asarray(x), None)[0])


def inputs(rows=40) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(rows, FEATURES)).astype(np.float32)


@pytest.mark.parametrize("choices", CONFIGS.values(), ids=CONFIGS)
def test_outputs_are_equal_and_weights_come_back_bit_for_bit(library, choices):
    """In evaluation; rounding grows with depth, each layer adds some 1e-7."""
    take, give, evaluate = library
    config, network = make(**choices)
    theirs = give(config, network)
    x = inputs()
    ours = outputs_of(config, network, x)
    close = {"rtol": 1e-5, "atol": 2e-6 * np.abs(ours).max()}
    np.testing.assert_allclose(evaluate(theirs, x), ours, **close)

    back = take(theirs)
    assert (back.config, back.features, back.outputs) == (config, FEATURES, OUTPUTS)
    assert jax.tree.structure(back.network) == jax.tree.structure(network)
    jax.tree.map(np.testing.assert_array_equal, back.network, network)


def test_a_torch_network_is_taken_over_as_it_is_written(torch):
    """Drawn and trained by PyTorch, the running moments too."""
    nn = torch.nn
    torch.manual_seed(0)
    layers = [nn.AlphaDropout(0.1)]
    for fan_in, fan_out in [(FEATURES, 16), (16, 16)]:
        layers += [nn.Linear(fan_in, fan_out), nn.BatchNorm1d(fan_out), nn.SELU()]
        layers += [nn.AlphaDropout(0.05)]
    model = nn.Sequential(*layers, nn.Linear(16, OUTPUTS))
    for _ in range(5):
        model(torch.randn(64, FEATURES)).square().sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 1e-3 * parameter.grad
    config, features, outputs, network = from_torch(model)
    assert config == ModelConfig(
        *("mlp", 2, 16), norm="batch", norm_momentum=0.9, dropout=0.05, input_dropout=0.1
    )
    assert (features, outputs) == (FEATURES, OUTPUTS)
    x = inputs()
    ours = outputs_of(config, network, x)
    expected = model.eval()(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)

    state = to_torch(config, network).state_dict()
    for name, tensor in model.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(state[name], tensor), name

    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.zero_()
    np.testing.assert_array_equal(outputs_of(config, network, x), ours)  # nothing is shared


def test_a_keras_network_is_taken_over_as_it_is_written(keras):
    layers = [
        keras.Input((FEATURES,)),
        *[keras.layers.Dense(16, "selu", kernel_initializer="lecun_normal")],
        *[keras.layers.AlphaDropout(0.1), keras.layers.Dense(16, "selu")],
        *[keras.layers.AlphaDropout(0.1), keras.layers.Dense(OUTPUTS)],
    ]
    model = keras.Sequential(layers)
    config, features, outputs, network = from_keras(model)
    assert config == ModelConfig("mlp", 2, 16, dropout=0.1)
    assert (features, outputs) == (FEATURES, OUTPUTS)
    x = inputs()
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(outputs_of(config, network, x), expected, rtol=1e-5, atol=1e-6)
    again = to_keras(config, network)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_taken_over_trains_with_its_dropout(torch):
    config, network = make(depth=2, dropout=0.4)
    converted = from_torch(to_torch(config, network))
    randomness = Randomness(noise.make_key(jnp.uint32(0)), jnp.ones(40, bool))
    problem, x = problem_of(), jnp.asarray(inputs())
    ours, theirs = (
        apply(program_of(one), problem, net, x, randomness)[0]
        for one, net in ((config, network), (converted.config, converted.network))
    )
    np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(ours, outputs_of(config, network, inputs()))


def linear(nn, *widths, between=()):
    """Alternate linear layers with layers that `between` makes."""
    layers = []
    for fan_in, fan_out in pairwise(widths[:-1]):
        layers += [nn.Linear(fan_in, fan_out), *(make_layer(fan_out) for make_layer in between)]
    return [*layers, nn.Linear(*widths[-2:])]


REFUSED_OF_TORCH = {
    "unknown": (lambda nn: [nn.Linear(3, 4), nn.Conv1d(1, 1, 1)], "layer 1 (Conv1d)", "SELU"),
    "no affine": (lambda nn: [nn.SELU()], "no affine layer", ""),
    "softmax": (lambda nn: [nn.Linear(3, 4), nn.SELU()], "layer 1 (SELU)", "logits"),
    "no bias": (lambda nn: [nn.Linear(3, 4, bias=False)], "layer 0 (Linear)", "bias"),
    "float64": (lambda nn: [nn.Linear(3, 4).double()], "layer 0 (Linear)", "float32"),
    "order": (
        lambda nn: linear(nn, 3, 4, 2, between=[lambda w: nn.AlphaDropout(), lambda w: nn.SELU()]),
        "layer 1 (AlphaDropout), layer 2 (SELU)",
        "[activation]",
    ),
    "mixed": (
        lambda nn: [
            *linear(nn, 3, 4, 4, between=[lambda w: nn.SELU()]),
            nn.ReLU(),
            nn.Linear(4, 2),
        ],
        "layer 2 (Linear)",
        "activation=relu",
    ),
    "widths": (lambda nn: linear(nn, 3, 8, 5, 7, 2), "8, 5, 7", "8, 5, 3"),
    "chain": (lambda nn: [nn.Linear(3, 4), nn.Linear(5, 2)], "layer 1 (Linear)", "4"),
    "before": (lambda nn: [nn.SELU(), nn.Linear(3, 4)], "layer 0 (SELU)", "one dropout"),
    "kinds": (
        lambda nn: [
            nn.Dropout(0.1),
            *linear(nn, 3, 4, 2, between=[lambda w: nn.SELU(), lambda w: nn.AlphaDropout(0.1)]),
        ],
        "layer 0 (Dropout)",
        "alpha",
    ),
    "range": (
        lambda nn: linear(nn, 3, 4, 2, between=[lambda w: nn.LeakyReLU(1.5)]),
        "model.leaky_slope=1.5",
        "<= 1",
    ),
    "statistics": (
        lambda nn: linear(nn, 3, 4, 2, between=[lambda w: nn.BatchNorm1d(w, momentum=None)]),
        "layer 1 (BatchNorm1d)",
        "momentum",
    ),
    "no factors": (
        lambda nn: linear(nn, 3, 4, 2, between=[lambda w: nn.LayerNorm(w, bias=False)]),
        "layer 1 (LayerNorm)",
        "bias",
    ),
}


@pytest.mark.parametrize(
    ("layers", "named", "said"), REFUSED_OF_TORCH.values(), ids=REFUSED_OF_TORCH
)
def test_what_is_no_perceptron_of_ours_is_refused_with_the_layer(torch, layers, named, said):
    with pytest.raises(ConversionError) as refusal:
        from_torch(torch.nn.Sequential(*layers(torch.nn)))
    (line,) = str(refusal.value).splitlines()
    assert named in line
    assert said in line


def test_other_objects_are_refused(torch, keras):
    with pytest.raises(ConversionError, match="SELU: is not taken over"):
        from_torch(torch.nn.SELU())
    with pytest.raises(ConversionError, match="built"):
        from_keras(keras.Sequential([keras.layers.Dense(3)]))


REFUSED_OF_KERAS = {
    "unknown": (lambda k: [k.Dense(4), k.Reshape((4, 1))], "layer 1 (Reshape)", "AlphaDropout"),
    "softmax": (lambda k: [k.Dense(4, "softmax")], "layer 0 (Dense)", "softmax"),
    "no bias": (lambda k: [k.Dense(4, use_bias=False)], "layer 0 (Dense)", "bias"),
    "noise": (
        lambda k: [k.Dense(4), k.Dropout(0.1, noise_shape=(None, 1)), k.Dense(2)],
        "layer 1 (Dropout)",
        "Dropout",
    ),
    "clipped": (
        lambda k: [k.Dense(4), k.ReLU(max_value=6), k.Dense(2)],
        "layer 1 (ReLU)",
        "ReLU",
    ),
    "float16": (lambda k: [k.Dense(4, dtype="float16")], "layer 0 (Dense)", "float16"),
}


@pytest.mark.parametrize(
    ("layers", "named", "said"), REFUSED_OF_KERAS.values(), ids=REFUSED_OF_KERAS
)
def test_keras_layers_that_are_not_ours_are_refused(keras, layers, named, said):
    model = keras.Sequential([keras.Input((FEATURES,)), *layers(keras.layers)])
    with pytest.raises(ConversionError) as refusal:
        from_keras(model)
    (line,) = str(refusal.value).splitlines()
    assert named in line
    assert said in line


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"activation": "maxout"}, "model.activation=maxout"),
        ({"norm": "weight"}, "model.norm=weight"),
        ({"selu_alpha": 2.0}, "model.selu_alpha=2.0"),
        ({"dropout_mean": 0.5}, "model.dropout_mean=0.5"),
        ({"dropout_kind": "feature_alpha"}, "model.dropout_kind=feature_alpha"),
    ],
)
def test_what_other_libraries_lack_is_refused_by_its_key(torch, choices, said):
    config, network = make(depth=2, **choices)
    with pytest.raises(ConversionError, match=said):
        to_torch(config, network)


def test_only_one_member_with_its_numbers_is_given_away(torch):
    config, network = make(depth=2)
    with pytest.raises(ConversionError, match="stacked"):
        to_torch(config, jax.tree.map(lambda leaf: leaf[None], network))
    with pytest.raises(ConversionError, match=r"model\.dropout: is the member's"):
        to_torch(ModelConfig(**vars(config) | {"dropout": IN_MEMBER}), network)
    with pytest.raises(ConversionError, match=r"model\.name=flax"):
        to_torch(ModelConfig(**vars(config) | {"name": "flax.nnx:Module"}), network)


def test_importing_the_converter_imports_neither_library(run_code):
    done, imported = run_code("import snnjax.convert")
    assert done.returncode == 0
    assert not imported & {"torch", "keras"}
