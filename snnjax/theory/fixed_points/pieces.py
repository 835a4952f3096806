"""The families of activations that can be fitted to a fixed point, and their moments by mpmath."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from snnjax.theory.moments.activations import TWINS
from snnjax.theory.moments.moment_map import selu
from snnjax.theory.moments.quadrature import Function

Number = Any
"""An `mpmath.mpf`."""


class Branches(NamedTuple):
    """Scale times (z for z > 0, else -alpha d(z)).

    Attributes:
        says: The formula.
        names: Of alpha and the scale.
        pieces: From m and v: E[z; z > 0], E[z^2; z > 0], E[d; z < 0] and E[d^2; z < 0].
        numpy: From alpha and scale to the function.
        remark: What there is to know of it.
    """

    says: str
    names: tuple[str, str]
    pieces: Callable[[Number, Number], tuple[Number, ...]]
    numpy: Callable[[float, float], Function]
    remark: str = ""


class Shifted(NamedTuple):
    """Scale times a given function, and a shift.

    Attributes:
        says: The formula.
        exact: The function of one `mpf`.
        twin: Its name in `activations.TWINS`.
        remark: What there is to know of it.
    """

    says: str
    exact: Callable[[Number], Number]
    twin: str
    remark: str = ""

    def numpy(self, scale: float, shift: float) -> Function:
        """Return scale f + shift."""
        return lambda x: scale * np.asarray(TWINS[self.twin](x)) + shift


Family = Branches | Shifted


def selu_pieces(m: Number, v: Number) -> tuple[Number, ...]:
    """Return the pieces of d(z) = 1 - e^z."""
    a, q, lower, _, _ = _halves(m, v)
    once, twice = (_exponential_below(k, m, v) for k in (1, 2))
    return a, q, lower - once, lower - 2 * once + twice


def leaky_pieces(m: Number, v: Number) -> tuple[Number, ...]:
    """Return the pieces of d(z) = -z."""
    a, q, _, down, square = _halves(m, v)
    return a, q, down, square


def moments_of(family: Shifted, m: Number, v: Number) -> tuple[Number, Number]:
    """Return mean and variance of f(z) by quadrature at the precision in force."""
    from mpmath import exp, pi, quad, sqrt

    s = sqrt(v)
    ends = _ends(-m / s)

    def mean_of(function: Callable[[Number], Number]) -> Number:
        def integrand(x: Number) -> Number:
            return function(family.exact(m + s * x)) * exp(-x * x / 2)

        return quad(integrand, ends) / sqrt(2 * pi)

    mean = mean_of(lambda y: y)
    return mean, mean_of(lambda y: (y - mean) ** 2)


def _ends(kink: Number) -> list[Number]:
    """Return the ends of panels: beyond the last a normal is rarer than the precision tells."""
    from mpmath import ceil, log, mp, sqrt

    most = int(ceil(sqrt(2 * (mp.prec + 10) * log(2))))
    places = {*map(mp.mpf, range(-most, most + 1, 2)), mp.mpf(-most), mp.mpf(most)}
    return sorted(places | ({kink} if abs(kink) < most else set()))


def _halves(m: Number, v: Number) -> tuple[Number, ...]:
    """Return first and second moments of both halves of z, the lower with its probability."""
    from mpmath import exp, pi, sqrt

    s = sqrt(v)
    upper, lower = _tail(-m / s), _tail(m / s)
    bell = s * exp(-m * m / (2 * v)) / sqrt(2 * pi)
    up, down = m * upper + bell, bell - m * lower
    return up, (m * m + v) * upper + m * bell, lower, down, (m * m + v) * lower - m * bell


def _exponential_below(k: int, m: Number, v: Number) -> Number:
    from mpmath import exp, sqrt

    return exp(k * m + k * k * v / 2) * _tail((m + k * v) / sqrt(v))


def _tail(x: Number) -> Number:
    from mpmath import erfc, sqrt

    return erfc(x / sqrt(2)) / 2


def _mp(name: str) -> Any:
    import mpmath

    return getattr(mpmath, name)


def _leaky(slope: float, scale: float) -> Function:
    return lambda x: scale * np.where(x > 0, x, slope * x)


def _selu(alpha: float, scale: float) -> Function:
    return lambda x: selu(x, alpha, scale)


def _sigmoid(x: Number) -> Number:
    return 1 / (1 + _mp("exp")(-x))


_AFFINE = "scale {} + shift"
_HOMOGENEOUS = (
    "a straight line on both sides of 0: of net inputs of mean 0 the variance out is a fixed part "
    "of that in, so that a fixed point there is neutral, never attracting"
)
FAMILIES: Mapping[str, Family] = {
    "selu": Branches(
        "lambda (z for z > 0, else alpha (e^z - 1))", ("alpha", "lambda"), selu_pieces, _selu
    ),
    "elu": Branches(
        "scale elu(z; alpha)", ("alpha", "scale"), selu_pieces, _selu, "the same function as SELU"
    ),
    "leaky_relu": Branches(
        "scale (z for z > 0, else slope z)", ("slope", "scale"), leaky_pieces, _leaky, _HOMOGENEOUS
    ),
    "leaky_relu_shifted": Shifted(
        _AFFINE.format("leaky_relu(z; 0.01)"),
        lambda x: x if x > 0 else x * _mp("mpf")("0.01"),
        "leaky_relu",
        _HOMOGENEOUS,
    ),
    "relu": Shifted(_AFFINE.format("relu(z)"), lambda x: max(x, 0), "relu", _HOMOGENEOUS),
    "gelu": Shifted(_AFFINE.format("gelu(z)"), lambda x: x * _tail(-x), "gelu"),
    "silu": Shifted(_AFFINE.format("silu(z)"), lambda x: x * _sigmoid(x), "silu"),
    "tanh": Shifted(_AFFINE.format("tanh(z)"), lambda x: _mp("tanh")(x), "tanh"),
    "sigmoid": Shifted(_AFFINE.format("sigmoid(z)"), _sigmoid, "sigmoid"),
    "softplus": Shifted(
        _AFFINE.format("softplus(z)"),
        lambda x: max(x, 0) + _mp("log1p")(_mp("exp")(-abs(x))),
        "softplus",
    ),
}
"""By the name that the command line knows."""
