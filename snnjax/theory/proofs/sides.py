"""How far each side of a domain can grow alone before a statement fails.

A statement that holds on a domain holds on a smaller one, but for Theorem 1, where mean and
variance must also stay inside the domain. There too the sizes for which it holds are an interval:
while the norm is below 1, the image's end grows more slowly than a side that moves out, so that
what lies inside the side keeps lying inside. Bisection therefore encloses the one place where
the statement turns false.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Literal, NamedTuple

from snnjax.theory.proofs.boxes import ARGUMENTS, Domain, Side
from snnjax.theory.proofs.decimals import nearest
from snnjax.theory.proofs.theorems import Effort, Statement, Verdict, prove

End = Literal["low", "high"]
_POSITIVE = ("nu", "tau")
_DIGITS = 9
_LEAST, _MOST = Fraction(1, 10**12), Fraction(1000)
"""How near to 0 a variance is looked at, and how far from 0 anything else."""


class Reach(NamedTuple):
    """Where a statement turns false as one side moves out.

    Attributes:
        argument: Whose interval it is.
        end: Which end of it moves.
        holds: The farthest place for which the statement was proved.
        fails: The nearest for which it was refuted; None if for none that was looked at.
    """

    argument: str
    end: End
    holds: Fraction
    fails: Fraction | None


def reaches(statement: Statement, effort: Effort, digits: int = 6) -> Iterator[Reach]:
    """Yield the reach of each of the eight sides of a domain on which a statement was proved.

    Args:
        statement: It holds.
        effort: For each domain that is tried; where it is not enough, a bracket stays wide.
        digits: To which the place is enclosed.
    """
    for argument in ARGUMENTS:
        for end in ("low", "high"):
            yield reach(statement, argument, end, effort, digits)


def reach(statement: Statement, argument: str, end: End, effort: Effort, digits: int = 6) -> Reach:
    """Enclose the place where a statement turns false as one side moves out."""
    if statement.theorem != 1 and argument in _POSITIVE:
        statement = statement._replace(domain=_merged(statement.domain))

    def verdict(place: Fraction) -> Verdict:
        side = statement.domain[argument]._replace(**{end: place})
        moved = statement._replace(domain={**statement.domain, argument: side})
        return prove(moved, effort._replace(digits=0)).verdict

    holds, fails = _bracket(verdict, statement.domain, argument, end)
    while fails is not None and abs(holds - fails) > abs(fails) / 10**digits:
        middle = Fraction(nearest((holds + fails) / 2, _DIGITS))
        if (found := verdict(middle)) == "undecided" or middle in (holds, fails):
            break
        holds, fails = (middle, fails) if found == "proved" else (holds, middle)
    return Reach(argument, end, holds, fails)


def _merged(domain: Domain) -> Domain:
    """Return an equivalent domain of three arguments: only mu omega counts, so omega may be 1."""
    products = [a * b for a in domain["mu"] for b in domain["omega"]]
    one = Side(Fraction(1), Fraction(1))
    return {**domain, "mu": Side(min(products), max(products)), "omega": one}


def _bracket(
    verdict: Callable[[Fraction], Verdict], domain: Domain, argument: str, end: End
) -> tuple[Fraction, Fraction | None]:
    """Return places where the statement holds and where it fails, by steps that double."""
    low, high = domain[argument]
    holds = low if end == "low" else high
    step = max(high - low, abs(holds)) / 8
    while _LEAST < abs(holds) < _MOST or holds == 0:
        if end == "low" and argument in _POSITIVE:
            place = holds / 2
        else:
            place = holds + (step if end == "high" else -step)
        place, step = Fraction(nearest(place, _DIGITS)), 2 * step
        if (found := verdict(place)) == "refuted":
            return holds, place
        if found == "undecided":
            break
        holds = place
    return holds, None
