"""Rows for networks that begin from data are spread over the training split."""

import jax.numpy as jnp
import numpy as np
import pytest
from conftest import make_dataset

from snnjax.arrays import Arrays, lay_out
from snnjax.evaluation import spread_rows


@pytest.mark.parametrize("count", [3, 511, 512, 513, 600, 1023, 1500, 3000])
def test_starting_rows_are_spread_evenly(count):
    data = make_dataset(rows=count + 20, counts=(count, 10, 10))
    layout = lay_out(data)
    batch = spread_rows(Arrays(layout.table, layout.views[0]))
    taken = min(count, 512)
    wanted = data.rows["train"][np.arange(taken) * count // taken]
    np.testing.assert_array_equal(np.flatnonzero(batch.mask), np.arange(taken))
    scaled = (data.features[wanted] - data.shift) * data.scale
    np.testing.assert_allclose(batch.inputs[:taken], scaled, rtol=1e-6, atol=1e-6)
    assert batch.targets.dtype == jnp.int32
