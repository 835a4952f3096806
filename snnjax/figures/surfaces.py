"""Loss surfaces over two weights."""

from collections.abc import Sequence

import numpy as np

from snnjax.figures.picture import Drawn
from snnjax.figures.records import Array, Surface
from snnjax.figures.style import make_figure

MOST_SURFACES = 6
"""So many files are drawn at most."""

_LEVELS = 14
_KINDS = {"cross_entropy": "cross-entropy", "quadratic": "quadratic cost"}


def draw_surfaces(surfaces: Sequence[Surface]) -> Drawn:
    """Draw cross-entropy beside the quadratic cost over the same two weights (Figure 5)."""
    from matplotlib.ticker import MaxNLocator

    size = 7.6, 2.9 * len(surfaces) + 0.4
    figure, axes = make_figure(size, len(surfaces), 2, "Loss over two weights")
    for row, surface in zip(axes, surfaces, strict=True):
        for ax, (kind, name) in zip(row, _KINDS.items(), strict=True):
            height = np.asarray(getattr(surface, kind), np.float64).T
            shown = np.where(np.isfinite(height), height, np.nan)
            drawn = ax.contourf(
                surface.first, surface.second, shown, _levels(shown), cmap="cividis"
            )
            drawn.set_rasterized(True)
            figure.colorbar(drawn, ax=ax, pad=0.02, ticks=MaxNLocator(5))
            title = f"{surface.folder.name}: {name}" if len(surfaces) > 1 else name
            ax.set(title=title, xlabel="weight of the first layer", ylabel="weight of the output")
            ax.grid(False)
    grid = " and ".join(sorted({f"{len(s.first)} x {len(s.second)}" for s in surfaces}))
    seen = f"Both costs on a grid of {grid} values of the two weights with the largest gradients;"
    return Drawn(figure, [seen, "levels are even between the lowest and the highest of a picture."])


def _levels(height: Array) -> Array:
    """Return the edges of the colours."""
    known = height[np.isfinite(height)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if high <= low:
        high = low + max(abs(low), 1.0) * 1e-3
    return np.linspace(low, high, _LEVELS + 1)
