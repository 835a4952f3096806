"""The moment map: from mean and variance of net inputs to mean and variance of activations.

For SELU in closed form (Klambauer et al. 2017, Eqs. 4, 5), for any function of one variable by
quadrature with an error estimate. NumPy and SciPy in float64.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc, erfcx, ndtr

from snnjax.constants import ALPHA_01, LAMBDA_01

Array = NDArray[np.float64]
Function = Callable[[Array], ArrayLike]


class Moments(NamedTuple):
    """Mean and variance, of the activations of a layer, say."""

    mean: float
    variance: float

    @property
    def mean_square(self) -> float:
        """The second moment about 0."""
        return self.variance + self.mean**2


class Estimate(NamedTuple):
    """Moments by quadrature.

    Attributes:
        moments: Mean and variance.
        error: By how much doubling the nodes changed them, the larger of both changes.
    """

    moments: Moments
    error: float


# Net inputs this narrow, relative to 1 or to their mean, lose more than half their digits to
# cancellation in the closed form of the variance.
_NARROW = 1e-2
# Standard normals lie beyond this many deviations with probability 4e-33.
_END = 12.0
NODES = 16
"""Of a panel; twice as many for the error estimate."""


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
    integrals of e^z and e^(2z) over the negative half line.

    Raises:
        ValueError: The variance is negative, or a moment is not finite.
    """
    m, v = net
    _check(net)
    s = math.sqrt(v)
    if s <= _NARROW * max(1.0, abs(m)):
        return _narrow(net, alpha, scale)
    inside, density = float(ndtr(m / s)), math.exp(-(m**2) / (2 * v)) / math.sqrt(2 * math.pi)
    below, squares = (_exponential_below(order, m, v) for order in (1, 2))
    first = scale * (alpha * below + (m + alpha) * inside + s * density)
    second = alpha**2 * squares + ((m + alpha) ** 2 + v) * inside + (m + 2 * alpha) * s * density
    return Moments(first - scale * alpha, max(scale**2 * second - first**2, 0.0))


def selu(x: Array, alpha: float = ALPHA_01, scale: float = LAMBDA_01) -> Array:
    """Return SELU(x) in float64."""
    negative = alpha * np.expm1(np.minimum(x, 0))
    return np.asarray(scale * np.where(x > 0, x, negative))


def moments(
    function: Function, net: Moments, kinks: Sequence[float] = (), pieces: int = 1
) -> Estimate:
    """Return mean and variance of f(z) for a normal z, with an estimate of their error.

    Gauss-Legendre quadrature over panels that end where a function may have a kink: at 0, at the
    positive and negative powers of 2 of both signs, at `kinks`. The variance is integrated about
    the mean.

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
    coarse, fine = (_integrate(function, net, kinks, pieces, n) for n in (NODES, 2 * NODES))
    error = max(abs(a - b) for a, b in zip(coarse, fine, strict=True))
    return Estimate(fine, error)


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
    """Return the moments of SELU(z) for a z that hardly varies: far from 0 it has one branch."""
    m, v = net
    if m > 1:
        return Moments(scale * m, scale**2 * v)
    if m < -1:  # a log-normal distribution
        variance = (scale * alpha) ** 2 * math.exp(2 * m + v) * math.expm1(v)
        return Moments(scale * alpha * math.expm1(m + v / 2), variance)
    return moments(lambda z: selu(z, alpha, scale), net).moments


def _exponential_below(order: int, m: float, v: float) -> float:
    """Return the integral of e^(order z) over z < 0 for z of N(m, v).

    It is e^(k m + k^2 v / 2) erfc(b) / 2 with b = (m + k v) / sqrt(2 v); for b > 0 that is
    e^(-m^2 / (2 v)) erfcx(b) / 2, in which nothing overflows.
    """
    b = (m + order * v) / math.sqrt(2 * v)
    if b > 0:
        return float(math.exp(-(m**2) / (2 * v)) * erfcx(b) / 2)
    return float(math.exp(order * m + order**2 * v / 2) * erfc(b) / 2)


def _edges(net: Moments, kinks: Sequence[float]) -> Array:
    """Return the ends of the panels, in deviations from the mean."""
    deviation = math.sqrt(net.variance)
    reach = abs(net.mean) + _END * deviation
    powers = 2.0 ** np.arange(-2, max(0, math.ceil(math.log2(reach))) + 1)
    places = np.concatenate([[0.0], powers, -powers, kinks])
    inner = (places - net.mean) / deviation
    even = np.arange(-_END, _END + 1)
    return np.unique(np.concatenate([even, inner[np.abs(inner) < _END]]))


def nodes(net: Moments, kinks: Sequence[float], count: int, pieces: int = 1) -> tuple[Array, Array]:
    """Return the nodes in deviations from the mean, and their probabilities, which add up to 1.

    Args:
        net: Mean and variance of z; the variance is above 0.
        kinks: Places where the derivatives of what is integrated jump.
        count: Of nodes in a panel.
        pieces: As for `moments`.
    """
    edges = _edges(net, kinks)
    points, weights = np.polynomial.legendre.leggauss(count)
    halves, middles = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    x = (middles[:, None] + halves[:, None] * points).ravel()
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    if pieces > 1:
        density = density * pieces * ndtr(x) ** (pieces - 1)
    mass = (halves[:, None] * weights).ravel() * density
    return x, mass / mass.sum()


def _integrate(
    function: Function, net: Moments, kinks: Sequence[float], pieces: int, count: int
) -> Moments:
    x, mass = nodes(net, kinks, count, pieces)
    y = np.asarray(function(net.mean + math.sqrt(net.variance) * x), dtype=np.float64)
    mean = mass @ y
    return Moments(float(mean), float(mass @ (y - mean) ** 2))


def _check(net: Moments) -> None:
    if not (net.variance >= 0 and math.isfinite(net.mean_square)):
        raise ValueError(
            f"a net input of mean {net.mean:g} and variance {net.variance:g}: "
            "the mean must be finite, the variance finite and not negative"
        )
