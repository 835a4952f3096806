"""Features as networks see them: what is rare or constant left out, the rest squashed.

The published preparation of DeepTox's features for SNNs, fitted on the training rows alone, where
that took validation and test rows along: sparse features that at least 5 % of the compounds have,
dense ones that vary, on a logarithmic scale if their range is large, all of them robustly scaled
and squashed by tanh. The standardisation that follows is that of `data.standardize`.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_SHARE = 0.05
"""Of training compounds that have a sparse feature."""
LEAST_VARIANCE = 1e-6
"""Above which a dense feature is kept."""
LARGEST_RANGE = 10.0
"""Above which a dense feature is replaced by its logarithm."""
OFFSET = 1e-8
"""Added to what logarithms are taken of."""


def prepare(
    dense: NDArray[np.float64], sparse: Any, train: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Choose and squash features.

    Args:
        dense: (rows, columns), NaN where a value is missing: it becomes the training median.
        sparse: (rows, columns) scipy.sparse.csr_array.
        train: The rows that everything is fitted on.

    Returns:
        (rows, chosen columns) in [-1, 1], dense ones first.
    """
    from sklearn.preprocessing import RobustScaler

    table = np.hstack([_numbers(dense, train), _counts(sparse, train)])
    scaled = RobustScaler().fit(table[train]).transform(table)
    return np.tanh(np.nan_to_num(scaled, nan=0.0))  # the median is at 0


def _counts(sparse: Any, train: NDArray[np.int32]) -> NDArray[np.float64]:
    present = np.bincount(sparse[train].indices, minlength=sparse.shape[1])
    chosen: NDArray[np.float64] = sparse[:, present >= LEAST_SHARE * len(train)].toarray()
    return chosen


def _numbers(dense: NDArray[np.float64], train: NDArray[np.int32]) -> NDArray[np.float64]:
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # columns without any training value
        is_kept = np.nanvar(dense[train], axis=0) > LEAST_VARIANCE
    numbers = dense[:, is_kept]
    lowest, highest = np.nanmin(numbers[train], axis=0), np.nanmax(numbers[train], axis=0)
    is_wide = highest - lowest > LARGEST_RANGE
    # below what was seen in training there is nothing to take the logarithm of
    above = np.maximum(numbers[:, is_wide] - lowest[is_wide], 0)
    numbers[:, is_wide] = np.log10(above + OFFSET)
    return numbers
