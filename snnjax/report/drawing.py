"""The figures of reports as SVG text, in the look that all figures of the package share."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from snnjax.figures.style import BLACK, GREY, distinct_colors, make_figure, settle, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDE = 7.0  # inches
_LINE = 0.24  # height of a line of text


def as_svg(figure: "Figure") -> str:
    """Return a figure as SVG text; equal figures are equal texts."""
    settle(figure)
    sink = io.BytesIO()
    figure.savefig(sink, format="svg", metadata={"Date": None})
    return sink.getvalue().decode()


@styled
def critical_difference(average: pd.Series, apart: float, cliques: Sequence[Sequence[str]]) -> str:
    """Draw average ranks on a line, with bars over methods that are not told apart (Demsar 2006).

    Args:
        average: Average rank by method.
        apart: The critical difference.
        cliques: Groups of methods that are closer than it.
    """
    from matplotlib.figure import Figure

    ordered = average.sort_values()
    count, half = len(ordered), (len(ordered) + 1) // 2
    first = 0.9 + 0.25 * len(cliques)  # depth of the first name, in lines of text
    figure = Figure((_WIDE, _LINE * (half + first + 2.6)))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.axis("off")
    ax.set(xlim=(1 - 0.3 * count, count + 0.3 * count), ylim=(-half - first, 2.6))
    ax.plot([1, count], [0, 0], color=BLACK, linewidth=1)
    for rank in range(1, count + 1):
        ax.plot([rank, rank], [0, 0.2], color=BLACK, linewidth=1)
        ax.text(rank, 0.3, str(rank), ha="center", va="bottom")
    for place, (name, rank) in enumerate(ordered.items()):
        is_left = place < half
        depth = -(first + (place if is_left else count - 1 - place))
        side = 1 - 0.05 * count if is_left else 1.05 * count
        ax.plot([rank, rank, side], [0, depth, depth], color=GREY, linewidth=0.8)
        end, align = side + (-0.01 if is_left else 0.01) * count, "right" if is_left else "left"
        ax.text(end, depth, f"{name} {rank:.2f}", ha=align, va="center")
    for number, names in enumerate(cliques):
        ends = [ordered[names[0]] - 0.04, ordered[names[-1]] + 0.04]
        depth = -(0.3 + 0.25 * number)
        ax.plot(ends, [depth, depth], color=BLACK, linewidth=3, solid_capstyle="butt")
    ax.plot([1, 1 + apart], [1.5, 1.5], color=BLACK, linewidth=1.5, marker="|")
    ax.text(1, 1.7, f"critical difference {apart:.2f}", ha="left", va="bottom")
    return as_svg(figure)


@styled
def lines(curves: pd.DataFrame, across: str, along: str, *, logarithmic: bool = False) -> str:
    """Draw a line for each column over the index.

    Args:
        curves: The lines.
        across: What the index is.
        along: What the values are.
        logarithmic: Whether the index is drawn on a logarithmic scale.
    """
    figure, axes = make_figure((_WIDE, 3.2), 1, 1, "")
    ax = axes[0, 0]
    for (name, column), color in zip(curves.items(), distinct_colors(curves.shape[1]), strict=True):
        ax.plot(curves.index, column, label=name, color=color, linewidth=1.3)
    if logarithmic:
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
    ax.set(xlabel=across, ylabel=along)
    _legend_beside(figure, ax)
    return as_svg(figure)


@styled
def isolation(tables: Mapping[str, pd.DataFrame], methods: Sequence[str], along: str) -> str:
    """Draw a panel for each parameter: a value's best objective, a line for each method.

    Args:
        tables: By parameter rows of `value`, `method`, `best`.
        methods: In the order of their colours.
        along: What the values are.
    """
    columns = min(3, len(tables))
    rows = -(-len(tables) // columns)
    figure, axes = make_figure((_WIDE + 1, 0.4 + 2.1 * rows), rows, columns, "")
    colors = dict(zip(methods, distinct_colors(len(methods)), strict=True))
    for ax, (name, table) in zip(axes.flat, tables.items(), strict=False):
        values = sorted(table["value"].unique(), key=lambda v: (isinstance(v, str), v))
        places = {value: place for place, value in enumerate(values)}
        for method, part in table.groupby("method", sort=False):
            x = part["value"].map(places)
            ax.plot(x, part["best"], marker="o", markersize=3, color=colors[method], label=method)
        ax.set_xticks(range(len(values)), [_short(value) for value in values])
        ax.set_title(name)
    for ax in axes.flat[len(tables) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel(along, fontsize=7)
    handles = {
        text: line
        for ax in axes.flat
        for line, text in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    shown = [name for name in methods if name in handles]
    figure.legend(
        [handles[name] for name in shown], shown, loc="outside lower center",
        ncols=min(4, len(shown)), fontsize=8,
    )  # fmt: skip
    return as_svg(figure)


@styled
def curves_over_points(
    panels: Mapping[str, Mapping[str, pd.Series]], points: Mapping[str, Mapping[str, pd.Series]]
) -> str:
    """Draw losses over epochs, a panel for each data set, with printed points as marks.

    Args:
        panels: By data set and label the loss by epoch.
        points: The same of what is printed; drawn in the colours of the same labels.
    """
    names = [*panels]
    figure, axes = make_figure((_WIDE, 3.4 * len(names)), len(names), 1, "")
    labels = sorted(
        {label for p in (*panels.values(), *points.values()) for label in p}, key=_by_depth
    )
    colors = dict(zip(labels, distinct_colors(len(labels)), strict=True))
    for ax, name in zip(axes[:, 0], names, strict=True):
        for label, curve in panels[name].items():
            ax.plot(curve.index, curve, color=colors[label], linewidth=1.1, label=label)
        for label, marks in points.get(name, {}).items():
            is_ours = label in panels[name]
            ax.plot(
                marks.index, marks, "o", color=colors[label], markersize=5,
                markerfacecolor="none", alpha=1.0 if is_ours else 0.35,
                label=f"{label}, printed" if not is_ours else None,
            )  # fmt: skip
        ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel="training cross-entropy", title=name)
        _legend_beside(figure, ax)
    return as_svg(figure)


def _by_depth(label: str) -> tuple[str, float]:
    name, _, depth = label.rpartition(" ")
    return name, float(depth) if depth.replace(".", "").isdigit() else np.inf


def _legend_beside(figure: "Figure", ax: object) -> None:
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)  # type: ignore[attr-defined]


def _short(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 12 else text[:11] + "…"
