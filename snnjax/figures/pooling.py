"""Several runs in one curve or one histogram."""

import warnings
from typing import Literal, NamedTuple

import numpy as np

from snnjax.figures.records import Array

_PER_BIN = 60  # values that a bin that is drawn is to have on average
_TOGETHER = (1, 2, 4, 5)  # so many bins may be drawn as one


class Band(NamedTuple):
    """What several runs have at the same place.

    Attributes:
        low: The least of the finite values, NaN where there are none.
        middle: Their median.
        high: The largest.
    """

    low: Array
    middle: Array
    high: Array


class Histogram(NamedTuple):
    """Counts of values between edges that are equally far from each other.

    Attributes:
        counts: (bins,), not always whole numbers: see `rebin`.
        edges: (bins + 1,), in increasing order.
    """

    counts: Array
    edges: Array

    @property
    def density(self) -> Array:
        """Counts as a density of area 1; zeros where nothing was counted."""
        area = self.counts.sum() * np.diff(self.edges)
        return np.divide(self.counts, area, out=np.zeros_like(self.counts), where=area > 0)

    def coarser(self) -> "Histogram":
        """Return the histogram with several bins as one where there are few values for each."""
        bins = len(self.counts)
        wanted = self.counts.sum() / _PER_BIN
        several = next((n for n in _TOGETHER if bins % n == 0 and bins / n <= wanted), None)
        several = several or max((n for n in _TOGETHER if bins % n == 0), default=1)
        return Histogram(self.counts.reshape(-1, several).sum(1), self.edges[::several])

    def quantile(self, share: float) -> float:
        """Return the value below which a share of what was counted lies, NaN of nothing."""
        total = self.counts.sum()
        if not total:
            return np.nan
        below = np.concatenate([[0.0], np.cumsum(self.counts)]) / total
        # Of empty bins the inner edge: at the left end the last of them, at the right the first.
        side: Literal["left", "right"] = "right" if share < 0.5 else "left"
        place = int(np.clip(np.searchsorted(below, share, side), 1, len(below) - 1))
        return float(np.interp(share, below[place - 1 : place + 1], self.edges[place - 1 :][:2]))


def pool(values: Array) -> Band:
    """Return least, median and largest of the finite values along the first axis (runs)."""
    finite = np.where(np.isfinite(values), values, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where no run has a finite value
        return Band(np.nanmin(finite, 0), np.nanmedian(finite, 0), np.nanmax(finite, 0))


def pool_histograms(counts: Array, edges: Array) -> Histogram:
    """Add histograms after bringing them to common edges; no count is lost.

    Args:
        counts: (histograms, bins); those with counts or edges that are not finite are left out.
        edges: (histograms, 2), the first and the last edge of each, whose bins are equally wide.
    """
    counts, edges = np.asarray(counts, np.float64), np.asarray(edges, np.float64)
    good = np.isfinite(edges).all(1) & np.isfinite(counts).all(1) & (counts.sum(1) > 0)
    bins = counts.shape[1]
    if not good.any():
        return Histogram(np.zeros(bins), np.linspace(0.0, 1.0, bins + 1))
    grid = common_edges(edges[good], bins)
    pairs = zip(counts[good], edges[good], strict=True)
    return Histogram(np.sum([rebin(own, low, high, grid) for own, (low, high) in pairs], 0), grid)


def common_edges(edges: Array, bins: int) -> Array:
    """Return edges of bins from the first of all edges (n, 2) to the last, wider than nothing."""
    low, high = float(edges[:, 0].min()), float(edges[:, 1].max())
    least = max(abs(low), abs(high), 1e-30) * 1e-6
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least, middle + least
    return np.linspace(low, high, bins + 1)


def rebin(counts: Array, first: float, last: float, grid: Array) -> Array:
    """Return counts between the edges `grid` instead, values taken as even within their bin.

    Args:
        counts: Of equally wide bins from `first` to `last`; equal edges are a single value.
        first: The first edge.
        last: The last edge.
        grid: New edges, in increasing order; what lies outside of them is left out.
    """
    if last <= first:
        return np.histogram([first], grid, weights=[counts.sum()])[0].astype(np.float64)
    own = np.linspace(first, last, len(counts) + 1)
    cumulative = np.concatenate([[0.0], np.cumsum(counts)])
    return np.diff(np.interp(grid, own, cumulative))
