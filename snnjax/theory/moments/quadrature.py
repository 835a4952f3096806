"""Gauss-Legendre quadrature against a normal density, over panels cut finer until they agree."""

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]
Function = Callable[[Array], ArrayLike]

NODES = 16
"""Of a panel that is not too wide; twice as many are taken, and these see whether it was."""
# Standard normals lie beyond this many deviations with probability 4e-33.
_END = 12.0
# How often a panel is halved, and how many there are at most.
_HALVINGS, _MOST_PANELS = 60, 20_000
# How near to the ends of a panel a function is looked at, as a share of it.
_NEXT = 1e-9
_ROUNDING = 4 * float(np.finfo(np.float64).eps)


def panels(mean: float, deviation: float, kinks: Sequence[float]) -> Array:
    """Return the ends of panels, in deviations from the mean.

    They end at 0, at the positive and negative powers of 2 of both signs, and at `kinks`.
    """
    reach = abs(mean) + _END * deviation
    powers = 2.0 ** np.arange(-2, max(0, math.ceil(math.log2(reach))) + 1)
    places = np.concatenate([[0.0], powers, -powers, kinks])
    inner = (places - mean) / deviation
    even = np.arange(-_END, _END + 1)
    return np.unique(np.concatenate([even, inner[np.abs(inner) < _END]]))


def nodes(edges: Array, count: int, pieces: int = 1) -> tuple[Array, Array]:
    """Return the nodes in deviations from the mean, and their probabilities, which add up to 1.

    Args:
        edges: Ends of panels.
        count: Of nodes in a panel.
        pieces: The density is that of the largest of so many independent numbers.
    """
    x, mass = _rule(edges[:-1], edges[1:], count, pieces)
    return x.ravel(), mass.ravel() / mass.sum()


def refined(
    function: Function, edges: Array, centre: float = 0.0, pieces: int = 1
) -> tuple[Array, tuple[float, float]]:
    """Halve panels until they integrate a function, and its square about its mean, to rounding.

    A panel is kept once the polynomial through twice `NODES` nodes foresees the values at `NODES`
    others. Around a jump none does: its panel is halved until floats end, and is then known to
    within its probability times the range of what is integrated in it.

    Args:
        function: Of deviations from the mean.
        edges: Ends of panels.
        centre: The mean in deviations: how large the numbers are that the function is told.
        pieces: As for `nodes`.

    Returns:
        Ends of finer panels, and bounds on the errors of the mean and of the variance: what was
        not foreseen, what is known of panels that were not settled, and rounding.
    """
    x, mass = nodes(edges, 2 * NODES, pieces)
    y = np.asarray(function(x), np.float64)
    middle = float(mass @ y)
    square = float(mass @ (y - middle) ** 2)
    size = abs(middle) + math.sqrt(square)
    limits = np.array([[size], [square + abs(middle) * math.sqrt(square)]]) * _ROUNDING
    low, high, finest = edges[:-1], edges[1:], _ROUNDING * (abs(centre) + _END)
    kept, errors = [edges], 2 * limits[:, 0]
    for halving in range(_HALVINGS + 1):
        off, bound = _disagreement(function, low, high, middle, pieces)
        cut = (low + high) / 2
        is_open = ((off > limits) | ~np.isfinite(off)).any(0) & (high - low > finest)
        is_over = halving == _HALVINGS or sum(map(len, kept)) + is_open.sum() > _MOST_PANELS
        is_settled = (off <= limits).all(0)
        done = ~is_open | is_over
        errors = errors + np.where(is_settled, off, np.maximum(off, bound))[:, done].sum(1)
        if is_over or not is_open.any():
            break
        low, cut, high = low[is_open], cut[is_open], high[is_open]
        kept.append(cut)
        low, high = np.concatenate([low, cut]), np.concatenate([cut, high])
    return np.unique(np.concatenate(kept)), (float(errors[0]), float(errors[1]))


def _disagreement(
    function: Function, low: Array, high: Array, middle: float, pieces: int
) -> tuple[Array, Array]:
    """Return what the finer rule may miss in each panel, by what it foresees, and at most.

    Of f - middle and of its square, (2, panels). Sums of two rules agree by chance now and then;
    values at the nodes of the coarser one do not agree with the polynomial through those of the
    finer one where there is a jump. Nor do they next to an end, where no rule has a node.
    """
    x, mass = _rule(low, high, 2 * NODES, pieces)
    both, whole = _powers(function, x, middle), mass.sum(1)
    further = (low + high)[:, None] / 2 + (high - low)[:, None] / 2 * _further_points()
    found = _powers(function, further, middle)
    surprise = np.abs(found - both @ _foreseeing())
    points, _ = _legendre(2 * NODES)
    margins = (high - low) * (1 - points[-1]) * _density(x[:, [0, -1]], pieces).max(1)
    off = whole * surprise[..., 2:].max(2) + margins * surprise[..., :2].max(2)
    return off, whole * np.ptp(np.concatenate([both, found], 2), axis=2)


def _powers(function: Function, x: Array, middle: float) -> Array:
    """Return f - middle and its square, (2, panels, count)."""
    away = np.asarray(function(x.ravel()), np.float64).reshape(x.shape) - middle
    return np.stack([away, away**2])


def _rule(low: Array, high: Array, count: int, pieces: int) -> tuple[Array, Array]:
    """Return nodes and their probabilities, (panels, count)."""
    points, weights = _legendre(count)
    halves, middles = (high - low) / 2, (high + low) / 2
    x = middles[:, None] + halves[:, None] * points
    return x, halves[:, None] * weights * _density(x, pieces)


def _density(x: Array, pieces: int) -> Array:
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return density if pieces == 1 else density * pieces * ndtr(x) ** (pieces - 1)


@cache
def _legendre(count: int) -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(count)


@cache
def _further_points() -> Array:
    """Return, for a panel from -1 to 1, places next to both ends and the coarser rule's nodes."""
    return np.array([-1 + 2 * _NEXT, 1 - 2 * _NEXT, *_legendre(NODES)[0]])


@cache
def _foreseeing() -> Array:
    """Return weights that make values at the finer rule's nodes those at the further points."""
    points, _ = _legendre(2 * NODES)
    gaps = points[:, None] - points + np.eye(len(points))
    weights = (1 / gaps.prod(1))[:, None] / (_further_points() - points[:, None])
    return np.asarray(weights / weights.sum(0))
