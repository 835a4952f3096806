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
    np.testing.assert_allclose(seen.p98, np.percentile(exact, 98), rtol=1e-6, atol=1e-6)
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
    np.testing.assert_allclose(seen.p98, np.percentile(expected, 98), rtol=1e-6)
    np.testing.assert_array_equal(seen.edges, [expected.min(), expected.max()])
    assert_same_bins(np.asarray(seen.histogram), expected)


@pytest.mark.parametrize("constant", [0.0, -3.5, 1e-30, 1e15])
def test_constant_values_are_one_bin(constant):
    seen = describe_array(np.full((7, 9), constant, np.float32))
    assert seen.mean == pytest.approx(constant, rel=1e-6)
    assert seen.variance == pytest.approx(0, abs=1e-12 * constant**2)
    assert seen.p98 == np.float32(constant)
    assert seen.histogram[0] == seen.histogram.sum() == 63
    np.testing.assert_array_equal(seen.edges, np.float32(constant))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("place", [0, 77, 29_999])
def test_one_value_that_is_not_finite_is_seen_everywhere(wrong, place):
    """Of 1e30 the square is not; of 30,000 values the percentile looks at some only."""
    x = np.random.default_rng(3).normal(size=(300, 100)).astype(np.float32)
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
    np.testing.assert_allclose(seen.p98, np.percentile(x, 98), rtol=1e-13)
    np.testing.assert_array_equal(seen.histogram, bin_counts(x))


def test_half_precision_is_described_in_single():
    x = jnp.asarray(np.random.default_rng(5).normal(size=(200, 40)) + 5, jnp.bfloat16)
    seen, exact = DESCRIBE(all_of(x)), np.asarray(x, np.float64)
    assert seen.mean.dtype == np.float32
    np.testing.assert_allclose(seen.mean, exact.mean(), rtol=1e-6)
    np.testing.assert_allclose(seen.variance, exact.var(), rtol=1e-5)


@pytest.mark.parametrize("columns", [100, 128, 96, 101, 1])
def test_a_percentile_of_many_values_is_a_sample_of_all_units(columns):
    """Every fourth unit lies elsewhere: a sample of these or of the others would be far off.

    With n values the share below the estimate has the deviation sqrt(0.98 * 0.02 / n), and more
    than 4000 of them are looked at.
    """
    x = np.random.default_rng(6).normal(size=(30_000 // columns, columns)).astype(np.float32)
    x[:, ::4] += 10
    estimate = describe_array(x).p98
    bound = 4 * np.sqrt(0.98 * 0.02 / 4000)
    assert abs((x < estimate).mean() - 0.98) < bound
    if columns > 1:
        assert abs((x < np.percentile(x[:, ::4], 98)).mean() - 0.98) > bound


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
