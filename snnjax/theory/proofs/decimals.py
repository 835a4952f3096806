"""Decimals that a certificate can hold: exact ends of domains, bounds rounded to the safe side."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

from snnjax.theory.proofs.enclosure import Ball

_LONGEST = 2000  # digits of an exact end
_DEEPEST = 400  # smaller than 10 to minus this is as good as 0


def exact(number: Ball) -> Fraction:
    """Return a ball of radius 0 as a fraction."""
    mantissa, exponent = (int(part) for part in number.man_exp())
    return Fraction(mantissa) * Fraction(2) ** exponent


def bound(number: Ball, digits: int, upward: bool) -> str:
    """Return a ball of radius 0 as a decimal, rounded up or down; `inf` or `-inf` without bound."""
    if not number.is_finite():
        return "inf" if upward else "-inf"
    if 0 < abs(number) < _least():  # whose digits may be more than memory holds
        outward = (number > 0) == upward
        return (f"1E-{_DEEPEST}" if upward else f"-1E-{_DEEPEST}") if outward else "0"
    return _text(_rounded(exact(number), digits, ROUND_CEILING if upward else ROUND_FLOOR))


def nearest(number: Fraction, digits: int) -> str:
    """Return a number as a decimal of so many digits."""
    return _text(_rounded(number, digits, ROUND_HALF_EVEN))


def plain(number: Fraction) -> str:
    """Return a number that is a finite decimal as one, exactly.

    Raises:
        decimal.Inexact: It is none, or one of very many digits.
    """
    from decimal import Inexact

    with localcontext(prec=_LONGEST) as context:
        context.traps[Inexact] = True
        return _text((Decimal(number.numerator) / Decimal(number.denominator)).normalize())


def _text(number: Decimal) -> str:
    """Return digits; an exponent, like that of 1E-20, only of what is small."""
    return f"{number:f}" if abs(number) >= 1 else str(number)


def _least() -> Ball:
    from flint import arb

    return arb(10) ** -_DEEPEST


def _rounded(number: Fraction, digits: int, rounding: str) -> Decimal:
    with localcontext(prec=_LONGEST):
        above, below = Decimal(number.numerator), Decimal(number.denominator)
    with localcontext(prec=digits, rounding=rounding):
        return (above / below).normalize()
