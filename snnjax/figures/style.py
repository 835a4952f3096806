"""The look that all figures share, and how they are written to files."""

import textwrap
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".pdf")
DPI = 120
TITLE_SIZE = 10
CAPTION_SIZE = 8

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "snnjax",  # the same picture is the same file
}
# Told apart by colour-blind readers too.
BLUE, ORANGE, GREEN, RED, PURPLE, GREY, SKY, BLACK = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#555555", "#56b4e9", "#000000"),
)
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY, BLACK)
"""The colours of things that have no order."""

_HEAVY = 250_000  # bytes of a vector file above which its curves become images
_COARSE_DPI = 90  # of those images
_POINTS = 72  # of an inch
_LINE = 1.25  # distance of lines of text, in their size
_LETTER = 0.53  # mean width of a letter, in the size of the text
_MARGIN = 0.1  # around a caption, in inches

_Draws = TypeVar("_Draws", bound=Callable[..., Any])


def styled(draw: _Draws) -> _Draws:
    """Return a function that draws with the look that all figures share."""

    @wraps(draw)
    def drawn(*given: Any, **named: Any) -> Any:
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*given, **named)

    return drawn  # type: ignore[return-value]


def make_figure(
    size: tuple[float, float], rows: int, columns: int, title: str, **shared: Any
) -> "tuple[Figure, Any]":
    """Return a figure with a title, and its axes as an array (rows, columns).

    Args:
        size: Width and height in inches.
        rows: How many rows of axes.
        columns: How many columns of axes.
        title: What stands above all of them.
        shared: What axes share, as `Figure.subplots` takes it.
    """
    from matplotlib.figure import Figure

    figure = Figure(size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **shared)
    figure.suptitle(title, fontsize=TITLE_SIZE)
    return figure, axes


def add_caption(figure: "Figure", text: str) -> None:
    """Write text below a figure, which becomes as much taller as the text needs."""
    width, height = figure.get_size_inches()
    letters = int((width - 2 * _MARGIN) * _POINTS / (CAPTION_SIZE * _LETTER))
    lines = textwrap.wrap(text, letters)
    needed = len(lines) * CAPTION_SIZE * _LINE / _POINTS + 2 * _MARGIN
    total = height + needed
    figure.set_size_inches(width, total)
    figure.set_layout_engine("constrained", rect=(0, needed / total, 1, height / total))
    figure.text(
        _MARGIN / width,
        _MARGIN / total,
        "\n".join(lines),
        fontsize=CAPTION_SIZE,
        color=GREY,
        va="bottom",
        linespacing=1.1,
        in_layout=False,
    )


def save(figure: "Figure", path: Path) -> None:
    """Write a figure, without the date, so that equal figures are equal files.

    Raises:
        OSError: The file cannot be written.
    """
    import matplotlib

    metadata: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with matplotlib.rc_context(STYLE):
        settle(figure)
        figure.savefig(path, dpi=DPI, metadata=metadata.get(path.suffix))
        if path.suffix != ".png" and path.stat().st_size > _HEAVY:
            _lighten(figure)
            figure.savefig(path, dpi=_COARSE_DPI, metadata=metadata.get(path.suffix))


def settle(figure: "Figure") -> None:
    """Lay a figure out and keep it so: the solver's last digits are not the same every time."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax in figure.axes:
        left, bottom, width, height = (round(side, 6) for side in ax.get_position().bounds)
        ax.set_position((left, bottom, width, height))


def distinct_colors(count: int) -> list[Any]:
    """Return colours of things that have no order, however many."""
    from matplotlib import colormaps

    if count <= len(CYCLE):
        return list(CYCLE[:count])
    return [colormaps["turbo"](0.05 + 0.9 * place / (count - 1)) for place in range(count)]


def _lighten(figure: "Figure") -> None:
    """Let everything but axes and text be images in vector files."""
    for ax in figure.axes:
        for artist in (*ax.lines, *ax.collections, *ax.patches):
            artist.set_rasterized(True)
