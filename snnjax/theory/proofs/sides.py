"""How far each side of a domain can grow alone before a statement fails.

Theorems 2 and 3 speak of every point by itself: only what a step adds to the domain has to be
proved anew. For Theorem 1, mean and variance must also stay inside the domain. There too the sizes
for which it holds are an interval: while the norm is below 1, the image's end grows more slowly
than a side that moves out, so that what lies inside the side keeps lying inside. Bisection
therefore encloses the one place where the statement turns false.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from snnjax.theory.proofs.boxes import ARGUMENTS, Domain, Side
from snnjax.theory.proofs.decimals import nearest
from snnjax.theory.proofs.theorems import Claim, Effort, Proof, Statement, Verdict, prove, settle

End = Literal["low", "high"]
_POSITIVE = ("nu", "tau")
_DIGITS = 9
_QUICK = 150  # boxes that are spent before thinking
_ONE = Side(Fraction(1), Fraction(1))
_LEAST, _MOST = Fraction(1, 10**12), Fraction(1000)
"""How near to 0 a variance is looked at, and how far from 0 anything else."""


class Reach(NamedTuple):
    """Where a statement turns false as one side moves out.

    Attributes:
        argument: Whose interval it is.
        end: Which end of it moves.
        holds: The farthest place for which the statement was proved.
        fails: The nearest for which it was refuted; None if for none that was looked at.
        undecided: A place at which neither was found, which ended the search.
        reason: Why not, see `Proof.reason`; empty if no place was undecided.
    """

    argument: str
    end: End
    holds: Fraction
    fails: Fraction | None
    undecided: Fraction | None = None
    reason: str = ""


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
    reason = ""

    def verdict(holds: Fraction, place: Fraction) -> Verdict:
        nonlocal reason
        near, far = (_moved(statement.domain, argument, end, each) for each in (holds, place))
        domains = [far] if statement.theorem == 1 else _slabs(_merged(near), _merged(far))
        worst: Verdict = "proved"
        for domain in domains:
            proof = _prove(statement._replace(domain=domain), effort._replace(digits=0))
            if proof.verdict == "refuted":
                return "refuted"
            if proof.verdict == "undecided":
                worst, reason = "undecided", proof.reason
        return worst

    holds, fails, undecided = _bracket(verdict, statement.domain, argument, end)
    while fails is not None and abs(holds - fails) > abs(fails) / 10**digits:
        middle = Fraction(nearest((holds + fails) / 2, _DIGITS))
        if middle in (holds, fails):
            break
        if (found := verdict(holds, middle)) == "undecided":
            undecided = middle
            break
        holds, fails = (middle, fails) if found == "proved" else (holds, middle)
    return Reach(argument, end, holds, fails, undecided, reason if undecided is not None else "")


def _moved(domain: Domain, argument: str, end: str, place: Fraction) -> Domain:
    return {**domain, argument: domain[argument]._replace(**{end: place})}


def _merged(domain: Domain) -> Domain:
    """Return an equivalent domain of three arguments: only mu omega counts, so omega may be 1."""
    products = [a * b for a in domain["mu"] for b in domain["omega"]]
    return {**domain, "mu": Side(min(products), max(products)), "omega": _ONE}


def _slabs(near: Domain, far: Domain) -> Sequence[Domain]:
    """Return what a domain has that a smaller one lacks: a slab for each end that moved out."""
    slabs: list[Domain] = []
    for name in ARGUMENTS:
        (low, high), (least, most) = near[name], far[name]
        ends = [Side(least, low)] * (least < low) + [Side(high, most)] * (high < most)
        slabs += [{**far, name: side} for side in ends]
    return slabs


def _prove(statement: Statement, effort: Effort) -> Proof:
    """Prove Theorem 1, or a statement that speaks of a gain.

    Where the variance rises with v = nu tau, only one end of tau can be the worst; without tau
    there are far fewer boxes.
    """
    domain, (claim, *_) = statement.domain, statement.claims
    if claim.quantity != "gain":
        return prove(statement, effort)
    quick = effort._replace(budget=min(effort.budget, _QUICK))
    if (proof := prove(statement, quick)).verdict != "undecided":
        return proof
    (nu_low, nu_high), (tau_low, tau_high) = domain["nu"], domain["tau"]
    v = Side(nu_low * tau_low, nu_high * tau_high)
    rises = Claim("rise", "above", Fraction(0))
    if settle(rises, {**domain, "nu": v, "tau": _ONE}, quick).verdict == "proved":
        worst = tau_low if claim.sense == "above" else tau_high
        statement = statement._replace(domain={**domain, "tau": Side(worst, worst)})
    return prove(statement, effort)


def _bracket(
    verdict: Callable[[Fraction, Fraction], Verdict], domain: Domain, argument: str, end: End
) -> tuple[Fraction, Fraction | None, Fraction | None]:
    """Return where the statement holds, fails and is undecided, by steps that double."""
    low, high = domain[argument]
    holds = low if end == "low" else high
    step = max(high - low, abs(holds)) / 8
    while _LEAST < abs(holds) < _MOST or holds == 0:
        if end == "low" and argument in _POSITIVE:
            place = holds / 2
        else:
            place = holds + (step if end == "high" else -step)
        place, step = Fraction(nearest(place, _DIGITS)), 2 * step
        if (found := verdict(holds, place)) == "refuted":
            return holds, place, None
        if found == "undecided":
            return holds, None, place
        holds = place
    return holds, None, None
