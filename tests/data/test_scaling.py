import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from snnjax.data import scaling


@pytest.fixture
def table():
    noise = np.random.Generator(np.random.PCG64(0)).normal(size=(200, 5))
    return noise * [1, 1e-3, 1e6, 1, 3] + [0, 5, -1e7, 1e5, 0]


def test_table_equals_scikit_learn(table):
    fitted, oracle = scaling.fit_table(table), StandardScaler().fit(table)
    np.testing.assert_allclose(fitted.shift, oracle.mean_, rtol=1e-12)
    np.testing.assert_allclose(1 / fitted.scale, oracle.scale_, rtol=1e-10)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -1e9, 1 / 3, 1e-30, 1e100])
@pytest.mark.parametrize("jitter", [0.0, 1e-17])
def test_constant_columns_get_scale_one(value, jitter):
    # 0.1 summed 1,000 times is not 100: the deviations of a constant are not exactly zero
    column = np.full((1000, 1), value)
    column[::2] *= 1 + jitter
    fitted = scaling.fit_table(column)
    assert fitted.scale == 1
    assert StandardScaler().fit(column).scale_ == 1
    assert np.abs((column - fitted.shift) * fitted.scale).max() <= 1e-12 * abs(value)


def test_one_row():
    fitted = scaling.fit_table(np.array([[3.0, -2.0]]))
    assert fitted.shift.tolist() == [3.0, -2.0]
    assert fitted.scale.tolist() == [1.0, 1.0]


def test_bytes_equal_scikit_learn_on_unit_images():
    images = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (5000, 6), dtype=np.uint8)
    images[:, 4] = 7
    images[:, 5] = 0
    images[17, 5] = 255
    rows = np.arange(0, 4999, dtype=np.int32)
    fitted = scaling.fit_bytes(images, rows)
    oracle = StandardScaler().fit(images[rows] / 255)
    expected = oracle.transform(images / 255)
    np.testing.assert_allclose((images - fitted.shift) * fitted.scale, expected, atol=1e-9)
    assert fitted.scale[4] == 1 / 255


def test_bytes_use_the_given_rows_only():
    images = np.array([[0], [10], [255]], dtype=np.uint8)
    fitted = scaling.fit_bytes(images, np.array([0, 1], dtype=np.int32))
    assert fitted.shift == 5
    assert fitted.scale == 1 / 5


def test_identity_and_unit_interval():
    assert scaling.identity(3).shift.tolist() == [0, 0, 0]
    assert scaling.identity(3).scale.tolist() == [1, 1, 1]
    assert scaling.unit_interval(2).scale.tolist() == [1 / 255, 1 / 255]
