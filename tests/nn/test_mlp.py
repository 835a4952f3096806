"""The multilayer perceptron: shapes, forms, randomness only in training, self-normalisation."""

from itertools import pairwise, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import slow_but

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.mlp import MLP, hidden_widths
from snnjax.nn.randomness import Randomness


def build(features=20, outputs=5, seed=0, **keywords) -> MLP:
    return MLP(ModelConfig(**keywords), features, outputs, jax.random.key(seed))


def randomness(step=0) -> Randomness:
    return Randomness(noise.fold(noise.make_key(np.uint32(0)), step))


@pytest.mark.parametrize(
    ("depth", "width", "outputs", "expected"),
    [
        (3, 1000, 1, (1000, 100, 10)),
        (2, 64, 4, (64, 16)),
        (4, 256, 16, (256, 128, 64, 32)),
        (1, 50, 3, (50,)),
        (2, 4, 9, (4, 6)),
    ],
)
def test_conic_widths_are_geometric_from_the_first_layer_to_the_output(
    depth, width, outputs, expected
):
    config = ModelConfig(depth=depth, width=width, form="conic")
    assert hidden_widths(config, outputs) == expected


@pytest.mark.parametrize("form", slow_but(["rectangular", "conic"], 1))
def test_layers_have_the_widths_of_the_form(form):
    model = build(depth=4, width=32, form=form)
    widths = (20, *hidden_widths(ModelConfig(depth=4, width=32, form=form), 5), 5)
    layers = [*(hidden.linear for hidden in model.hidden), model.output]
    assert [layer.kernel.shape for layer in layers] == list(pairwise(widths))
    assert all(not layer.bias[...].any() for layer in layers)
    assert model(jnp.ones((7, 20))).shape == (7, 5)


def test_evaluation_has_no_randomness_and_rate_0_changes_nothing():
    x = jax.random.normal(jax.random.key(1), (9, 20))
    model = build(depth=3, width=16, dropout=0.0)
    np.testing.assert_array_equal(model(x), model(x, randomness()))
    traced = {**vars(ModelConfig(dropout=0.3)), "dropout": jnp.float32(0)}.get
    model = MLP(ModelConfig(depth=3, width=16), 20, 5, jax.random.key(0), traced)
    np.testing.assert_allclose(model(x), model(x, randomness()), rtol=1e-6)


@pytest.mark.parametrize("rates", [{"dropout": 0.3}, {"input_dropout": 0.3}])
def test_dropout_differs_between_steps_and_repeats_within_one(rates):
    model = build(depth=3, width=16, **{"dropout": 0.0} | rates)
    x = jax.random.normal(jax.random.key(1), (9, 20))
    first = model(x, randomness(step=1))
    np.testing.assert_array_equal(first, model(x, randomness(step=1)))
    assert not np.array_equal(first, model(x, randomness(step=2)))


@pytest.mark.parametrize("kind", slow_but(["alpha", "ordinary"], 0))
def test_the_forward_pass_is_its_definition(kind):
    """Each layer's masks from its own stream, input dropout at its own rate, in float64."""
    model = build(depth=4, width=24, dropout_kind=kind, dropout=0.3, input_dropout=0.1)
    x = np.asarray(jax.random.normal(jax.random.key(1), (50, 20)))
    draws = randomness(step=7)
    expected = x.astype(np.float64)
    for layer, linear in enumerate([None, *model.hidden]):
        if linear is not None:
            expected = expected @ np.asarray(linear.linear.kernel[...], np.float64)
            expected = 1.0507009873554805 * np.where(
                expected > 0, expected, 1.6732632423543772 * np.expm1(np.minimum(expected, 0))
            )
        rate = 0.3 if layer else 0.1
        kept = np.asarray(noise.is_kept(noise.fold(draws.key, layer), rate, expected.shape))
        if kind == "alpha":
            drop_to = -1.7580993408473766
            a = ((1 - rate) * (1 + rate * drop_to**2)) ** -0.5
            expected = a * np.where(kept, expected, drop_to) - a * rate * drop_to
        else:
            expected = np.where(kept, expected / (1 - rate), 0)
    expected = expected @ np.asarray(model.output.kernel[...], np.float64)
    np.testing.assert_allclose(model(x, draws), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("dropout", "seed"), slow_but([*product([0.0, 0.05, 0.1], [0, 1, 2])], 0, 4, 8)
)
def test_32_selu_layers_keep_mean_and_variance(dropout, seed):
    """Each layer's moments over 2,000 inputs stay in the interval of the paper's Theorem 1.

    One network's moments wander by the randomness of its weights, about 1/sqrt(width).
    """
    model = build(features=256, outputs=2, depth=32, width=256, seed=seed, dropout=dropout)
    x = jax.random.normal(jax.random.key(100 + seed), (2000, 256))
    for layer, hidden in enumerate(model.hidden, start=1):
        x = hidden(x, randomness())
        assert abs(float(x.mean())) < 0.1, layer
        assert 0.8 < float(x.var()) < 1.5, layer


def test_the_same_depth_with_small_weights_loses_its_signal():
    """The counterexample: half the variance, and 32 layers leave next to nothing."""
    model = build(features=256, depth=32, width=256)
    x = jax.random.normal(jax.random.key(1), (500, 256))
    for hidden in model.hidden:
        x = hidden.unit(x @ (hidden.linear.kernel[...] * 0.5**0.5))
    assert float(x.var()) < 0.01


@pytest.mark.parametrize("activation", ["selu", "jax.nn:softmax"])
@pytest.mark.parametrize("width", [16, 200])
def test_a_row_is_mapped_alone(width, activation):
    """Whatever lies first in memory, and although one's own activation may look at whole rows."""
    model = build(depth=2, width=width, activation=activation)
    x = jax.random.normal(jax.random.key(1), (9, 20))
    alone = jnp.concatenate([model(row[None]) for row in x])
    np.testing.assert_allclose(model(x), alone, rtol=1e-5, atol=1e-6)
