"""The constants of an activation that make wanted moments a fixed point, to any precision.

Every family has two numbers. Those with two branches, scale times (z for z > 0, else -alpha d(z)),
have them in closed form: with a, q the first and second moments of the positive part and d, D those
of d(z), the mean is scale (a - alpha d) and the mean square scale^2 (q + alpha^2 D), so that alpha
solves a quadratic equation. All others are shifted: scale f(z) + shift.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from snnjax.theory.fixed_points.definitions import Definition, jacobian_of, net_of
from snnjax.theory.fixed_points.pieces import FAMILIES, Branches, Family, Shifted, moments_of
from snnjax.theory.fixed_points.points import stability
from snnjax.theory.moments.jacobian import quadrature_calculus, spectral_norm, spectral_radius
from snnjax.theory.moments.moment_map import Moments

Number = Any
"""An `mpmath.mpf`."""
_SPARE = 20
MOST_DIGITS = 1000


class Solution(NamedTuple):
    """Constants for which the wanted moments are a fixed point.

    Attributes:
        constants: By name, `mpmath.mpf` of the precision asked for.
        rate: As of a `FixedPoint`.
        norm: As of a `FixedPoint`.
    """

    constants: Mapping[str, Number]
    rate: float
    norm: float

    @property
    def stability(self) -> str:
        """`attracting`, `neutral` or `repelling`."""
        return stability(self.rate)


class Answer(NamedTuple):
    """All solutions, or why there is none.

    Attributes:
        solutions: By the first of their constants.
        reason: Empty where there are solutions.
    """

    solutions: Sequence[Solution]
    reason: str


def solve(
    wanted: Moments, definition: Definition, family: str = "selu", tau: float = 1.0,
    digits: int = 17,
) -> Answer:  # fmt: skip
    """Return the constants that make wanted moments a fixed point.

    Args:
        wanted: Mean and variance of the activations.
        definition: Of the net inputs that they make.
        family: A name in `pieces.FAMILIES`.
        tau: Sum of the squared weights of a unit, above 0.
        digits: That are right of each constant.

    Raises:
        ValueError: The variance or tau is not between 1e-30 and 1e30, the mean too large, or the
            number of digits not between 1 and 1000.
    """
    import mpmath

    check(wanted, tau, digits)
    rule = FAMILIES[family]
    net = net_of(definition, wanted, tau)
    with mpmath.workdps(digits + _SPARE + _lost_digits(net, wanted)):
        m, v = _exact_net(definition, wanted, tau)
        mean, variance = mpmath.mpf(wanted.mean), mpmath.mpf(wanted.variance)
        if isinstance(rule, Branches):
            found, reason = _by_branches(rule, rule.pieces(m, v), mean, variance)
        else:
            found, reason = _by_shift(rule, moments_of(rule, m, v), mean, variance)
    solutions = [
        _judged(constants, rule, wanted, definition, tau)
        for constants in sorted(found, key=lambda constants: next(iter(constants.values())))
    ]
    return Answer(solutions, reason)


def _by_branches(
    rule: Branches, pieces: tuple[Number, ...], mean: Number, variance: Number
) -> tuple[list[dict[str, Number]], str]:
    """Solve (S d^2 - mu^2 D) alpha^2 - 2 S a d alpha + S a^2 - mu^2 q = 0, S = nu + mu^2."""
    from mpmath import nstr, sqrt

    a, q, d, square = pieces
    total = variance + mean**2
    if mean == 0:
        alphas = [a / d]
    else:
        lead, middle = total * d**2 - mean**2 * square, total * a * d
        root = total * (d**2 * q + square * a**2) - mean**2 * square * q
        if root < 0:
            least = mean**2 * (square * q / (d**2 * q + square * a**2) - 1)
            return [], (
                f"from these net inputs a mean of {nstr(mean, 6)} has a variance of at least "
                f"{nstr(least, 6)} whatever {rule.names[0]} is"
            )
        reach = abs(mean) * sqrt(root)
        alphas = [(middle + sign * reach) / lead for sign in ((1, -1) if root else (1,))]
    found, refused = [], []
    for alpha in alphas:
        if alpha <= 0:
            refused.append(f"{rule.names[0]} = {nstr(alpha, 6)} is not above 0")
        elif mean and (a - alpha * d > 0) != (mean > 0):
            refused.append(f"{rule.names[0]} = {nstr(alpha, 6)} gives a mean of the other sign")
        else:
            scale = sqrt(total / (q + alpha**2 * square))
            found.append(dict(zip(rule.names, (alpha, scale), strict=True)))
    return found, "" if found else ", ".join(refused)


def _by_shift(
    rule: Shifted, moments: tuple[Number, Number], mean: Number, variance: Number
) -> tuple[list[dict[str, Number]], str]:
    from mpmath import eps, mpf, sqrt

    scale = sqrt(variance / moments[1])
    shift = mean - scale * moments[0]
    # An odd function's mean is 0 but for rounding.
    is_nothing = abs(shift) < scale * eps * mpf(10) ** (_SPARE // 2)
    return [{"scale": scale, "shift": mpf(0) if is_nothing else shift}], ""


def _judged(
    constants: Mapping[str, Number], rule: Family, x: Moments, definition: Definition, tau: float
) -> Solution:
    """Return the solution with what the Jacobian says of it, in float64."""
    numbers = [float(number) for number in constants.values()]
    function: Callable[..., Any] = rule.numpy(*numbers)
    found = quadrature_calculus(function, net_of(definition, x, tau))
    matrix = jacobian_of(definition, x, found, tau)
    return Solution(constants, float(spectral_radius(matrix)), float(spectral_norm(matrix)))


def _exact_net(definition: Definition, x: Moments, tau: float) -> tuple[Number, Number]:
    from mpmath import mpf

    mean, variance = mpf(x.mean), mpf(x.variance)
    spread = variance + mean**2 if definition.is_pooled else variance
    return (mean if definition.keeps_mean else mpf(0)), mpf(tau) * spread


def _lost_digits(net: Moments, wanted: Moments) -> int:
    """Return how many digits differences of nearly equal numbers may cost."""
    from math import ceil, log10

    sizes = (net.variance, wanted.variance, 1 + net.mean_square, 1 + net.mean**2 / net.variance)
    return sum(2 * ceil(abs(log10(size))) for size in sizes)


def check(wanted: Moments, tau: float, digits: int) -> None:
    """Refuse what `solve` refuses.

    Raises:
        ValueError: As there.
    """
    for name, number in (("variance", wanted.variance), ("tau", tau)):
        if not 1e-30 <= number <= 1e30:
            raise ValueError(f"{name}={number:g}: must lie between 1e-30 and 1e+30")
    if not abs(wanted.mean) <= 1e15:
        raise ValueError(f"mean={wanted.mean:g}: must lie between -1e+15 and 1e+15")
    if not 1 <= digits <= MOST_DIGITS:
        raise ValueError(f"digits={digits}: must lie between 1 and {MOST_DIGITS}")
