"""The moment map: from mean and variance of net inputs to mean and variance of activations.

For SELU in closed form (Klambauer et al. 2017, Eqs. 4, 5), for any function of one variable by
quadrature with an error estimate. NumPy and SciPy in float64.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import erfc, erfcx, ndtr

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.moments.quadrature import NODES, Array, Function, nodes, panels, refined


class Moments(NamedTuple):
    """Mean and variance, of the activations of a layer, say."""

    mean: float
    variance: float

    @property
    def mean_square(self) -> float:
        """The second moment about 0."""
        return self.variance + self.mean * self.mean  # ** raises where the product is infinite


class Estimate(NamedTuple):
    """Moments by quadrature.

    Attributes:
        moments: Mean and variance.
        error: What they are off by at most, the larger of both, as far as the nodes show: the
            function may be anything between them.
    """

    moments: Moments
    error: float


# The closed form of the variance cancels for a net input this narrow, absolutely or relative to
# its mean, and the kink is ten deviations or more away. Far left it is with e^z that this counts,
# whose mean lies further right: there a hundred.
_NARROW, _NARROW_LEFT = 0.1, 0.01
# Nodes for what is right of a kink that lies far right, and where their exponent ends.
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_LAST_EXPONENT, _END = 45.0, 12.0
# Means and variances beyond have squares that are no floats.
_LARGEST_MEAN, _LARGEST_VARIANCE = 1e150, 1e300


def selu_map(
    mean: float, omega: float, variance: float, tau: float,
    alpha: float = ALPHA_01, scale: float = LAMBDA_01,
) -> Moments:  # fmt: skip
    """Return mean and variance of SELU units, g(mu, omega, nu, tau) of Eqs. 4 and 5.

    The net input is N(mu omega, nu tau), for one unit with fixed weights. In a layer drawn at
    random, all units together have net inputs N(0, tau (nu + mu^2)): see `net_input`.

    Args:
        mean: Of the layer below, mu.
        omega: Sum of the weights of a unit.
        variance: Of the layer below, nu; not negative.
        tau: Sum of the squared weights of a unit; not negative.
        alpha: Of SELU.
        scale: Of SELU, lambda.

    Raises:
        ValueError: A variance or tau is negative, or something is not finite.
    """
    if min(variance, tau) < 0:
        raise ValueError(f"variance={variance:g} and tau={tau:g} must not be negative")
    return selu_moments(Moments(mean * omega, variance * tau), alpha, scale)


def selu_moments(net: Moments, alpha: float = ALPHA_01, scale: float = LAMBDA_01) -> Moments:
    """Return mean and variance of SELU(z) for a net input z of normal distribution.

    Computed of SELU + lambda alpha, whose parts have one sign and do not cancel: with m, v the
    moments of z, s = sqrt(v), and Phi, phi of m / s, its mean is
    lambda (alpha A + (m + alpha) Phi + s phi) and its mean square
    lambda^2 (alpha^2 B + ((m + alpha)^2 + v) Phi + (m + 2 alpha) s phi), where A and B are the
    integrals of e^z and e^(2z) over the negative half line. The rest is the same of z and z^2 over
    the positive one. The variance is right to about 1e-12 of itself.

    Raises:
        ValueError: The variance is negative, or a moment is not finite.
    """
    m, v = net
    _check(net)
    s = math.sqrt(v)
    if s <= max(_NARROW, (_NARROW_LEFT if m < 0 else _NARROW) * abs(m)):
        return _narrow(net, alpha, scale)
    below, squares = (_exponential_below(order, m, v) for order in (1, 2))
    inside, ramp, square = _above(m / s)
    first = scale * (alpha * below + alpha * inside + s * ramp)
    second = alpha**2 * (squares + inside) + 2 * alpha * s * ramp + v * square
    return Moments(first - scale * alpha, max(scale**2 * second - first * first, 0.0))


def selu(x: Array, alpha: float = ALPHA_01, scale: float = LAMBDA_01) -> Array:
    """Return SELU(x) in float64."""
    negative = alpha * np.expm1(np.minimum(x, 0))
    return np.asarray(scale * np.where(x > 0, x, negative))


def moments(
    function: Function, net: Moments, kinks: Sequence[float] = (), pieces: int = 1
) -> Estimate:
    """Return mean and variance of f(z) for a normal z, with an estimate of their error.

    Gauss-Legendre quadrature over panels that end where a function may have a kink: at 0, at the
    positive and negative powers of 2 of both signs, at `kinks`. A panel whose nodes do not agree
    with twice as many is halved, which finds other kinks and jumps too. The variance is
    integrated about the mean.

    The error is a bound where the function does between two nodes what they let expect, of up to
    some thousand bends or jumps; a spike between two nodes of a panel at first is not seen, nor is
    what lies beyond 12 deviations.

    Panels because Gauss-Hermite quadrature, made for polynomials, knows no kinks: for max(z, 0)
    its error falls only like 1 / nodes (2e-3 at 100), with panels it is rounding at 16 nodes
    each; and for smooth functions whose poles are near, such as tanh of a wide z, its nodes
    spread over ever more deviations instead of where the function bends.

    Args:
        function: Of one variable, taking arrays.
        net: Mean and variance of z.
        kinks: Further places where its derivatives jump.
        pieces: The function is of the largest of so many independent z.

    Raises:
        ValueError: The variance is negative, or a moment is not finite.
    """
    _check(net)
    if net.variance == 0:
        return Estimate(Moments(float(np.asarray(function(np.array([net.mean])))[0]), 0.0), 0.0)
    deviation = math.sqrt(net.variance)

    def standardised(x: Array) -> Array:
        return np.asarray(function(net.mean + deviation * x), np.float64)

    edges = panels(net.mean, deviation, kinks)
    edges, errors = refined(standardised, edges, net.mean / deviation, pieces)
    x, mass = nodes(edges, 2 * NODES, pieces)
    y = standardised(x)
    mean = float(mass @ y)
    return Estimate(Moments(mean, float(mass @ (y - mean) ** 2)), max(errors))


def net_input(below: Moments, omega: float, tau: float, bias: float = 0.0) -> Moments:
    """Return the moments of the net inputs of a layer of random weights, over rows and units.

    Weights are independent, of mean omega / n and variance tau / n for n inputs. A unit's own sum
    of weights varies with variance tau, so that the mean of the layer below adds to the variance:
    tau (nu + mu^2), as in He et al. 2015, Eq. 7.

    Args:
        below: Moments of the layer below.
        omega: Number of inputs times the mean of the weights.
        tau: Number of inputs times their variance.
        bias: Of every unit.
    """
    return Moments(omega * below.mean + bias, tau * below.mean_square)


def iterate(step: Callable[[Moments], Moments], start: Moments, depth: int) -> list[Moments]:
    """Return the moments after each of `depth` equal layers."""
    found = []
    for _ in range(depth):
        start = step(start)
        found.append(start)
    return found


def _narrow(net: Moments, alpha: float, scale: float) -> Moments:
    """Return the moments of SELU(z) for a z that hardly varies: far from 0 it has one branch.

    Left of 0 that is a log-normal distribution, cut at 0. From m + 2 v = 0 on what is cut matters
    to the mean square, but with s <= 0.01 |m| all of it is less than e^-5000, as is the variance.
    """
    m, v = net
    if m > 1:
        return Moments(scale * m, scale**2 * v)
    if m < -1:
        if v > 1 and m + 2 * v >= 0:
            return Moments(-scale * alpha, 0.0)
        variance = -((scale * alpha) ** 2) * math.exp(2 * (m + v)) * math.expm1(-v)
        return Moments(scale * alpha * math.expm1(m + v / 2), variance)
    return moments(lambda z: selu(z, alpha, scale), net).moments


def _above(c: float) -> tuple[float, float, float]:
    """Return the integrals of 1, c + x and (c + x)^2 over c + x > 0 for x of N(0, 1).

    With closed forms that cancel for a negative c; there as integrals over t = c + x of
    phi(c) t^k e^(c t - t^2 / 2).
    """
    inside, density = float(ndtr(c)), math.exp(-(c**2) / 2) / math.sqrt(2 * math.pi)
    if c > -1:
        return inside, c * inside + density, (c**2 + 1) * inside + c * density
    half = min(_LAST_EXPONENT / -c, _END) / 2
    t = half * (1 + _POINTS)
    mass = half * density * _WEIGHTS * np.exp(c * t - t**2 / 2)
    return inside, float(mass @ t), float(mass @ t**2)


def _exponential_below(order: int, m: float, v: float) -> float:
    """Return the integral of e^(order z) over z < 0 for z of N(m, v).

    It is e^(k m + k^2 v / 2) erfc(b) / 2 with b = (m + k v) / sqrt(2 v); for b > 0 that is
    e^(-m^2 / (2 v)) erfcx(b) / 2, in which nothing overflows.
    """
    b = (m + order * v) / math.sqrt(2 * v)
    if b > 0:
        return float(math.exp(-(m**2) / (2 * v)) * erfcx(b) / 2)
    return float(math.exp(order * m + order**2 * v / 2) * erfc(b) / 2)


def _check(net: Moments) -> None:
    if not (0 <= net.variance <= _LARGEST_VARIANCE and abs(net.mean) <= _LARGEST_MEAN):
        raise ValueError(
            f"a net input of mean {net.mean:g} and variance {net.variance:g}: the mean must lie "
            f"within {_LARGEST_MEAN:g} of 0, the variance between 0 and {_LARGEST_VARIANCE:g}"
        )
