"""Constants that Klambauer et al. 2017 print, beside sharp ones: loose or rounded inward."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from snnjax.theory.proofs.decimals import bound, plain
from snnjax.theory.proofs.enclosure import Ball, constants, tables
from snnjax.theory.proofs.sides import End, reach
from snnjax.theory.proofs.theorems import PUBLISHED, Effort, Finding, prove

_DIGITS = 4
_PRECISION = 160


class Constant(NamedTuple):
    """A printed number and the sharp one.

    Attributes:
        what: What it is, or what it bounds and where.
        printed: As in the paper.
        sharp: Two decimals that enclose it.
        remark: What to think of the printed one.
    """

    what: str
    printed: str
    sharp: tuple[str, str]
    remark: str


def published(effort: Effort) -> Iterator[Constant]:
    """Yield the paper's constants with the sharp ones, first those that take no time.

    Args:
        effort: For each domain that is tried in search of an end of nu.
    """
    yield from _numbers()
    yield from _extrema()
    yield from _ends(effort)


def _numbers() -> Iterator[Constant]:
    """Yield what is a number, not a bound: here printed digits should be rounded correctly."""
    import flint

    with flint.ctx.workprec(_PRECISION):
        known = constants()
        mean, square = tables(flint.arb(0), flint.arb(1), 2)
        by_mean, by_variance = mean[2] / 2, square[2] / 2 - mean[0] * mean[2]
        norm = (by_mean * by_mean + by_variance * by_variance).sqrt()
        yield _number("alpha_01 (Eq. 14)", "1.6732632423543772848170429916717", known.alpha)
        yield _number("lambda_01 (Eq. 14)", "1.0507009873554804934193349852946", known.scale)
        yield _number("d mean / d nu at (0, 1)", "0.088834", by_mean)
        yield _number("d variance / d nu at (0, 1)", "0.782648", by_variance)
        yield _number("norm of the Jacobian at (0, 1)", "0.7877", norm)


def _number(what: str, printed: str, sharp: Ball) -> Constant:
    figures = len(printed) + 2
    ends = bound(sharp.lower(), figures, False), bound(sharp.upper(), figures, True)
    exponent = Decimal(printed).as_tuple().exponent
    unit = Fraction(10) ** int(exponent)
    error = max(abs(Fraction(end) - Fraction(printed)) for end in ends)
    remark = "rounded correctly" if error <= unit / 2 else "last digit cut, not rounded"
    return Constant(what, printed, ends, remark)


def _extrema() -> Iterator[Constant]:
    """Yield the bounds of the image of Theorem 1's domain, and Theorem 2's largest difference."""
    one, two = (prove(statement).findings for statement in PUBLISHED[:2])
    printed = ("-0.03106", "0.06773", "0.80009", "1.48617", "1")
    for number, finding in zip((*printed, "-0.0180173"), (*one, *two), strict=True):
        theorem = 2 if finding.claim.quantity == "gain" else 1
        yield _extremum(f"Theorem {theorem}: {finding.claim.quantity}", number, finding)


def _extremum(what: str, printed: str, finding: Finding) -> Constant:
    sign = 1 if finding.claim.sense == "below" else -1
    side = "largest" if sign > 0 else "smallest"
    room = sign * (Fraction(printed) - Fraction(finding.bound))
    passed = sign * (Fraction(finding.attained) - Fraction(printed))
    remark = f"loose by {float(room):.2g}" if room >= 0 else "not told apart"
    if passed > 0:
        remark = f"rounded inward: passed by {float(passed):.2g}"
    return Constant(f"{what}, {side}", printed, _sorted(finding.bound, finding.attained), remark)


_SIDES: Sequence[tuple[int, End, str]] = (
    (1, "low", "Theorem 2"),
    (2, "high", "Theorem 3, tau >= 0.8"),
    (3, "high", "Theorem 3, tau >= 0.9"),
    (4, "low", "Theorem 3, tau >= 0.8, nu <= 0.16"),
    (5, "low", "Theorem 3, tau >= 0.9, nu <= 0.24"),
)


def _ends(effort: Effort) -> Iterator[Constant]:
    """Yield ends of nu beyond which a theorem is still true, up to the sharp one."""
    for place, end, what in _SIDES:
        statement = PUBLISHED[place]
        printed = getattr(statement.domain["nu"], end)
        found = reach(statement, "nu", end, effort, _DIGITS)
        fails = found.holds if found.fails is None else found.fails
        ends = _sorted(plain(found.holds), plain(fails))
        remark = "true at least to there" if found.fails is None else "true up to there"
        if found.undecided is not None:
            remark += f", undecided ({found.reason}) at {plain(found.undecided)}"
        yield Constant(f"{what}: {end} end of nu", plain(printed), ends, remark)


def _sorted(one: str, other: str) -> tuple[str, str]:
    return (one, other) if Fraction(one) <= Fraction(other) else (other, one)
