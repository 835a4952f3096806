"""The Jacobian of the moment map by mean and variance, its norm and its rate of contraction."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfc, erfcx, ndtr

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.moments.calculus import Backend, Calculus, selu_calculus
from snnjax.theory.moments.moment_map import Moments
from snnjax.theory.moments.quadrature import NODES, Array, Function, nodes, panels, refined

_NUMPY = Backend(np, ndtr, erfc, erfcx)
# Beyond, squares overflow.
_LARGEST = 1e150


class JacobianEstimate(NamedTuple):
    """A Jacobian by quadrature.

    Attributes:
        matrix: Of shape (2, 2).
        error: By how much doubling the nodes of the panels that `moments` takes changed it, the
            largest of the changes.
    """

    matrix: Array
    error: float


def net_calculus(
    m: ArrayLike, v: ArrayLike, alpha: float = ALPHA_01, scale: float = LAMBDA_01
) -> Calculus:
    """Return mean and variance of SELU(z) for z of N(m, v), with their derivatives by m and v.

    Args:
        m: Means, of a shape that goes with that of `v`.
        v: Variances, above 0.
        alpha: Of SELU.
        scale: Of SELU, lambda.

    Raises:
        ValueError: A variance is not above 0, or a number is too large.
    """
    m, v = np.broadcast_arrays(np.asarray(m, np.float64), np.asarray(v, np.float64))
    if not (np.all(v > 0) and np.all(v < _LARGEST) and np.all(np.abs(m) < _LARGEST)):
        raise ValueError(
            f"net inputs of mean {_extent(m)} and variance {_extent(v)}: a variance must be above "
            f"0, and all below {_LARGEST:g}"
        )
    with np.errstate(under="ignore", over="ignore"):
        return selu_calculus(_NUMPY, m, v, alpha, scale)


def selu_jacobian(
    mean: ArrayLike, omega: ArrayLike, variance: ArrayLike, tau: ArrayLike,
    alpha: float = ALPHA_01, scale: float = LAMBDA_01,
) -> Array:  # fmt: skip
    """Return the Jacobian of g(mu, omega, nu, tau) by mu and nu, of shape (..., 2, 2).

    With m = mu omega and v = nu tau it is [[omega dM/dm, tau dM/dv], [omega dV/dm, tau dV/dv]].

    Args:
        mean: Of the layer below, mu.
        omega: Sum of the weights of a unit.
        variance: Of the layer below, nu; above 0.
        tau: Sum of the squared weights of a unit; above 0.
        alpha: Of SELU.
        scale: Of SELU, lambda.

    Raises:
        ValueError: As for `net_calculus`.
    """
    omega, tau = np.asarray(omega, np.float64), np.asarray(tau, np.float64)
    found = net_calculus(np.multiply(mean, omega), np.multiply(variance, tau), alpha, scale)
    return chain(found, omega, tau)


def chain(found: Calculus, omega: Array | float, tau: Array | float) -> Array:
    """Return derivatives by mu and nu from those by m = mu omega and v = nu tau, (..., 2, 2)."""
    of_mean = np.stack([omega * found.mean_by_m, tau * found.mean_by_v], -1)
    of_variance = np.stack([omega * found.variance_by_m, tau * found.variance_by_v], -1)
    return np.stack([of_mean, of_variance], -2)


def jacobian(
    function: Function, below: Moments, omega: float, tau: float, kinks: Sequence[float] = ()
) -> JacobianEstimate:
    """Return the Jacobian of the moment map of any function by quadrature.

    Derivatives of the density take the place of those of the function, which may have kinks and
    jumps: with z = m + s x, M = E f and V = Var f,
    dM/dm = E[(f - M) x] / s, dM/dv = E[(f - M) (x^2 - 1)] / (2 v), and for V with (f - M)^2.

    Args:
        function: Of one variable, taking arrays.
        below: Moments of the layer below; the variance above 0.
        omega: Sum of the weights of a unit.
        tau: Sum of the squared weights of a unit; above 0.
        kinks: As for `moment_map.moments`.

    Raises:
        ValueError: The net input has no variance above 0.
    """
    net = Moments(below.mean * omega, below.variance * tau)
    coarse, fine = (quadrature_calculus(function, net, kinks, n) for n in (NODES, 2 * NODES))
    matrices = [chain(found, omega, tau) for found in (coarse, fine)]
    return JacobianEstimate(matrices[1], float(np.abs(matrices[1] - matrices[0]).max()))


def quadrature_calculus(
    function: Function, net: Moments, kinks: Sequence[float] = (), count: int = 2 * NODES
) -> Calculus:
    """Return mean and variance of f(z) and their derivatives by m and v, as for `jacobian`.

    Args:
        function: Of one variable, taking arrays.
        net: Mean m and variance v of z, the latter above 0.
        kinks: As for `moment_map.moments`.
        count: Of nodes in a panel.

    Raises:
        ValueError: The net input has no variance above 0.
    """
    if not (0 < net.variance < _LARGEST and abs(net.mean) < _LARGEST):
        raise ValueError(
            f"a net input of mean {net.mean:g} and variance {net.variance:g}: the variance must be "
            f"above 0, both below {_LARGEST:g}"
        )
    s = math.sqrt(net.variance)

    def standardised(x: Array) -> Array:
        return np.asarray(function(net.mean + s * x), np.float64)

    edges, _ = refined(standardised, panels(net.mean, s, kinks), net.mean / s)
    x, mass = nodes(edges, count)
    y = standardised(x)
    mean = mass @ y
    away, bell = y - mean, x**2 - 1
    by_m, by_v = mass @ (away * x) / s, mass @ (away * bell) / (2 * net.variance)
    square_by_m = mass @ (away**2 * x) / s
    square_by_v = mass @ (away**2 * bell) / (2 * net.variance)
    return Calculus(mean, mass @ away**2, by_m, by_v, square_by_m, square_by_v)


def spectral_norm(matrix: ArrayLike) -> Array:
    """Return the largest singular value of (..., 2, 2) matrices, without cancellation."""
    a, b, c, d = _entries(matrix)
    return (np.hypot(a + d, b - c) + np.hypot(a - d, b + c)) / 2


def spectral_radius(matrix: ArrayLike) -> Array:
    """Return the largest modulus of eigenvalues of (..., 2, 2) matrices.

    At a fixed point it is the factor by which many layers bring moments closer, per layer.
    """
    a, b, c, d = _entries(matrix)
    half, root = (a + d) / 2, ((a - d) / 2) ** 2 + b * c
    real = np.abs(half) + np.sqrt(np.maximum(root, 0))
    return np.where(root >= 0, real, np.sqrt(np.abs(a * d - b * c)))


def _entries(matrix: ArrayLike) -> tuple[Array, Array, Array, Array]:
    matrix = np.asarray(matrix, np.float64)
    return matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 0], matrix[..., 1, 1]


def _extent(x: Array) -> str:
    low, high = np.min(x), np.max(x)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
