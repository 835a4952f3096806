"""Statistics of many values against NumPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from snnjax.diagnostics.statistics import BINS, Values, describe, describe_each, each_alike

DESCRIBE = jax.jit(describe)


def all_of(array):
    return Values(array, np.ones(len(array), bool), np.ones(array.shape[1], bool))


def describe_array(array):
    return jax.tree.map(np.asarray, DESCRIBE(all_of(array)))


def bin_counts(values):
    return np.histogram(values, BINS, (values.min(), values.max()))[0]


def assert_is_percentile(found, values):
    """It lies in the bin, of 2,000, of the value that the share ends at.

    Where that is between two values, rounding says which it is.
    """
    width = (values.max() - values.min()) / 2000 * (1 + 1e-3) + 1e-6 * np.abs(values).max()
    low, high = (np.percentile(values, 98 + part, method="inverted_cdf") for part in (-1e-4, 1e-4))
    assert low - width <= found <= high + width


def assert_same_bins(counts, values):
    """Rounding may put a value into the next bin: cumulative counts tell of how many it did."""
    assert counts.sum() == values.size
    assert counts.dtype == np.uint32
    difference = np.cumsum(counts.astype(int)) - np.cumsum(bin_counts(values.astype(float)))
    width = (values.max() - values.min()) / BINS
    place = (values - values.min()) / width
    assert np.abs(difference).max() <= (np.abs(place - place.round()) < 1e-3).sum()


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("shape", [(50, 20), (8, 1), (1, 8), (1, 1)], ids=str)
def test_moments_percentile_and_histogram(shape, offset):
    x = np.random.default_rng(1).standard_t(4, shape).astype(np.float32) * 3 + np.float32(offset)
    seen, exact = describe_array(x), x.astype(np.float64)
    np.testing.assert_allclose(seen.mean, exact.mean(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(seen.variance, exact.var(), rtol=1e-5, atol=1e-12)
    assert_is_percentile(seen.p98, exact)
    np.testing.assert_array_equal(seen.edges, [x.min(), x.max()])
    if x.size > 1:
        assert_same_bins(seen.histogram, x)
    else:
        assert seen.histogram[0] == seen.histogram.sum() == 1


def test_masks_leave_rows_and_columns_out_whatever_they_hold():
    random = np.random.default_rng(2)
    x = random.normal(size=(40, 30)).astype(np.float32)
    rows, columns = random.random(40) < 0.7, random.random(30) < 0.6
    expected = x[rows][:, columns]
    x[~rows] = np.nan
    x[:, ~columns] = np.inf
    seen = DESCRIBE(Values(x, rows, columns))
    np.testing.assert_allclose(seen.mean, expected.mean(), atol=1e-6)
    np.testing.assert_allclose(seen.variance, expected.var(), rtol=1e-5)
    assert_is_percentile(seen.p98, expected)
    np.testing.assert_array_equal(seen.edges, [expected.min(), expected.max()])
    assert_same_bins(np.asarray(seen.histogram), expected)


@pytest.mark.parametrize("constant", [0.0, -3.5, 1e-30, 1e15])
def test_constant_values_are_one_bin(constant):
    seen = describe_array(np.full((7, 9), constant, np.float32))
    assert seen.mean == pytest.approx(constant, rel=1e-6)
    assert seen.variance == pytest.approx(0, abs=1e-12 * constant**2)
    assert seen.p98 == pytest.approx(constant, rel=1e-6)
    assert seen.histogram[0] == seen.histogram.sum() == 63
    np.testing.assert_array_equal(seen.edges, np.float32(constant))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("place", [0, 177, 89_999])
def test_one_value_that_is_not_finite_is_seen_everywhere(wrong, place):
    """Of 1e30 the square is not; of 90,000 values the percentile looks at some only."""
    x = np.random.default_rng(3).normal(size=(900, 100)).astype(np.float32)
    x.ravel()[place] = wrong
    seen = describe_array(x)
    assert np.isnan([seen.mean, seen.variance, seen.p98, *seen.edges]).all()
    assert not seen.histogram.any()


def test_nothing_that_counts_is_nan():
    seen = DESCRIBE(Values(np.ones((4, 3), np.float32), np.zeros(4, bool), np.ones(3, bool)))
    assert np.isnan([seen.mean, seen.variance, seen.p98, *seen.edges]).all()
    assert not seen.histogram.any()


def test_double_precision_is_kept():
    x = np.random.default_rng(4).normal(size=(60, 11))
    with jax.enable_x64(True):
        seen = jax.tree.map(np.asarray, jax.jit(describe)(all_of(x)))
    assert seen.mean.dtype == seen.p98.dtype == np.float64
    np.testing.assert_allclose(seen.mean, x.mean(), rtol=1e-13)
    np.testing.assert_allclose(seen.variance, x.var(), rtol=1e-13)
    assert_is_percentile(seen.p98, x)
    np.testing.assert_array_equal(seen.histogram, bin_counts(x))


def test_half_precision_is_described_in_single():
    x = jnp.asarray(np.random.default_rng(5).normal(size=(200, 40)) + 5, jnp.bfloat16)
    seen, exact = DESCRIBE(all_of(x)), np.asarray(x, np.float64)
    assert seen.mean.dtype == np.float32
    np.testing.assert_allclose(seen.mean, exact.mean(), rtol=1e-6)
    np.testing.assert_allclose(seen.variance, exact.var(), rtol=1e-5)


@pytest.mark.parametrize(("columns", "positions"), [(100, 1), (1, 36), (32, 36), (64, 4), (7, 5)])
def test_of_many_values_units_and_positions_are_all_looked_at(columns, positions):
    """Every fourth unit lies elsewhere, and of images every position in every other column.

    A sample of n rows has a share below the percentile whose deviation is at most that of n
    values; rows are looked at whole, so that units add nothing to it.
    """
    rows = 400_000 // columns // positions * positions
    x = np.random.default_rng(6).normal(size=(rows, columns)).astype(np.float32)
    x[:, ::4] += 6
    x[np.arange(rows) % positions % 2 == 0] += 6
    seen = describe_array(x)
    looked_at = int(seen.histogram.sum())
    assert 2**15 / 1.1 < looked_at <= 2**16
    below = [(x < seen.edges[0] + (seen.edges[1] - seen.edges[0]) * n / BINS).mean()
             for n in range(1, BINS)]  # fmt: skip
    found = np.cumsum(seen.histogram)[:-1] / looked_at
    bound = 4 * np.sqrt(0.25 / (looked_at / columns))
    assert np.abs(found - below).max() < bound
    assert abs((x < seen.p98).mean() - 0.98) < 4 * np.sqrt(0.98 * 0.02 / (looked_at / columns))
    if positions == 36:  # the even positions alone would be far off
        assert np.abs((x[::2] < 6).mean() - (x < 6).mean()) > bound


def test_of_few_rows_that_count_among_many_all_are_looked_at():
    x = np.random.default_rng(8).normal(size=(3000, 100)).astype(np.float32)
    seen = DESCRIBE(Values(x, np.arange(3000) < 60, np.ones(100, bool)))
    assert_same_bins(np.asarray(seen.histogram), x[:60])
    assert_is_percentile(seen.p98, x[:60])


def test_layers_of_many_shapes_keep_their_order():
    random = np.random.default_rng(7)
    widths = [3, 5, 3, 8, 5, 3, 3, 5, 8, 3, 1, 5, 3]
    arrays = [random.normal(place, 1, (6, w)).astype(np.float32) for place, w in enumerate(widths)]
    described = jax.jit(lambda a: describe_each([all_of(one) for one in a]))(arrays)
    np.testing.assert_allclose(described.mean, [a.mean() for a in arrays], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(described.edges[:, 1], [a.max() for a in arrays])
    assert described.histogram.shape == (13, BINS)


def test_each_alike_traces_equal_shapes_once():
    traced = []

    def total(x):
        traced.append(x.shape)
        return {"b": x.sum(), "a": x.mean()}

    found = each_alike(total, [jnp.full((2,), 1.0), jnp.full((3,), 2.0), jnp.full((2,), 5.0)])
    assert [float(own["b"]) for own in found] == [2, 6, 10]
    assert sorted(set(traced)) == [(2,), (3,)]
    assert each_alike(total, []) == []
