"""Input scaling: z = (x - shift) * scale, fitted on the training rows alone, in float64."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_BYTE = 255.0
_CHUNK = 2048  # rows of an image set summed at a time


class Scaling(NamedTuple):
    """Shift and scale of every column, (columns,) float64; scale is positive."""

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]


def identity(columns: int) -> Scaling:
    """Return the scaling that changes nothing."""
    return Scaling(np.zeros(columns), np.ones(columns))


def unit_interval(columns: int) -> Scaling:
    """Return the scaling that takes bytes to [0, 1]."""
    return Scaling(np.zeros(columns), np.full(columns, 1 / _BYTE))


def fit_table(table: NDArray[np.float64]) -> Scaling:
    """Fit mean 0 and population variance 1; constant columns get scale 1.

    Constant means a variance no larger than the rounding error of computing it, the bound of
    scikit-learn's StandardScaler: n eps var + (n mean eps)^2 for n rows.

    Args:
        table: (rows, columns), at least one row. A column too large to be squared gets scale 0
            or nan, which the caller has to refuse.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _fit_table(table)


def _fit_table(table: NDArray[np.float64]) -> Scaling:
    rows = len(table)
    mean = table.mean(axis=0)
    centred = table - mean
    # the second term takes back the rounding error of the mean (Chan, Golub, LeVeque 1983)
    variance = (centred**2).mean(axis=0) - centred.mean(axis=0) ** 2
    eps = np.finfo(np.float64).eps
    constant = variance <= rows * eps * variance + (rows * mean * eps) ** 2
    return Scaling(mean, 1 / np.sqrt(np.where(constant, 1.0, variance)))


def fit_bytes(images: NDArray[np.uint8], rows: NDArray[np.int32]) -> Scaling:
    """Fit mean 0 and population variance 1 per pixel, without rounding: all sums are integers.

    A constant pixel gets scale 1/255, which is scale 1 for images in [0, 1]: at 1 a pixel that is
    never lit in training would reach the network as up to 255 in a test image.

    Args:
        images: (images, pixels).
        rows: Training rows, at least one.
    """
    total = np.zeros(images.shape[1], dtype=np.int64)
    squares = np.zeros_like(total)
    for start in range(0, len(rows), _CHUNK):
        chunk = images[rows[start : start + _CHUNK]].astype(np.uint32)
        total += chunk.sum(axis=0, dtype=np.uint32)
        squares += (chunk * chunk).sum(axis=0, dtype=np.uint32)
    count = len(rows)
    # count * squares stays below 2^63 up to 10^7 images
    variance = (count * squares - total**2) / count**2
    scale = np.where(variance > 0, 1 / np.sqrt(np.where(variance > 0, variance, 1.0)), 1 / _BYTE)
    return Scaling(total / count, scale)
