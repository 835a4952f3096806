"""What the subcommands have in common: numbers that are checked, tables."""

import argparse
import math
from collections.abc import Callable, Sequence

from snnjax.constants import ALPHA_01, LAMBDA_01


def number(text: str) -> float:
    """Return a finite number.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    return _number(text, "a finite number", math.isfinite)


def positive(text: str) -> float:
    """Return a finite number above 0; raises as `number` does."""
    return _number(text, "a finite number above 0", lambda x: 0 < x < math.inf)


def rate(text: str) -> float:
    """Return a number in [0, 1); raises as `number` does."""
    return _number(text, "a number in [0, 1)", lambda x: 0 <= x < 1)


def shown_mean(mean: float, variance: float) -> float:
    """Return a mean as it is printed: 0 where it is rounding beside the deviation."""
    return 0.0 if abs(mean) < 1e-12 * math.sqrt(variance) else mean


def add_selu(parser: argparse.ArgumentParser) -> None:
    """Add the constants of SELU."""
    parser.add_argument("--alpha", type=positive, default=ALPHA_01, help="of SELU")
    parser.add_argument("--lambda", dest="scale", type=positive, default=LAMBDA_01, help="of SELU")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns, the first to the left, the others to the right."""
    cells = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *others in cells:
        right = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:{widths[0]}}", *right]).rstrip())
    return "\n".join(lines)


def _number(text: str, allowed: str, is_fine: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not is_fine(value):
        raise argparse.ArgumentTypeError(f"{text}: not {allowed}")
    return value
