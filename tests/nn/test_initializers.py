"""Drawn weights have the mean, variance and shape of their definition; layers are independent."""

import jax
import numpy as np
import pytest
from scipy import stats

from snnjax.nn.draw import standard_normals
from snnjax.registry import resolve

GAIN = {"lecun_normal": 1.0, "he_normal": 2.0}


def draw(name: str, fan_in: int, fan_out: int, seed: int) -> np.ndarray:
    (noise,) = standard_normals(jax.random.key(seed), [(fan_in, fan_out)])
    return np.asarray(resolve("initializer", name)(noise, fan_in, fan_out), np.float64)


@pytest.mark.parametrize("name", GAIN)
@pytest.mark.parametrize("shape", [(16, 256), (784, 100), (256, 10)])
@pytest.mark.parametrize("seed", [0, 1])
def test_mean_variance_and_shape_of_the_distribution(name, shape, seed):
    """z, chi-square and Kolmogorov-Smirnov, 36 tests at 1e-5 each."""
    weights = draw(name, *shape, seed).ravel()
    deviation = (GAIN[name] / shape[0]) ** 0.5
    z = weights / deviation
    assert abs(z.mean()) * np.sqrt(z.size) < stats.norm.isf(0.5e-5)
    low, high = stats.chi2.ppf([0.5e-5, 1 - 0.5e-5], z.size)
    assert low < (z**2).sum() < high
    assert stats.kstest(z, "norm").pvalue > 1e-5


def test_a_layer_depends_on_its_place_and_shape_only():
    key = jax.random.key(3)
    deep = standard_normals(key, [(8, 20), (20, 20), (20, 20), (20, 3)])
    other = standard_normals(key, [(500, 20), (20, 20), (20, 20), (20, 7)])
    np.testing.assert_array_equal(deep[1], other[1])
    np.testing.assert_array_equal(deep[2], other[2])
    assert [noise.shape for noise in deep] == [(8, 20), (20, 20), (20, 20), (20, 3)]


def test_layers_and_seeds_are_uncorrelated():
    """Correlation of 90,000 pairs is N(0, 1/n); 15 pairs at |z| < 4.5."""
    drawn = [
        np.asarray(noise).ravel()
        for seed in (0, 1)
        for noise in standard_normals(jax.random.key(seed), [(300, 300)] * 3)
    ]
    correlations = np.corrcoef(drawn)[np.triu_indices(len(drawn), 1)]
    assert np.abs(correlations).max() * 300 < 4.5
