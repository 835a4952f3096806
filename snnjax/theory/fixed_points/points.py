"""Fixed points of SELU's moment map g(., omega, ., tau): where they are, whether layers go there.

Found by Newton's method from many starts in float64; `paving` proves that there are no others.
"""

import math
from typing import NamedTuple

import numpy as np

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.moments.jacobian import (
    chain,
    net_calculus,
    selu_jacobian,
    spectral_norm,
    spectral_radius,
)
from snnjax.theory.moments.quadrature import Array

LOW, HIGH = 1e-3, 1e3
"""Variances between which fixed points are looked for."""
_NEUTRAL = 1e-9
_STEPS, _LONGEST_STEP, _FOUND, _ALIKE = 60, 1.0, 1e-11, 1e-6
_LAYERS, _HOME = 1000, 1e-3


class FixedPoint(NamedTuple):
    """Moments that a layer keeps.

    Attributes:
        mean: Of the activations.
        variance: Of the activations, above 0.
        rate: By how much each layer multiplies a small distance in the long run: the largest
            modulus of the Jacobian's eigenvalues.
        norm: By how much it multiplies one at most: the Jacobian's spectral norm.
    """

    mean: float
    variance: float
    rate: float
    norm: float

    @property
    def stability(self) -> str:
        """`attracting`, `neutral` or `repelling`."""
        return stability(self.rate)


class Basin(NamedTuple):
    """From where layers come to a fixed point.

    Attributes:
        variances: Between these all do; NaN if that cannot be said of the grid nearest to it.
        means: For means between these.
        is_exact: Whether the ends are neighbouring fixed points; else a grid was followed.
    """

    variances: tuple[float, float]
    means: tuple[float, float]
    is_exact: bool


def stability(rate: float) -> str:
    """Return what a rate of contraction means for a fixed point."""
    if abs(rate - 1) < _NEUTRAL:
        return "neutral"
    return "attracting" if rate < 1 else "repelling"


def fixed_points(
    omega: float, tau: float, alpha: float = ALPHA_01, scale: float = LAMBDA_01
) -> list[FixedPoint]:
    """Return the fixed points with a variance between `LOW` and `HIGH`, by their variance.

    Args:
        omega: Sum of the weights of a unit.
        tau: Sum of the squared weights of a unit, above 0.
        alpha: Of SELU, above 0.
        scale: Of SELU, lambda, above 0.

    Raises:
        ValueError: tau, alpha or lambda is not above 0, or a number is not finite.
    """
    _check(omega, tau, alpha, scale)
    means, logs = (a.ravel() for a in np.meshgrid(_start_means(), np.linspace(-7, 7, 57)))
    for _ in range(_STEPS):
        step = _newton_step(means, logs, omega, tau, alpha, scale)
        length = np.sqrt((step**2).sum(0))
        step *= np.minimum(1, _LONGEST_STEP / np.maximum(length, 1e-300))
        means, logs = np.clip(means - step[0], -1e3, 1e3), np.clip(logs - step[1], -12, 12)
    far = np.abs(step).max(0) > _FOUND
    inside = (logs > math.log(LOW)) & (logs < math.log(HIGH)) & ~far
    places = sorted(zip(logs[inside], means[inside], strict=True))
    distinct: list[tuple[float, float]] = []
    for log, mean in places:
        if not any(math.hypot(log - a, mean - b) < _ALIKE for a, b in distinct):
            distinct.append((log, mean))
    return [at(mean, math.exp(log), omega, tau, alpha, scale) for log, mean in distinct]


def stable_fixed_point(
    omega: float, tau: float, alpha: float = ALPHA_01, scale: float = LAMBDA_01
) -> FixedPoint:
    """Return the attracting fixed point, of several that which contracts most.

    Args:
        omega: As for `fixed_points`, like all others.
        tau: Sum of the squared weights of a unit.
        alpha: Of SELU.
        scale: Of SELU, lambda.

    Raises:
        ValueError: There is none.
    """
    found = fixed_points(omega, tau, alpha, scale)
    attracting = [point for point in found if point.stability == "attracting"]
    if not attracting:
        raise ValueError(
            f"omega={omega:g}, tau={tau:g}: no attracting fixed point with a variance between "
            f"{LOW:g} and {HIGH:g}"
        )
    return min(attracting, key=lambda point: point.rate)


def at(
    mean: float, variance: float, omega: float, tau: float,
    alpha: float = ALPHA_01, scale: float = LAMBDA_01,
) -> FixedPoint:  # fmt: skip
    """Return a fixed point with its rates.

    Args:
        mean: Of the activations.
        variance: Of the activations, above 0.
        omega: Sum of the weights of a unit.
        tau: Sum of the squared weights of a unit.
        alpha: Of SELU.
        scale: Of SELU, lambda.
    """
    matrix = selu_jacobian(mean, omega, variance, tau, alpha, scale)
    rate, norm = float(spectral_radius(matrix)), float(spectral_norm(matrix))
    return FixedPoint(float(mean), float(variance), rate, norm)


def growth_of_nothing(tau: float, alpha: float = ALPHA_01, scale: float = LAMBDA_01) -> float:
    """Return the factor by which a layer of omega = 0 multiplies a variance that is almost 0.

    There SELU is two straight lines of slopes lambda and lambda alpha, so that the factor is
    tau lambda^2 ((1 + alpha^2) / 2 - (1 - alpha)^2 / (2 pi)). Mean and variance 0 are kept by any
    layer; above 1 no signal that is not exactly 0 ends there.
    """
    return tau * scale**2 * ((1 + alpha**2) / 2 - (1 - alpha) ** 2 / (2 * math.pi))


def basin(
    point: FixedPoint, omega: float, tau: float,
    alpha: float = ALPHA_01, scale: float = LAMBDA_01,
) -> Basin:  # fmt: skip
    """Return from where layers come to an attracting fixed point.

    For omega = 0 a layer forgets the mean, and its variance grows with that of its inputs: the
    basin lies between the neighbouring fixed points, or reaches down to 0 and up without end.
    Otherwise starts on a grid of means from -1 to 1 and variances from 0.001 to 1000 are followed.

    Args:
        point: An attracting fixed point of the rest.
        omega: Sum of the weights of a unit.
        tau: Sum of the squared weights of a unit.
        alpha: Of SELU.
        scale: Of SELU, lambda.
    """
    if omega == 0 and _is_rising(tau, alpha, scale):
        variances = [0.0, *(p.variance for p in fixed_points(0, tau, alpha, scale)), math.inf]
        place = min(range(len(variances)), key=lambda n: abs(variances[n] - point.variance))
        ends = variances[place - 1], variances[place + 1]
        return Basin(ends, (-math.inf, math.inf), True)
    means, spread = np.linspace(-1, 1, 9), np.logspace(-3, 3, 25)
    home = _follow(point, means, spread, omega, tau, alpha, scale)
    nearest = int(np.abs(np.log(spread / point.variance)).argmin())
    if not home[nearest]:
        return Basin((math.nan, math.nan), (-1.0, 1.0), False)
    low = high = nearest
    while low > 0 and home[low - 1]:
        low -= 1
    while high < len(home) - 1 and home[high + 1]:
        high += 1
    return Basin((float(spread[low]), float(spread[high])), (-1.0, 1.0), False)


def _follow(
    point: FixedPoint, means: Array, variances: Array,
    omega: float, tau: float, alpha: float, scale: float,
) -> Array:  # fmt: skip
    """Tell for each variance whether layers come home from it with all of the means."""
    mean, variance = (a.copy() for a in np.meshgrid(means, variances))
    layers = math.ceil(math.log(_HOME / 100) / math.log(max(point.rate, 1e-3)))
    for _ in range(min(layers, _LAYERS)):
        m, v = np.clip(mean * omega, -1e9, 1e9), np.clip(variance * tau, 1e-30, 1e18)
        found = net_calculus(m, v, alpha, scale)
        mean, variance = found.mean, found.variance
    away = np.hypot(mean - point.mean, np.log(np.maximum(variance, 1e-30) / point.variance))
    return np.asarray((away < _HOME).all(1))


def _newton_step(
    means: Array, logs: Array, omega: float, tau: float, alpha: float, scale: float
) -> Array:
    """Return the steps in the mean and the logarithm of the variance, (2, n)."""
    variances = np.exp(logs)
    found = net_calculus(means * omega, variances * tau, alpha, scale)
    slope = chain(found, omega, tau)
    a, b = slope[:, 0, 0] - 1, slope[:, 0, 1] * variances
    c, d = slope[:, 1, 0] / variances, slope[:, 1, 1] - found.variance / variances
    off = found.mean - means, found.variance / variances - 1
    determinant = a * d - b * c
    determinant = np.where(np.abs(determinant) < 1e-14, 1e-14, determinant)
    return np.stack([d * off[0] - b * off[1], a * off[1] - c * off[0]]) / determinant


def _start_means() -> Array:
    return np.array([-1.5, -0.5, -0.1, 0.0, 0.1, 0.5, 1.5, 5.0, 20.0])


def _is_rising(tau: float, alpha: float, scale: float) -> bool:
    """Tell whether the variance after a layer of omega = 0 grows with that before."""
    found = net_calculus(0.0, np.logspace(-6, 6, 200) * tau, alpha, scale)
    return bool((found.variance_by_v > 0).all())


def _check(omega: float, tau: float, alpha: float, scale: float) -> None:
    if not math.isfinite(omega) or abs(omega) > 1e3:
        raise ValueError(f"omega={omega:g}: must lie between -1000 and 1000")
    for name, number in (("tau", tau), ("alpha", alpha), ("lambda", scale)):
        if not 1e-6 <= number <= 1e6:
            raise ValueError(f"{name}={number:g}: must lie between 1e-06 and 1e+06")
