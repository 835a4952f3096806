"""Singular values of Jacobians, whole and iterated, against NumPy's of the true ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stage import DATA, plain, quickly, set_up
from written_out import Network

from snnjax.diagnostics.jacobian import jacobians, singular_values
from snnjax.diagnostics.watcher import Watcher
from snnjax.nn.activations import relu, selu
from snnjax.nn.products import product

ROWS = 6


def mostly_slow(quick, *others):
    rest = [other for other in others if other != quick]
    return [quick, *(pytest.param(other, marks=pytest.mark.slow) for other in rest)]


def summary(matrices, count=None):
    """Return smallest, mean and largest singular value, averaged over matrices."""
    values = np.linalg.svd(np.asarray(matrices, np.float64), compute_uv=False)
    return np.stack([values[:, :count].min(1), values[:, :count].mean(1), values[:, 0]], 1).mean(0)


def deviation_of_mean(matrices):
    """Return the deviation of the estimated mean, of 4 starts for every row.

    Of v' S v with unit vectors v in n dimensions the variance is 2 var(s) / (n + 2).
    """
    values = np.linalg.svd(matrices, compute_uv=False)
    return np.sqrt(2 * values.var(1).mean() / (values.shape[1] + 2) / 4 / len(matrices))


def estimate(matrices, most_whole, used=None, mask=None):
    """Return what is found of linear maps, given as (rows, outputs, inputs)."""
    rows, outputs, inputs = matrices.shape
    mask = np.ones(rows, bool) if mask is None else mask

    def find(matrices, x, y):
        def function(x):
            return jnp.einsum("roi,ri->ro", matrices, x)

        sizes = (inputs, outputs) if used is None else used
        return singular_values(function, x, y, mask, sizes, most_whole=most_whole)

    x, y = np.zeros((rows, inputs), np.float32), np.zeros((rows, outputs), np.float32)
    return quickly(find, np.asarray(matrices, np.float32), x, y)


def random_matrices(shape, spectrum, seed=0):
    """Return matrices with the singular values that a function of their number gives."""
    random, (outputs, inputs) = np.random.default_rng(seed), shape
    count = min(shape)
    found = []
    for _ in range(ROWS):
        left = np.linalg.qr(random.normal(size=(outputs, count)))[0]
        right = np.linalg.qr(random.normal(size=(inputs, count)))[0]
        found.append(left * spectrum(count, random) @ right.T)
    return np.stack(found)


SPECTRA = {
    "wide": lambda n, random: np.linspace(0.1, 2, n),
    "decaying": lambda n, random: np.exp(-np.arange(n) / 10),
    "deficient": lambda n, random: np.where(np.arange(n) < n // 2, 1 + random.random(n), 0),
    "one large": lambda n, random: np.where(np.arange(n) == 3, 30.0, 1.0),
    "tiny": lambda n, random: 1e-9 * np.linspace(0.5, 2, n),
    "vanished": lambda n, random: 1e-25 * np.linspace(0.5, 2, n),
    "random": lambda n, random: np.linalg.svd(random.normal(size=(n, n)), compute_uv=False),
}


@pytest.mark.parametrize("spectrum", mostly_slow("deficient", *SPECTRA))
@pytest.mark.parametrize("shape", mostly_slow((20, 5), (12, 12), (5, 20), (1, 7)), ids=str)
def test_small_ones_are_exact(shape, spectrum):
    matrices = random_matrices(shape, SPECTRA[spectrum])
    expected = summary(matrices)
    np.testing.assert_allclose(estimate(matrices, 64), expected, rtol=1e-4, atol=1e-5 * expected[2])


@pytest.mark.parametrize("spectrum", mostly_slow("one large", *SPECTRA))
@pytest.mark.parametrize("shape", mostly_slow((5, 20), (12, 12), (20, 5), (23, 23)), ids=str)
def test_an_iteration_that_goes_to_the_end_is_nearly_exact_at_both_ends(shape, spectrum):
    matrices = random_matrices(shape, SPECTRA[spectrum])
    expected, found = summary(matrices), estimate(matrices, 0)
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], rtol=2e-3, atol=1e-5 * expected[2])


@pytest.mark.slow
@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("shape", [(80, 80), (80, 150), (200, 70)], ids=str)
def test_large_ones_are_iterated(shape, spectrum):
    """The largest to a hundredth, as the quadrature of the mean; beside that the mean varies."""
    matrices = random_matrices(shape, SPECTRA[spectrum])
    smallest, mean, largest = estimate(matrices, 64)
    expected = summary(matrices)
    assert largest == pytest.approx(expected[2], rel=1e-2)
    assert largest <= expected[2] * (1 + 1e-5)
    assert abs(mean - expected[1]) < 4 * deviation_of_mean(matrices) + 0.01 * expected[1]
    assert smallest >= expected[0] - 1e-5 * expected[2]
    assert smallest <= expected[1]


@pytest.mark.parametrize("most_whole", [64, 0], ids=["whole", "iterated"])
@pytest.mark.parametrize("shape", mostly_slow((30, 40), (40, 30), (35, 35)), ids=str)
def test_padding_is_left_out(shape, most_whole):
    """The values are those of the matrices without rows and columns of zeros."""
    own = random_matrices((9, 7), SPECTRA["wide"])
    padded = np.zeros((ROWS, *shape))
    padded[:, :9, :7] = own
    found = estimate(padded, most_whole, used=(jnp.int32(7), jnp.int32(9)))
    expected = summary(own)
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], rtol=2e-3)
    assert abs(found[1] - expected[1]) < (1e-4 if most_whole else 4 * deviation_of_mean(own))


@pytest.mark.parametrize("most_whole", mostly_slow(0, 64), ids=["iterated", "whole"])
@pytest.mark.parametrize("gain", mostly_slow(0.3, 1.0))
def test_all_values_alike(gain, most_whole):
    """Orthogonal matrices, and multiples of the identity: an iteration ends after one step."""
    orthogonal = random_matrices((40, 40), lambda n, random: np.full(n, gain))
    identity = np.broadcast_to(gain * np.eye(40), (ROWS, 40, 40))
    for matrices in (orthogonal, identity):
        np.testing.assert_allclose(estimate(matrices, most_whole), gain, rtol=1e-4)


@pytest.mark.parametrize("most_whole", mostly_slow(0, 64), ids=["iterated", "whole"])
def test_nothing_passes(most_whole):
    np.testing.assert_array_equal(estimate(np.zeros((ROWS, 30, 40)), most_whole), 0)


def test_rows_that_do_not_count():
    matrices = random_matrices((10, 10), SPECTRA["wide"])
    matrices[3:] *= 100
    found = estimate(matrices, 64, mask=np.arange(ROWS) < 3)
    np.testing.assert_allclose(found, summary(matrices[:3]), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "function", mostly_slow(selu, relu, jnp.tanh), ids=["selu", "relu", "tanh"]
)
def test_derivatives_written_out_for_one_direction(function):
    """Of `product`, `relu` and `selu` JAX knows only how to go back."""
    random = np.random.default_rng(1)
    first, second = (random.normal(size=(30, 30)).astype(np.float32) / 5 for _ in range(2))
    x = random.normal(size=(ROWS, 30)).astype(np.float32)

    def network(x):
        return product(function(product(x, first, 1)), second, 1)

    found = quickly(
        lambda x: singular_values(
            network, x, network(x), np.ones(ROWS, bool), (30, 30), most_whole=0
        ),
        x,
    )
    exact = jax.vmap(jax.jacrev(lambda row: network(row[None])[0]))(x)
    expected = summary(exact)
    assert found[2] == pytest.approx(expected[2], rel=1e-2)
    assert found[1] == pytest.approx(expected[1], rel=0.15)
    assert expected[0] - 1e-5 <= found[0] <= expected[1]


def spread(count, size):
    """Return the places of rows spread over a split."""
    return np.arange(size) * count // size


@pytest.mark.parametrize(
    "choices",
    [
        {"activation": "tanh", "depth": 3},
        pytest.param({"activation": "tanh", "depth": 11, "width": 5}, marks=pytest.mark.slow),
        pytest.param({"activation": "tanh", "width": 130}, marks=pytest.mark.slow),
    ],
    ids=lambda choices: str([*choices.values()]),
)
def test_layers_of_a_perceptron(choices):
    """The Jacobian of y = tanh(W' x + b) is diag(1 - y^2) W', that of all their product."""
    config = plain(**choices)
    stage = set_up(config)
    seen = stage.see(jacobians)
    x = stage.rows()[0][spread(53, 8)]
    written = Network(config.model, stage.params)
    written.outputs(x)
    whole = np.broadcast_to(np.eye(12), (8, 12, 12))
    for number in range(1, config.model.depth + 1):
        y = written.seen["activation", number]
        weights = stage.params["hidden"][number - 1]["linear"]["kernel"].astype(float)
        own = (1 - y**2)[:, :, None] * weights.T
        whole = own @ whole
        smallest, mean, largest = summary(own)
        found = seen["layer_singular"][number - 1]
        is_exact = config.model.width <= 64
        assert found[2] == pytest.approx(largest, rel=1e-3 if is_exact else 2e-2)
        assert found[1] == pytest.approx(mean, rel=1e-3 if is_exact else 5e-2)
        if is_exact:
            assert found[0] == pytest.approx(smallest, rel=1e-2, abs=1e-5)
    whole = stage.params["output"]["kernel"].T.astype(float) @ whole
    np.testing.assert_allclose(seen["whole_singular"], summary(whole), rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [
        {"activation": "relu", "norm": "batch"},
        {"activation": "selu", "norm": "layer", "norm_placement": "after"},
        {"name": "resnet", "activation": "tanh"},
        {"name": "highway", "activation": "relu", "depth": 3},
        {"activation": "maxout"},
        {"name": "mlp", "dropout": 0.4, "activation": "tanh"},
    ],
    ids=lambda choices: "-".join(map(str, choices.values())),
)
def test_the_whole_network_in_evaluation(choices):
    """Against JAX's own Jacobian of the network as it is evaluated: running moments, no dropout."""
    stage = set_up(plain(**choices), DATA)
    x = stage.rows()[0][spread(53, 8)]

    def evaluate(scene, row):
        batch = scene.batch._replace(inputs=row[None], mask=np.ones(1, bool))
        return scene.forward(scene.params, batch, Watcher(), None)[0]

    exact = stage.see(lambda s: jax.vmap(jax.jacrev(lambda row: evaluate(s, row)))(jnp.asarray(x)))
    seen = stage.see(jacobians)
    np.testing.assert_allclose(seen["whole_singular"], summary(exact), rtol=1e-3, atol=1e-5)
    assert np.isfinite(seen["layer_singular"]).all()


def test_a_network_without_layers_has_its_weights():
    stage = set_up(plain(depth=0))
    seen = stage.see(jacobians)
    assert [*seen] == ["whole_singular"]
    expected = summary(stage.params["output"]["kernel"][None])
    np.testing.assert_allclose(seen["whole_singular"], expected, rtol=1e-4)
