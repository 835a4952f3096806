"""SELU's moment map with its derivatives, one set of formulas for arrays of NumPy and of JAX.

For a net input z of N(m, v) and s = sqrt(v), derivatives by m and v are expectations of
derivatives of the activation: d/dm E f(z) = E f'(z) and d/dv E f(z) = E f''(z) / 2, where f'' of
SELU has a jump lambda (1 - alpha) at 0 beside its regular part.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# Standard normals lie beyond this many deviations with probability 4e-33; between them and a kink
# so many nodes integrate smooth functions times the density to rounding.
_END, _NODES = 12.0, 64
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(_NODES)
# Closed forms lose digits where the deviation is below 1, or the kink so many deviations left.
_KINK_FAR = 8.0


class Backend(NamedTuple):
    """Where arrays come from.

    Attributes:
        xp: The module `numpy` or `jax.numpy`.
        ndtr: The distribution function of N(0, 1).
        erfc: The complementary error function.
        erfcx: The same times exp(x^2).
    """

    xp: Any
    ndtr: Callable[[Any], Any]
    erfc: Callable[[Any], Any]
    erfcx: Callable[[Any], Any]


class Calculus(NamedTuple):
    """Mean and variance of SELU(z), and their derivatives by mean m and variance v of z."""

    mean: Any
    variance: Any
    mean_by_m: Any
    mean_by_v: Any
    variance_by_m: Any
    variance_by_v: Any


def selu_calculus(backend: Backend, m: Any, v: Any, alpha: Any, scale: Any) -> Calculus:
    """Return the moment map and its derivatives, to rounding wherever they can be represented.

    By quadrature where z is narrow or hardly reaches the kink, in closed form elsewhere: there
    nothing overflows, here nothing cancels.

    Args:
        backend: Where the arrays come from.
        m: Means of net inputs.
        v: Their variances, above 0, of the same shape and type.
        alpha: Of SELU.
        scale: Of SELU, lambda.
    """
    xp = backend.xp
    s = xp.sqrt(v)
    is_narrow = s <= xp.maximum(1.0, m / _KINK_FAR)
    # Where a form is not taken it gets arguments that it can bear, for the sake of derivatives.
    near = _quadrature(xp, xp.where(is_narrow, m, 0.0), xp.where(is_narrow, s, 1.0), alpha, scale)
    wide = xp.where(is_narrow, 1.0, v)
    far = _closed_form(backend, xp.where(is_narrow, 0.0, m), wide, alpha, scale)
    return Calculus(*(xp.where(is_narrow, a, b) for a, b in zip(near, far, strict=True)))


def _closed_form(backend: Backend, m: Any, v: Any, alpha: Any, scale: Any) -> Calculus:
    """Return the calculus from that of u = SELU + lambda alpha, whose parts have one sign."""
    xp = backend.xp
    s = xp.sqrt(v)
    inside, density = backend.ndtr(m / s), _density(xp, m / s)
    first, second = (_exponential_below(backend, order, m, v) for order in (1, 2))
    jump = (1 - alpha) * density / s
    u = alpha * first + (m + alpha) * inside + s * density
    square = alpha**2 * second + ((m + alpha) ** 2 + v) * inside + (m + 2 * alpha) * s * density
    by_m, by_v = alpha * first + inside, (alpha * first + jump) / 2
    product = alpha**2 * second + (m + alpha) * inside + s * density
    curved = 2 * alpha**2 * second + inside + alpha * jump
    return Calculus(
        scale * (u - alpha),
        scale**2 * xp.maximum(square - u**2, 0.0),
        scale * by_m,
        scale * by_v,
        2 * scale**2 * (product - u * by_m),
        scale**2 * (curved - 2 * u * by_v),
    )


def _exponential_below(backend: Backend, order: int, m: Any, v: Any) -> Any:
    """Return the integral of e^(order z) over z < 0, as `moment_map` does: no overflow."""
    xp = backend.xp
    b = (m + order * v) / xp.sqrt(2 * v)
    right = xp.exp(-(m**2) / (2 * v)) * backend.erfcx(xp.maximum(b, 0.0))
    exponent = xp.where(b > 0, 0.0, order * m + order**2 * v / 2)
    left = xp.exp(exponent) * backend.erfc(xp.where(b > 0, 0.0, b))
    return xp.where(b > 0, right, left) / 2


def _quadrature(xp: Any, m: Any, s: Any, alpha: Any, scale: Any) -> Calculus:
    """Integrate on both sides of the kink the way of SELU from its value at m, to rounding."""
    m, s = m[..., None], s[..., None]
    kink = xp.clip(-m / s, -_END, _END)
    left = xp.where(m < 0, m, 0.0)
    at_m = xp.where(m < 0, alpha * xp.expm1(left), m)
    x, mass = _nodes(xp, -_END, kink)
    grown = alpha * xp.exp(left) * xp.expm1(xp.minimum(s * x, -left))
    bent = alpha * xp.expm1(xp.minimum(m + s * x, 0.0))
    y = [xp.where(m < 0, grown, bent - at_m)]
    curvature = alpha * xp.exp(xp.minimum(m + s * x, 0.0))
    x, right_mass = _nodes(xp, kink, _END)
    y.append(xp.where(m < 0, xp.maximum(m + s * x, 0.0) - at_m, s * x))
    total = mass.sum(-1) + right_mass.sum(-1)
    mass, right_mass = mass / total[..., None], right_mass / total[..., None]

    def mean_of(left: Any, right: Any) -> Any:
        return (mass * left).sum(-1) + (right_mass * right).sum(-1)

    shift = mean_of(*y)
    lower, upper = (part - shift[..., None] for part in y)
    mean = at_m[..., 0] + shift
    jump = ((1 - alpha) * _density(xp, m / s) / s)[..., 0]
    by_m = mean_of(curvature, 1.0)
    by_v = (mean_of(curvature, 0.0) + jump) / 2
    curved = mean_of(curvature**2 + lower * curvature, 1.0) - mean * jump
    return Calculus(
        scale * mean,
        scale**2 * mean_of(lower**2, upper**2),
        scale * by_m,
        scale * by_v,
        2 * scale**2 * mean_of(lower * curvature, upper),
        scale**2 * curved,
    )


def _nodes(xp: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Return nodes between two numbers of deviations, and their probabilities."""
    half, middle = (high - low) / 2, (high + low) / 2
    shape = (1,) * (half.ndim - 1) + (_NODES,)
    points, weights = (xp.asarray(a.reshape(shape), half.dtype) for a in (_POINTS, _WEIGHTS))
    x = middle + half * points
    return x, half * weights * _density(xp, x)


def _density(xp: Any, x: Any) -> Any:
    return xp.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
