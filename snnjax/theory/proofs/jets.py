"""Taylor polynomials, and Eqs. 4 and 5 of Klambauer et al. 2017 of them.

The checker's way to derivatives: automatic, of the published formulas (e^(..) erfc(..) written as
e^(-x^2) times the scaled erfc), where the prover has closed forms in Mills ratios. Polynomials
in x = m / s and s = sqrt v, of degree up to 2, become polynomials in (mu, omega, nu, tau), of
degree up to 1.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any

Ball = Any


def _monomials(variables: int, degree: int) -> list[tuple[int, ...]]:
    each = range(variables)
    return [m for d in range(degree + 1) for m in combinations_with_replacement(each, d)]


# By the number of terms: of degree 0, of degree 1 in two or four variables, of degree 2 in two.
_MONOMIALS = {
    len(monomials): monomials
    for monomials in (_monomials(1, 0), _monomials(2, 1), _monomials(4, 1), _monomials(2, 2))
}
_PAIRS = {
    length: [
        [
            (i, j)
            for i, one in enumerate(monomials)
            for j, other in enumerate(monomials)
            if tuple(sorted(one + other)) == monomial
        ]
        for monomial in monomials
    ]
    for length, monomials in _MONOMIALS.items()
}
_LENGTHS = (1, 3, 6)
"""Of polynomials in two variables, by degree."""


class Jet:
    """A polynomial of degree 0, 1 or 2; coefficients of higher powers are dropped."""

    __slots__ = ("terms",)

    def __init__(self, terms: Sequence[Ball]) -> None:
        self.terms = terms

    def __add__(self, other: Any) -> "Jet":
        if isinstance(other, Jet):
            return Jet([a + b for a, b in zip(self.terms, other.terms, strict=True)])
        return Jet([self.terms[0] + other, *self.terms[1:]])

    def __mul__(self, other: Any) -> "Jet":
        if not isinstance(other, Jet):
            return Jet([a * other for a in self.terms])
        a, b = self.terms, other.terms
        return Jet([sum(a[i] * b[j] for i, j in pairs) for pairs in _PAIRS[len(a)]])

    def __sub__(self, other: Any) -> "Jet":
        return self + other * -1

    def through(self, *derivatives: Ball) -> "Jet":
        """Return f of this polynomial, given f, f' and f'' / 2 at its constant term."""
        value, slope, bend = derivatives
        rest = Jet([self.terms[0] * 0, *self.terms[1:]])
        result = rest * slope + value
        return result + rest * rest * bend if len(self.terms) == 6 else result

    def derivative(self, variable: int) -> "Jet":
        """Return the derivative by one of two variables, of one degree less."""
        full = _MONOMIALS[len(self.terms)]
        shorter = _MONOMIALS[_LENGTHS[_LENGTHS.index(len(self.terms)) - 1]]
        raised = [tuple(sorted((*monomial, variable))) for monomial in shorter]
        return Jet([self.terms[full.index(each)] * each.count(variable) for each in raised])

    def shortened(self) -> "Jet":
        """Return it without its highest powers."""
        return Jet(self.terms[: _LENGTHS[_LENGTHS.index(len(self.terms)) - 1]])


def variable(centre: Ball, place: int, length: int) -> Jet:
    """Return a variable as a polynomial of so many terms about a point, or all points of a box."""
    return Jet([centre, *(centre * 0 + (place == i) for i in range(length - 1))])


def image(x: Jet, s: Jet) -> tuple[Jet, Jet]:
    """Return mean and variance of SELU units, Eqs. 4 and 5, for net inputs N(x s, s^2)."""
    alpha, scale, half_root, ratio = _constants(_precision())
    y, step = x * half_root, s * half_root
    bell, left = _bell(y), _erfc(y)
    once = bell * _scaled_erfc(y + step)
    twice = bell * _scaled_erfc(y + step * 2)
    m, edge = x * s, s * bell * ratio
    mean = (m * (left * -1 + 2) + (once - left) * alpha + edge) * (scale / 2)
    outer = (m * m + s * s) * (left * -1 + 2)
    inner = (once * -2 + twice + left) * (alpha * alpha)
    return mean, (outer + inner + m * edge) * (scale * scale / 2) - mean * mean


def net_input(point: Sequence[Ball], length: int) -> tuple[Jet, Jet]:
    """Return x = m / s and s = sqrt v of m = mu omega and v = nu tau, as variables."""
    mu, omega, nu, tau = point
    low, high = (nu.lower() * tau.lower()).sqrt(), (nu.upper() * tau.upper()).sqrt()
    s = low.union(high)
    return variable(mu * omega / s, 0, length), variable(s, 1, length)


def slopes(jet: Jet, x: Jet, s: Jet) -> tuple[Jet, Jet]:
    """Return the derivatives by m and v of a polynomial in x and s, of one degree less."""
    inverse = _inverse(s.shortened())
    by_m = jet.derivative(0) * inverse
    return by_m, (jet.derivative(1) - x.shortened() * by_m) * inverse * 0.5


def lift(jet: Jet, point: Sequence[Ball]) -> Jet:
    """Return a polynomial in x and s as one in mu, omega, nu and tau, of degree at most 1."""
    if len(jet.terms) == 1:
        return jet
    cut = Jet(jet.terms[:3])
    by_m, by_v = (each.terms[0] for each in slopes(cut, *net_input(point, 3)))
    mu, omega, nu, tau = point
    return Jet([jet.terms[0], omega * by_m, mu * by_m, tau * by_v, nu * by_v])


def _bell(x: Jet) -> Jet:
    centre = x.terms[0]
    value = (-centre * centre).exp()
    return x.through(value, -2 * centre * value, (2 * centre * centre - 1) * value)


def _erfc(x: Jet) -> Jet:
    centre = x.terms[0]
    slope = -2 * (-centre * centre).exp() / centre.const_sqrt_pi()
    return x.through(centre.erfc(), slope, -slope * centre)


def _scaled_erfc(y: Jet) -> Jet:
    """Return e^(y^2) erfc(y) of a polynomial.

    It is completely monotone: over an interval its derivatives lie between those at the ends.
    """

    def series(end: Ball) -> tuple[Ball, Ball, Ball]:
        value = (end * end).exp() * end.erfc()
        slope = 2 * end * value - 2 / end.const_sqrt_pi()
        return value, slope, value + end * slope

    centre = y.terms[0]
    if centre.is_exact():
        return y.through(*series(centre))
    low, high = series(centre.lower()), series(centre.upper())
    return y.through(*(a.union(b) for a, b in zip(low, high, strict=True)))


def _inverse(x: Jet) -> Jet:
    inverse = 1 / x.terms[0]
    return x.through(inverse, -inverse * inverse, inverse * inverse * inverse)


def _precision() -> int:
    import flint

    return int(flint.ctx.prec)


@lru_cache
def _constants(_: int) -> tuple[Ball, Ball, Ball, Ball]:
    """Return alpha_01 and lambda_01 by Eq. 14 and the roots of 1/2 and 2 / pi."""
    from flint import arb

    two, e, pi = arb(2), arb(1).exp(), arb.pi()
    near, far, root_e = (1 / two.sqrt()).erfc(), two.sqrt().erfc(), e.sqrt()
    alpha = -(two / pi).sqrt() / (near * root_e - 1)
    below = 2 * far * e**2 + pi * near**2 * e - 2 * (2 + pi) * near * root_e + pi + 2
    return (
        alpha,
        (1 - near * root_e) * (2 * pi).sqrt() / below.sqrt(),
        1 / two.sqrt(),
        (two / pi).sqrt(),
    )
