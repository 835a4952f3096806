"""Histograms of several runs as one, and bands over runs."""

import numpy as np
import pytest

from snnjax.figures.pooling import Histogram, pool, pool_histograms, rebin


def histograms(samples, bins=100):
    made = [np.histogram(sample, bins) for sample in samples]
    return np.array([c for c, _ in made]), np.array([(e[0], e[-1]) for _, e in made])


def test_pooling_loses_no_count_and_agrees_with_a_histogram_of_all_values():
    random = np.random.default_rng(0)
    samples = [random.normal(mean, spread, 4000) for mean, spread in ((0, 1), (0.5, 2), (-1, 0.3))]
    pooled = pool_histograms(*histograms(samples))
    everything = np.concatenate(samples)
    assert pooled.counts.sum() == pytest.approx(12_000, rel=1e-12)
    assert (pooled.edges[0], pooled.edges[-1]) == (everything.min(), everything.max())
    direct = np.histogram(everything, pooled.edges)[0]
    # A value is at most moved within the bin it was counted in, which is no wider than the new one:
    # what is counted up to an edge differs by less than the bin of each sample that the edge cuts.
    cut = sum(histograms([sample])[0].max() for sample in samples)
    assert np.abs(np.cumsum(pooled.counts) - np.cumsum(direct)).max() <= cut
    assert pooled.density @ np.diff(pooled.edges) == pytest.approx(1)


def test_histograms_with_the_same_edges_are_added_as_they_are():
    counts, edges = np.array([[1, 2, 3, 4], [5, 0, 0, 1]]), np.array([[-1.0, 3.0]] * 2)
    pooled = pool_histograms(counts, edges)
    np.testing.assert_allclose(pooled.counts, [6, 2, 3, 5])
    np.testing.assert_allclose(pooled.edges, [-1, 0, 1, 2, 3])


def test_a_single_value_and_what_is_not_finite():
    counts = np.array([[7.0, 0.0], [1.0, 1.0], [5.0, 5.0], [0.0, 0.0]])
    edges = np.array([[0.0, 0.0], [-1.0, 1.0], [np.nan, 1.0], [0.0, 9.0]])
    pooled = pool_histograms(counts, edges)
    np.testing.assert_allclose(pooled.counts, [1, 8])
    nothing = pool_histograms(counts[2:3], edges[2:3])
    assert nothing.counts.sum() == 0
    assert not nothing.density.any()
    constant = pool_histograms(counts[:1], np.array([[3.0, 3.0]]))
    assert constant.counts.sum() == 7
    assert constant.edges[0] < 3 < constant.edges[-1]


def test_what_lies_outside_of_new_edges_is_left_out():
    np.testing.assert_allclose(rebin(np.array([4.0, 2.0]), 0, 2, np.array([0.5, 1.0, 1.5])), [2, 1])


@pytest.mark.parametrize(("bins", "values"), [(100, 10_000), (100, 1500), (7, 3)])
def test_fewer_bins_for_fewer_values(bins, values):
    random = np.random.default_rng(1)
    full = Histogram(*np.histogram(random.normal(size=values), bins))
    coarse = full.coarser()
    assert coarse.counts.sum() == values
    assert (coarse.edges[0], coarse.edges[-1]) == (full.edges[0], full.edges[-1])
    expected = {10_000: 100, 1500: 25, 3: 7}[values]
    assert len(coarse.counts) == expected


def test_quantiles_are_those_of_even_values():
    histogram = Histogram(np.array([0.0, 2.0, 2.0, 0.0]), np.linspace(0, 4, 5))
    assert [histogram.quantile(share) for share in (0, 0.25, 0.5, 1)] == [1, 1.5, 2, 3]
    assert np.isnan(Histogram(np.zeros(2), np.arange(3.0)).quantile(0.5))


def test_bands_leave_out_what_is_not_finite():
    band = pool(np.array([[1.0, np.nan, np.inf], [3.0, np.nan, 2.0], [2.0, np.nan, 4.0]]))
    np.testing.assert_array_equal(band.low, [1, np.nan, 2])
    np.testing.assert_array_equal(band.middle, [2, np.nan, 3])
    np.testing.assert_array_equal(band.high, [3, np.nan, 4])
