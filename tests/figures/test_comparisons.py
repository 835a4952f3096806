"""Pictures of methods compared: what they show, that nothing is cut off or hidden."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from snnjax import printed, stats
from snnjax.figures.against_printed import _apart, draw_against_printed
from snnjax.figures.budget import draw_budget
from snnjax.figures.intervals import draw_intervals
from snnjax.figures.isolation import draw_isolation
from snnjax.figures.ranks import draw_critical_difference
from snnjax.figures.style import save

NETWORKS = printed.uci_accuracies()
BOTH = printed.uci_with_classical()
MANY = stats.split_by_size(BOTH, printed.uci_points()).large


def trials(methods, number=12):
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "model.name": np.repeat(methods, number),
            "rate": np.tile([0.01, 0.1, 1.0], len(methods) * number // 3),
            "form": np.tile(["conic", "rectangular"], len(methods) * number // 2),
            "score": generator.random(len(methods) * number),
        }
    )
    frame.loc[frame.rate == 1, "score"] *= np.nan
    return frame


def ranks_figure(table):
    average = stats.average_ranks(table)
    apart = stats.critical_difference(table.shape[1], len(table))
    return draw_critical_difference(average, apart, stats.cliques(average, apart))


def comparison():
    rows = printed.uci_test_rows()
    return stats.compare_with_printed(NETWORKS["msra"], NETWORKS["snn"], rows)


def budget_figure(methods):
    return draw_budget(stats.best_of_k(trials(methods), "score"), "accuracy")


def isolation_figure(keys):
    return draw_isolation(stats.isolation(trials(["snn"]), keys, "score"), "accuracy")


FIGURES = {
    "seven ranks": lambda: ranks_figure(NETWORKS),
    "24 ranks": lambda: ranks_figure(MANY),
    "two ranks": lambda: ranks_figure(NETWORKS[["snn", "msra"]]),
    "one budget": lambda: budget_figure(["snn"]),
    "four budgets": lambda: budget_figure(["snn", "msra", "highway", "resnet"]),
    "one hyperparameter": lambda: isolation_figure(["form"]),
    "two hyperparameters": lambda: isolation_figure(["form", "rate"]),
    "against printed": lambda: draw_against_printed(comparison()),
    "intervals": lambda: draw_intervals(
        stats.probability_of_improvement(NETWORKS, "snn", draws=100), "probability", reference=0.5
    ),
}


def shown_texts(figure):
    """Return every written text with its box, in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = [text for ax in figure.axes for text in ax.texts]
    found += [text for legend in figure.legends for text in legend.get_texts()]
    for ax in figure.axes:
        if ax.axison:
            found += [ax.xaxis.label, ax.yaxis.label]
            for axis, ends in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
                # Axes that share theirs with others have no labels of their own.
                ticks = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False)
                found += [text for place, text in ticks if min(ends) <= place <= max(ends)]
    boxes = [(text.get_text(), text.get_window_extent()) for text in found if text.get_text()]
    return boxes, figure.bbox


def in_view(box, limits):
    return box.x0 >= -1 and box.y0 >= -1 and box.x1 <= limits.x1 + 1 and box.y1 <= limits.y1 + 1


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_cut_off_or_written_over_another(name):
    boxes, limits = shown_texts(FIGURES[name]())
    assert len(boxes) > 4
    assert not [text for text, box in boxes if not in_view(box, limits)]
    over = [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]
    assert not over


@pytest.mark.parametrize("name", ["seven ranks", "four budgets", "against printed"])
def test_equal_data_are_equal_files(name, tmp_path):
    for file in ("one.svg", "two.svg"):
        save(FIGURES[name](), tmp_path / file)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.svg").stat().st_size < 200_000


def test_names_hang_from_their_ranks_and_bars_span_their_groups():
    average = pd.Series({"c": 3.0, "a": 1.2, "b": 1.9})
    figure = draw_critical_difference(average, 1.0, [["a", "b"]])
    ax = figure.axes[0]
    texts = {text.get_text(): text for text in ax.texts}
    assert {"a  1.20", "b  1.90", "3.00  c", "  critical difference 1.00"} <= set(texts)
    lines = [line.get_xydata() for line in ax.lines]
    for label, rank in (("a  1.20", 1.2), ("b  1.90", 1.9), ("3.00  c", 3.0)):
        height = texts[label].get_position()[1]
        (own,) = [line for line in lines if len(line) == 3 and line[0].tolist() == [rank, 0]]
        assert own[1:, 1].tolist() == [height, height]
    (bar,) = [line for line in ax.lines if line.get_linewidth() > 3]
    np.testing.assert_allclose(bar.get_xdata(), [1.2, 1.9], atol=0.02)
    rulers = [line for line in lines if len(line) == 2 and np.ptp(line[:, 0]) == 1.0]
    assert [line[0, 0] for line in rulers] == [1.0]


def test_bars_of_groups_do_not_meet():
    figure = ranks_figure(MANY)
    bars = [line.get_xydata() for line in figure.axes[0].lines if line.get_linewidth() > 3]
    assert len(bars) == 9
    for one, other in combinations(bars, 2):
        apart = one[1, 0] < other[0, 0] or other[1, 0] < one[0, 0]
        assert apart or one[0, 1] != other[0, 1]


def test_without_a_critical_difference_there_is_no_ruler():
    figure = draw_critical_difference(pd.Series({"a": 1.4, "b": 1.6}))
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "2", "a  1.40", "1.60  b"]


@pytest.mark.parametrize(("methods", "bands"), [(["snn", "msra"], 2), (["a", "b", "c"], 0)])
def test_budgets_are_the_curves_and_their_intervals(methods, bands):
    curves = stats.best_of_k(trials(methods), "score")
    figure = draw_budget(curves, "accuracy")
    ax = figure.axes[0]
    for line, (_, own) in zip(ax.lines, curves.groupby("method", sort=False), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), own[["k", "expected"]])
    filled = [shape for shape in ax.collections if "FillBetween" in type(shape).__name__]
    assert len(filled) == bands
    if not bands:
        (first, *_) = ax.collections
        own = curves[(curves["method"] == "a") & curves["k"].isin([1, 2, 4, 8])]
        ends = np.array([segment[:, 1] for segment in first.get_segments()])
        np.testing.assert_allclose(ends, own[["low", "high"]])
    ends = curves.groupby("method")["expected"].last().sort_values(ascending=False)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*ends.index]


def test_isolation_shows_the_best_of_every_value_and_counts_what_failed():
    figure = isolation_figure(["form", "rate"])
    table = stats.isolation(trials(["snn"]), ["form", "rate"], "score").set_index("key")
    forms, rates = figure.axes
    assert [text.get_text() for text in rates.get_xticklabels()] == ["0.01", "0.1", "1"]
    assert [text.get_text() for text in rates.texts] == ["4 ✕"]
    assert [text.get_text() for text in forms.texts] == ["2 ✕", "2 ✕"]
    best = rates.lines[1].get_ydata()
    np.testing.assert_array_equal(best, table.loc["rate", "best"])


def test_values_without_number_have_few_labels():
    frame = pd.DataFrame({"rate": np.linspace(0, 1, 40), "score": np.linspace(1, 2, 40)})
    frame.loc[3, "rate"] = np.nan
    figure = draw_isolation(stats.isolation(frame, ["rate"], "score"), "loss")
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert len(labels) == 7
    assert labels[-1] == "null"


def test_points_against_printed_ones_are_told_apart_by_their_interval():
    table = comparison()
    figure = draw_against_printed(table)
    left, right = figure.axes
    inside, outside = (line.get_xydata() for line in left.lines[:2])
    assert len(inside) == table["inside"].sum() == 95
    np.testing.assert_array_equal(outside, table.loc[~table["inside"], ["printed", "ours"]])
    shown = figure.legends[0].get_texts()
    assert [text.get_text() for text in shown][:2] == [
        "inside the interval (95)", "outside the interval (25)"
    ]  # fmt: skip
    named = {text.get_text() for text in right.texts}
    largest = table[~table["inside"]]["difference"].abs().nlargest(6)
    assert named == set(largest.index)


def test_the_band_is_the_binomial_interval_of_the_mean():
    table = comparison()
    _, right = draw_against_printed(table).axes
    (band,) = [shape for shape in right.collections if "FillBetween" in type(shape).__name__]
    points = band.get_paths()[0].vertices
    mean = table["printed"].mean()
    for rows, difference in points[1:50:7]:
        ends = np.array([stats.binomial_interval(mean, np.round(rows))]).ravel() - mean
        near = np.abs(ends - difference).min()
        assert near < 0.02


def test_heights_are_moved_apart_and_stay_in_the_middle():
    heights = np.array([0.0, 0.01, 0.02, 1.0])
    found = _apart(heights, 0.1)
    assert (np.diff(found) >= 0.1 - 1e-12).all()
    assert found.mean() == pytest.approx(heights.mean())
    np.testing.assert_array_equal(_apart(np.array([0.0, 1.0]), 0.1), [0, 1])


def test_intervals_are_drawn_from_the_top_down():
    table = stats.bootstrap_interval(NETWORKS, "average_rank", draws=100)
    ax = draw_intervals(table, "average rank").axes[0]
    (spans,) = ax.collections
    ends = np.array([segment[:, 0] for segment in spans.get_segments()])
    np.testing.assert_array_equal(ends, table[["low", "high"]])
    assert [text.get_text() for text in ax.get_yticklabels()] == [*table.index]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
