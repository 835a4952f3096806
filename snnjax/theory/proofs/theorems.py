"""Theorems 1, 2 and 3 of Klambauer et al. 2017 (appendix A3) as claims on a domain, and proofs.

A claim says that a quantity stays on one side of a limit; a statement, that all its claims hold on
its domain. alpha and lambda are the exact constants of Eq. 14, not roundings of them.
"""

import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from snnjax.theory.proofs.boxes import (
    ARGUMENTS,
    Box,
    Domain,
    Side,
    Unit,
    Wanted,
    maximize,
    rounding,
)
from snnjax.theory.proofs.decimals import bound, nearest, plain
from snnjax.theory.proofs.enclosure import Ball
from snnjax.theory.proofs.quantities import QUANTITIES

Verdict = Literal["proved", "refuted", "undecided"]
Sense = Literal["above", "below"]
PRECISION = 64
BUDGET = 20_000
DIGITS = 7
_SPARE = 4  # this part of the tolerance is left to the checker
_MOST_DIGITS = 40


class Claim(NamedTuple):
    """A quantity stays above or below a limit."""

    quantity: str
    sense: Sense
    limit: Fraction


class Statement(NamedTuple):
    """What a theorem says on a domain.

    Attributes:
        theorem: 1, 2 or 3.
        source: Where the paper says so; empty for a domain of one's own.
        domain: For which arguments.
    """

    theorem: int
    source: str
    domain: Domain

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What has to be shown.

        Theorem 1: g maps the domain's means and variances into themselves, and its Jacobian by
        (mu, nu) has a spectral norm below 1, so that g contracts for every omega and tau.
        Theorems 2 and 3: variance decreases, variance increases.
        """
        if self.theorem == 1:
            mu, nu = self.domain["mu"], self.domain["nu"]
            return (
                Claim("mean", "above", mu.low),
                Claim("mean", "below", mu.high),
                Claim("variance", "above", nu.low),
                Claim("variance", "below", nu.high),
                Claim("norm", "below", Fraction(1)),
            )
        return (Claim("gain", "below" if self.theorem == 2 else "above", Fraction(0)),)


class Effort(NamedTuple):
    """How hard to try.

    Attributes:
        precision: Bits of the balls.
        digits: Of the extrema; 0 if the verdict is enough.
        budget: Boxes for a claim.
    """

    precision: int = PRECISION
    digits: int = DIGITS
    budget: int = BUDGET


class Finding(NamedTuple):
    """What became of a claim.

    Attributes:
        claim: The claim.
        verdict: Whether it is true.
        bound: A decimal that the quantity does not pass on the domain, on the limit's side.
        attained: A decimal that it does attain or pass at the witness: between the two is its
            extreme value.
        witness: Decimals of a point of the domain; the counterexample of a claim that is refuted.
        boxes: Of the unit cube, the domain's affine preimage, which they cover.
        evaluated: How many boxes were looked at.
        seconds: Of computing.
        reason: Why it is undecided, `budget` or `precision`; otherwise empty.
    """

    claim: Claim
    verdict: Verdict
    bound: str
    attained: str
    witness: Mapping[str, str]
    boxes: Sequence[Box]
    evaluated: int
    seconds: float
    reason: str


class Proof(NamedTuple):
    """What became of a statement."""

    statement: Statement
    findings: Sequence[Finding]

    @property
    def verdict(self) -> Verdict:
        """The weakest verdict of the claims: one that is refuted refutes the statement."""
        verdicts = [finding.verdict for finding in self.findings]
        if "refuted" in verdicts:
            return "refuted"
        return "undecided" if "undecided" in verdicts else "proved"

    @property
    def reason(self) -> str:
        """Why a claim is undecided: `budget` or, if more boxes would not help, `precision`."""
        return next((each.reason for each in self.findings if each.verdict == "undecided"), "")


def make_domain(**sides: tuple[str, str]) -> Domain:
    """Return a domain from decimals."""
    return {name: Side(*(Fraction(end) for end in sides[name])) for name in ARGUMENTS}


_NEAR_ZERO = ("-0.1", "0.1")


def _small_variance(source: str, nu: tuple[str, str], tau: tuple[str, str]) -> Statement:
    return Statement(3, source, make_domain(mu=_NEAR_ZERO, omega=_NEAR_ZERO, nu=nu, tau=tau))


PUBLISHED: Sequence[Statement] = (
    Statement(
        1,
        "theorem",
        make_domain(mu=_NEAR_ZERO, omega=_NEAR_ZERO, nu=("0.8", "1.5"), tau=("0.95", "1.1")),
    ),
    Statement(
        2,
        "theorem",
        make_domain(mu=("-1", "1"), omega=_NEAR_ZERO, nu=("3", "16"), tau=("0.8", "1.25")),
    ),
    _small_variance("appendix", ("0.05", "0.16"), ("0.8", "1.25")),
    _small_variance("appendix", ("0.05", "0.24"), ("0.9", "1.25")),
    _small_variance("main text", ("0.02", "0.16"), ("0.8", "1.25")),
    _small_variance("main text", ("0.02", "0.24"), ("0.9", "1.25")),
)
"""The domains of the paper. Theorem 3 has two ranges of tau, and its main text a lower end of nu
that the appendix does not prove."""


def prove(statement: Statement, effort: Effort = Effort()) -> Proof:  # noqa: B008  (immutable)
    """Prove or refute every claim of a statement, or give up at the budget.

    Args:
        statement: Its domain has nu and tau above 0.
        effort: How hard to try.
    """
    return Proof(statement, [settle(claim, statement.domain, effort) for claim in statement.claims])


def settle(claim: Claim, domain: Domain, effort: Effort) -> Finding:
    """Prove or refute one claim.

    Args:
        claim: A limit of a quantity.
        domain: Where it is to hold; nu and tau above 0.
        effort: How hard to try.
    """
    import flint

    start = time.process_time()
    sign = 1 if claim.sense == "below" else -1
    tolerance = 10.0**-effort.digits if effort.digits else None
    with flint.ctx.workprec(effort.precision):
        limit = flint.arb(flint.fmpq(*(sign * claim.limit).as_integer_ratio()))
        quantity = QUANTITIES[claim.quantity]
        found = maximize(quantity, sign, domain, Wanted(limit, tolerance, effort.budget))
        verdict = _verdict(found.lower, found.upper, limit)
        upper = found.upper + rounding().max(abs(found.upper) * (tolerance or 0)) / _SPARE
        if verdict != _verdict(found.lower, upper, limit):
            upper = found.upper
        for digits in (effort.digits + 4, 20, _MOST_DIGITS):
            witness = _witness(domain, found.witness, digits + 4)
            lower = sign * quantity.value([flint.arb(witness[name]) for name in ARGUMENTS])
            ends = bound(lower.lower(), digits, False), bound(upper.upper(), digits, True)
            if _verdict(flint.arb(ends[0]), flint.arb(ends[1]), limit) == verdict:
                break
        else:
            verdict = "undecided"
    attained, most = ends if sign > 0 else (_negative(end) for end in ends)
    seconds = time.process_time() - start
    reason = "budget" if len(found.boxes) >= effort.budget else "precision"
    reason = reason if verdict == "undecided" else ""
    boxes, evaluated = found.boxes, found.evaluated
    return Finding(claim, verdict, most, attained, witness, boxes, evaluated, seconds, reason)


def _verdict(lower: Ball, upper: Ball, limit: Ball) -> Verdict:
    """Say where a maximum lies, given that it lies between two numbers."""
    if upper < limit:
        return "proved"
    return "refuted" if lower > limit else "undecided"


def _witness(domain: Domain, unit: Unit, digits: int) -> Mapping[str, str]:
    """Return a point of the unit cube as short decimals of a point of the domain nearby."""
    witness = {}
    for name, share in zip(ARGUMENTS, unit, strict=True):
        low, high = domain[name]
        here = nearest(low + Fraction(share) * (high - low), digits)
        witness[name] = plain(min(max(Fraction(here), low), high))
    return witness


def _negative(number: str) -> str:
    return number.removeprefix("-") if number.startswith("-") else f"-{number}"
