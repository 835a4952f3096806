"""Our scores against printed ones, with what the number of test rows makes of them."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from snnjax.figures.style import BLACK, BLUE, GREY, ORANGE, make_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_SIZE = 7.6, 4.0
_NAMED = 6  # so many of the largest differences have their names beside them
_NAME_HEIGHT = 0.045  # of a name, as a share of the axis
_LEAST_ROWS = 3  # where the axis of test rows begins, if no data set has fewer


@styled
def draw_against_printed(comparison: pd.DataFrame, *, title: str = "") -> "Figure":
    """Draw accuracies over printed ones, and differences over the number of test rows.

    The band on the right is the binomial interval of the difference from the printed accuracy at
    the mean of all of them, so it narrows with the square root of the number of rows.

    Args:
        comparison: As `stats.compare_with_printed` returns it: ours, printed, difference, rows,
            low, high and inside, one row per data set.
        title: What stands above the axes.
    """
    figure, axes = make_figure(_SIZE, 1, 2, title or "Accuracies against printed ones")
    left, right = axes[0]
    for is_inside, color, label in ((True, BLUE, "inside"), (False, ORANGE, "outside")):
        own = comparison[comparison["inside"].astype(bool) == is_inside]
        name = f"{label} the interval ({len(own)})"
        for ax, x, y in ((left, "printed", "ours"), (right, "rows", "difference")):
            ax.plot(own[x], own[y], "o", color=color, markersize=4, alpha=0.8, label=name)
    _draw_scores(left, comparison)
    _draw_band(right, comparison)
    _name_largest(right, comparison)
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _draw_scores(ax: Any, comparison: pd.DataFrame) -> None:
    outside = comparison[~comparison["inside"].astype(bool)]
    ax.hlines(
        outside["ours"], outside["low"], outside["high"], color=ORANGE, alpha=0.4, linewidth=1.5
    )
    low = float(min(comparison["ours"].min(), comparison["printed"].min())) - 0.03
    ax.plot([low, 1.03], [low, 1.03], color=GREY, linewidth=0.8, zorder=1)
    ax.set(xlim=(low, 1.03), ylim=(low, 1.03), xlabel="printed", ylabel="ours")
    ax.set_aspect("equal")


def _draw_band(ax: Any, comparison: pd.DataFrame) -> None:
    from matplotlib.ticker import NullFormatter

    least = min(_LEAST_ROWS, comparison["rows"].min())
    rows = np.geomspace(least, 1.3 * comparison["rows"].max(), 60)
    mean = comparison["printed"].mean()
    low, high = _band(mean, rows)
    name = f"interval of an accuracy of {mean:.2f}"
    ax.fill_between(rows, low, high, color=GREY, alpha=0.15, linewidth=0, label=name)
    ax.axhline(0, color=BLACK, linewidth=0.8)
    largest = 1.15 * max(comparison["difference"].abs().max(), 0.02)
    ax.set(xscale="log", xlim=(rows[0], rows[-1]), ylim=(-largest, largest))
    ax.set(xlabel="test rows", ylabel="ours - printed")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.xaxis.set_minor_formatter(NullFormatter())


def _band(mean: float, rows: Array) -> tuple[Any, Any]:
    """Return the binomial interval (Wilson 1927) of a typical accuracy, as differences from it."""
    z = 1.96
    middle = (mean + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(mean * (1 - mean) / rows + z**2 / (4 * rows**2))
    return middle - half - mean, middle + half - mean


def _name_largest(ax: Any, comparison: pd.DataFrame) -> None:
    """Write the names of data sets that differ most and are outside their interval."""
    outside = comparison[~comparison["inside"].astype(bool)]
    order = outside["difference"].abs().sort_values(ascending=False).index[:_NAMED]
    named = outside.loc[order].sort_values("difference")
    if named.empty:
        return
    height = ax.get_ylim()[1] - ax.get_ylim()[0]
    places = _apart(named["difference"].to_numpy(), _NAME_HEIGHT * height)
    for name, rows, y, place in zip(
        named.index, named["rows"], named["difference"], places, strict=True
    ):
        ax.annotate(
            str(name), (rows, y), xytext=(1.25 * rows, place), fontsize=7, color=GREY, va="center"
        )


def _apart(heights: Array, least: float) -> Array:
    """Return ascending heights moved up, and back down together, until they are apart."""
    found = heights.copy()
    for place in range(1, len(found)):
        found[place] = max(found[place], found[place - 1] + least)
    shifted: Array = found - np.mean(found - heights)
    return shifted
