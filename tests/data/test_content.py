import numpy as np
import pytest

from snnjax.data.catalog import DataError
from snnjax.data.content import check_finite, digest


def test_digest_ignores_byte_order_and_memory_layout():
    table = np.arange(6.0).reshape(2, 3)
    first = digest(table)
    assert first == digest(np.asfortranarray(table))
    assert first == digest(table.astype(">f8"))
    assert first == digest(np.repeat(table, 2, axis=1)[:, ::2])


@pytest.mark.parametrize(
    "other",
    [np.arange(6.0), np.arange(6.0).reshape(3, 2), np.arange(6, dtype=np.float32).reshape(2, 3)],
)
def test_digest_sees_shape_and_type(other):
    assert digest(other) != digest(np.arange(6.0).reshape(2, 3))


def test_digest_sees_where_arrays_end():
    assert digest(np.zeros(2), np.zeros(1)) != digest(np.zeros(1), np.zeros(2))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_check_finite_names_set_and_column(value):
    table = np.zeros((5, 4))
    table[3, 2] = value
    with pytest.raises(DataError, match=rf"wine: column 2 of the features holds {value} in row 3"):
        check_finite("wine", "features", table)


def test_check_finite_passes_integers():
    check_finite("mnist", "features", np.zeros((2, 2), dtype=np.uint8))
