"""Every activation with every initialiser, dropout and normalisation: one table of properties.

Shapes, types, determinism and finite gradients: quick, four activations with every initialiser;
slow, every activation, and the full product. Gradients against differences: slow, every fifth of
the rows in which every pair of names meets. Compilation and rates that differ between members:
slow, every tenth of them. Quick, these take one row, and gradients three, with every dropout.
"""

from functools import partial
from itertools import combinations, cycle, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import hasty, slow_but
from flax import nnx
from scipy import stats

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.draw import draw_kernels
from snnjax.nn.hidden import Hidden
from snnjax.nn.mlp import MLP
from snnjax.nn.products import precision_of_products
from snnjax.nn.randomness import Randomness
from snnjax.nn.units import inputs_per_unit
from snnjax.registry import ACTIVATIONS, DROPOUTS, INITIALIZERS, NORMALIZATIONS

FEATURES, WIDTH, OUTPUTS, ROWS, VALID = 5, 6, 3, 16, 13
MASK = jnp.arange(ROWS) < VALID
KEY = noise.make_key(np.uint32(11))
X = np.random.default_rng(0).normal(size=(ROWS, FEATURES)).astype(np.float32)
NORMS = [(name, "before") for name in NORMALIZATIONS] + [
    (name, "after") for name in ("batch", "layer", "rms")
]


def config_of(activation, init, dropout, norm, **further):
    name, placement = norm
    return ModelConfig(
        name="mlp",
        depth=2,
        width=WIDTH,
        activation=activation,
        init=init,
        dropout_kind=dropout,
        norm=name,
        norm_placement=placement,
        **{"dropout": 0.2, "input_dropout": 0.1} | further,
    )


class Two(nnx.Module):
    """Two hidden layers around given weights, and the mean of what they return."""

    def __init__(self, value, kernels):
        layers = enumerate(kernels, start=1)
        self.layers = nnx.List(Hidden(value, kernel, WIDTH, number) for number, kernel in layers)

    def __call__(self, x, randomness=None):
        for layer in self.layers:
            x = layer(x, randomness)
        return x


def kernels_of(value):
    columns = inputs_per_unit(value) * WIDTH
    return draw_kernels(value, jax.random.key(0), [(FEATURES, columns), (WIDTH, columns)])


def examine(value, kernels):
    """Return outputs in training and twice in evaluation, gradients, and state that was changed."""
    model = Two(value, kernels)
    for_adapting = jnp.asarray(X)
    for layer in model.layers:
        layer.adapt(for_adapting, MASK)
        for_adapting = layer(for_adapting, None)
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    params, rest = nnx.to_pure_dict(params), nnx.to_pure_dict(rest)

    def loss(params):
        model = nnx.merge(graph, params, rest)
        y = model(jnp.asarray(X), Randomness(KEY, MASK))
        return jnp.where(MASK[:, None], y**2, 0).sum(), (y, model)

    (_, (y, trained)), gradients = jax.value_and_grad(loss, has_aux=True)(params)
    first = trained(jnp.asarray(X))
    return y, (first, trained(jnp.asarray(X))), gradients


def is_finite(tree):
    return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(tree))


KINDS = (ACTIVATIONS, INITIALIZERS, DROPOUTS, NORMS)


def rows_where_pairs_meet():
    """Choose names so that every two of different kinds share a row: one row for each pair of
    activation and initialiser, with the dropout and the norm that meet most for the first time."""
    met, rows = set(), []
    for head in product(ACTIVATIONS, INITIALIZERS):
        candidates = [(*head, *tail) for tail in product(DROPOUTS, NORMS)]
        rows.append(max(candidates, key=lambda row: len(pairs_of(row) - met)))
        met |= pairs_of(rows[-1])
    return rows


def pairs_of(row):
    return set(combinations(enumerate(row), 2))


def quick_rows():
    """Choose a few rows of smooth, saturated, kinked and random activations."""
    activations = ("selu", "tanh", "maxout", "rrelu")
    initializers = ("lecun_normal", "glorot_uniform", "he_truncated", "lsuv")
    norms = [("none", "before"), ("batch", "before"), ("layer", "after"), ("weight", "before")]
    return list(zip(activations, initializers, cycle(DROPOUTS), norms, strict=False))


def rows(every, quick):
    names = ("activation", "init", "dropout", "norm")
    rows = [*quick_rows(), *rows_where_pairs_meet()[::every]]
    return pytest.mark.parametrize(names, slow_but(rows, *range(quick)))


def test_the_rows_hold_every_pair_of_names():
    wanted = {
        ((i, a), (j, b))
        for (i, first), (j, second) in combinations(enumerate(KINDS), 2)
        for a, b in product(first, second)
    }
    assert wanted == set().union(*map(pairs_of, rows_where_pairs_meet()))
    assert {row[2] for row in quick_rows()[:3]} == set(DROPOUTS)


def activations_and_shares():
    quick = [(name, 24) for name in ("selu", "tanh", "rrelu", "maxout")]
    slow = [(name, every) for every in (24, 1) for name in ACTIVATIONS]
    return slow_but([*quick, *slow], *range(len(quick)))


@pytest.mark.parametrize(("activation", "every"), activations_and_shares())
def test_shapes_types_and_finite_gradients_of_the_whole_product(activation, every):
    """All initialisers side by side, LSUV apart; quick, one of 24 pairs of dropout and norm.

    In evaluation nothing is random, and nothing changes.
    """
    together = [name for name in INITIALIZERS if name != "lsuv"]
    start = 7 * list(ACTIVATIONS).index(activation) % 24
    pairs = list(product(DROPOUTS, NORMS))
    for dropout, norm in (pairs[start:] + pairs[:start])[::every]:

        def value(init, dropout=dropout, norm=norm):
            return vars(config_of(activation, init, dropout, norm)).get

        stacked = map(jnp.stack, zip(*(kernels_of(value(init)) for init in together), strict=True))
        several = hasty(jax.vmap(lambda *kernels: examine(value("normal"), kernels)))(*stacked)
        for results, count in (
            (several, (len(together),)),
            (hasty(lambda *k: examine(value("lsuv"), k))(*kernels_of(value("lsuv"))), ()),
        ):
            y, (first, second), _ = results
            assert y.shape == first.shape == (*count, ROWS, WIDTH), (dropout, norm)
            assert {leaf.dtype for leaf in jax.tree.leaves(results)} == {jnp.dtype("float32")}
            assert is_finite(results), (dropout, norm)
            np.testing.assert_array_equal(first, second)


def split_loss(row, **further):
    """Return a loss of parameters and rates in training, with those parameters."""
    config = config_of(*row, **further)

    def build(rates):
        value = {**vars(config), **rates}.get
        model = MLP(config, FEATURES, OUTPUTS, jax.random.key(2), value)
        if model.begins_from_data:
            model.adapt(jnp.asarray(X), MASK)
        return model

    def loss(params, rates):
        graph, _, rest = nnx.split(build(rates), nnx.Param, ...)
        model = nnx.merge(graph, params, nnx.to_pure_dict(rest))
        x = jnp.asarray(X, jax.tree.leaves(params)[0].dtype)
        y = model(x, Randomness(KEY, MASK))
        return jnp.where(MASK[:, None], jnp.sin(y), 0).sum()

    return loss, nnx.to_pure_dict(nnx.split(build({}), nnx.Param, ...)[1])


@rows(5, 3)
def test_the_gradient_equals_differences_in_float64(activation, init, dropout, norm):
    """Along a random direction in all parameters, and in both rates; masks and slopes are fixed."""
    with jax.enable_x64(True):
        loss, params = split_loss((activation, init, dropout, norm))
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), params)
        leaves, structure = jax.tree.flatten(params)
        random = np.random.default_rng(3)
        # Away from where all units are equal, as of constant weights: kinks of maxout lie there.
        params = structure.unflatten(
            [leaf + 0.1 * random.normal(size=leaf.shape) for leaf in leaves]
        )
        along = structure.unflatten(
            [jnp.asarray(random.normal(size=leaf.shape)) for leaf in leaves]
        )
        rates = {"dropout": jnp.float64(0.2), "input_dropout": jnp.float64(0.1)}

        @hasty
        def slope_and_difference(params, rates):
            gradients = jax.grad(loss)(params, rates)
            inner = sum(
                (g * a).sum()
                for g, a in zip(jax.tree.leaves(gradients), jax.tree.leaves(along), strict=True)
            )
            shifted = [
                loss(jax.tree.map(lambda p, a, h=h: p + h * a, params, along), rates)
                for h in (1e-6, -1e-6)
            ]
            return inner, (shifted[0] - shifted[1]) / 2e-6

        slope, difference = slope_and_difference(params, rates)
    np.testing.assert_allclose(slope, difference, rtol=1e-5, atol=1e-6)


@rows(10, 1)
def test_compiled_or_not_and_in_bfloat16_products(activation, init, dropout, norm):
    """Outputs in training and in evaluation, and running moments, equal to float32 rounding."""
    config = config_of(activation, init, dropout, norm)

    def run(x):
        model = MLP(config, FEATURES, OUTPUTS, jax.random.key(2))
        if model.begins_from_data:
            model.adapt(x, MASK)
        trained = model(x, Randomness(KEY, MASK))
        state = jax.tree.leaves(nnx.state(model, nnx.BatchStat))
        return [jnp.where(MASK[:, None], trained, 0), model(x), *state]

    plain = run(jnp.asarray(X))
    for ours, compiled in zip(plain, jax.jit(run)(jnp.asarray(X)), strict=True):
        scale = max(1.0, float(jnp.abs(ours).max()))
        np.testing.assert_allclose(ours / scale, compiled / scale, rtol=1e-4, atol=2e-6)
    with precision_of_products("bf16"):
        rounded = jax.jit(lambda x: run(x))(jnp.asarray(X))
    assert is_finite(rounded)
    assert {leaf.dtype for leaf in rounded} == {jnp.dtype("float32")}


@rows(10, 1)
def test_mapping_over_rates_equals_a_loop(activation, init, dropout, norm):
    loss, params = split_loss((activation, init, dropout, norm))
    rates = {
        "dropout": jnp.array([0.0, 0.1, 0.5]),
        "input_dropout": jnp.array([0.2, 0.0, 0.3]),
    }
    both = jax.value_and_grad(loss)
    mapped = hasty(jax.vmap(both, in_axes=(None, 0)))(params, rates)
    one = hasty(both)
    for member in range(3):
        alone = one(params, {name: values[member] for name, values in rates.items()})
        for several, leaf in zip(jax.tree.leaves(mapped), jax.tree.leaves(alone), strict=True):
            scale = max(1.0, float(jnp.abs(leaf).max()))
            np.testing.assert_allclose(several[member] / scale, leaf / scale, rtol=1e-4, atol=1e-5)


LAYER_WIDTH, NETWORKS = 256, 24


@partial(jax.jit, static_argnames=("init", "dropout", "corrected"))
def next_layer(x, seeds, number, rate, init="lecun_normal", dropout="alpha", corrected=True):
    """Map (networks, rows, width) through one SELU layer of each network, in training."""
    config = ModelConfig(init=init, dropout_kind=dropout, init_corrected=corrected)
    value = {**vars(config), "dropout": rate}.get

    def layer(x, seed):
        key = jax.random.fold_in(jax.random.key(seed), number)
        (kernel,) = draw_kernels(value, key, [(x.shape[1], LAYER_WIDTH)])
        hidden = Hidden(value, kernel, LAYER_WIDTH, 1)
        return hidden(x, Randomness(noise.fold(noise.make_key(seed), number)))

    return jax.vmap(layer)(x, seeds)


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.2])
def test_mean_0_and_variance_1_hold_at_every_depth(rate):
    """t-tests over 24 networks of the means of a layer and of its squares: 18 at 1e-5.

    Of finite width both have a bias of the order of 1/width, a tenth of the standard error.
    """
    edge = stats.t.isf(0.5e-5, NETWORKS - 1)
    x = jax.random.normal(jax.random.key(5), (NETWORKS, 64, LAYER_WIDTH))
    seeds = jnp.arange(NETWORKS, dtype=jnp.uint32)
    for number in range(1, 17):
        x = next_layer(x, seeds, number, rate)
        if number in (1, 4, 16):
            for power, expected in ((1, 0.0), (2, 1.0)):
                of_networks = np.asarray((x**power).mean((1, 2)), np.float64)
                error = of_networks.std(ddof=1) / NETWORKS**0.5
                assert abs(of_networks.mean() - expected) < edge * error, (number, power)


@pytest.mark.parametrize(
    ("broken", "rate", "stays"),
    [
        ({}, 0.0, True),
        ({}, 0.1, True),
        ({"init": "lecun_truncated"}, 0.1, True),
        ({"init": "he_normal"}, 0.1, False),
        ({"dropout": "ordinary"}, 0.1, False),
        ({"init": "lecun_truncated", "corrected": False}, 0.1, False),
    ],
)
def test_32_layers_stay_in_the_interval_of_the_paper_unless_the_triple_is_broken(
    broken, rate, stays
):
    """Klambauer et al. 2017, Theorem 1: mean in [-0.1, 0.1], variance in [0.8, 1.5]."""
    x = jax.random.normal(jax.random.key(5), (1, 1000, LAYER_WIDTH))
    inside = []
    for number in range(1, 33):
        x = next_layer(x, jnp.zeros(1, jnp.uint32), number, rate, **broken)
        inside.append(abs(float(x.mean())) < 0.1 and 0.8 < float(x.var()) < 1.5)
    assert all(inside) == stays
    if not stays:
        assert not any(inside[8:])
