"""A second opinion on certificates that shares nothing with the prover but the ball arithmetic.

It differentiates Eqs. 4 and 5 of Klambauer et al. 2017 as they are printed, automatically and at
twice the prover's usual precision, knows the norm by the characteristic polynomial, and takes from
a certificate only its boxes: that they cover the domain, and that the bound holds on each of them.
Where plain formulas are too wide for a box, it is halved.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from snnjax.theory.proofs.cover import Box, covers
from snnjax.theory.proofs.form import ENDLESS, RefusedError, check_form
from snnjax.theory.proofs.jets import Ball, Jet, image, lift, net_input, slopes, variable

PRECISION = 128
PARTS = 300
"""So many parts of its boxes are looked at, on average, before a claim is refused."""
_NAMES = ("mu", "omega", "nu", "tau")
_NU = 2
_WORST_FIRST = ("refuted", "undecided", "proved")
_KEPT, _EXCEEDED, _UNSURE = -1, -2, -3
Bound = tuple[str, int, str]
"""A quantity, 1 or -1, and the level that it is not to rise above, or to fall below."""
Sides = Sequence[tuple[Fraction, Fraction]]


class Checked(NamedTuple):
    """How much was verified; `parts` counts the boxes after halving."""

    statements: int
    claims: int
    boxes: int
    parts: int


def check(certificate: Mapping[str, Any]) -> Checked:
    """Verify every verdict, bound and witness of a certificate.

    Raises:
        RefusedError: Something is not so, cannot be verified or is missing.
    """
    import flint

    check_form(certificate)
    try:
        with flint.ctx.workprec(PRECISION):
            counts = [_check_statement(each) for each in certificate["statements"]]
    except RefusedError:
        raise
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, ArithmeticError) as error:
        raise RefusedError(f"not a certificate: {type(error).__name__}: {error}") from error
    return Checked(len(counts), *(sum(column) for column in zip(*counts, strict=True)))


def _check_statement(statement: Mapping[str, Any]) -> tuple[int, int, int]:
    """Verify that the claims are what the theorem says, the verdict theirs, and each of them."""
    theorem, domain, claims = statement["theorem"], statement["domain"], statement["claims"]
    said = [(claim["quantity"], claim["sense"], claim["limit"]) for claim in claims]
    if said != _content(theorem, domain):
        raise RefusedError(f"theorem {theorem} does not say {said}")
    verdict = min((claim["verdict"] for claim in claims), key=_WORST_FIRST.index)
    if statement["verdict"] != verdict:
        raise RefusedError(f"theorem {theorem} is {verdict}, not {statement['verdict']}")
    sides = [(Fraction(low), Fraction(high)) for low, high in (domain[name] for name in _NAMES)]
    if any(low > high for low, high in sides) or min(low for low, _ in sides[_NU:]) <= 0:
        raise RefusedError(f"theorem {theorem}: {domain} is not a domain")
    parts = [
        _check_claim(claim, sides, f"theorem {theorem}, {claim['quantity']}") for claim in claims
    ]
    return len(claims), sum(len(claim["boxes"]) for claim in claims), sum(parts)


def _content(theorem: int, domain: Mapping[str, Sequence[str]]) -> list[tuple[str, str, str]]:
    if theorem == 1:
        (mu_low, mu_high), (nu_low, nu_high) = domain["mu"], domain["nu"]
        means = [("mean", "above", mu_low), ("mean", "below", mu_high)]
        variances = [("variance", "above", nu_low), ("variance", "below", nu_high)]
        return [*means, *variances, ("norm", "below", "1")]
    return [("gain", {2: "below", 3: "above"}[theorem], "0")]


def _check_claim(claim: Mapping[str, Any], sides: Sides, name: str) -> int:
    """Verify that the verdict follows, the witness attains, and the boxes keep the bound."""
    sign = {"below": 1, "above": -1}[claim["sense"]]
    attained, bound, limit = claim["attained"], claim["bound"], sign * Fraction(claim["limit"])
    if claim["quantity"] == "norm" and bound not in ENDLESS and Fraction(bound) < 0:
        raise RefusedError(f"{name}: no norm is below {bound}")  # only its square is looked at
    verdict = "undecided"
    if bound not in ENDLESS and sign * Fraction(bound) < limit:
        verdict = "proved"
    elif attained not in ENDLESS and sign * Fraction(attained) > limit:
        verdict = "refuted"
    if claim["verdict"] != verdict:
        raise RefusedError(f"{name}: the bounds say {verdict}, not {claim['verdict']}")
    witness = [Fraction(claim["witness"][each]) for each in _NAMES]
    if any(not low <= x <= high for x, (low, high) in zip(witness, sides, strict=True)):
        raise RefusedError(f"{name}: the witness is outside the domain")
    at_witness = [_ball(x) for x in witness]
    if attained not in ENDLESS and not any(
        each.terms[0] >= 0 for each in _excess(claim["quantity"], sign, attained, at_witness, 0)
    ):
        raise RefusedError(f"{name}: the witness does not attain {attained}")
    if bound in ENDLESS:
        return 0
    boxes: list[Box] = [tuple(zip(box[::2], box[1::2], strict=True)) for box in claim["boxes"]]
    if not covers(boxes):
        raise RefusedError(f"{name}: the boxes do not cover the domain")
    return _check_boxes(boxes, sides, (claim["quantity"], sign, bound), name)


def _check_boxes(boxes: Sequence[Box], sides: Sides, what: Bound, name: str) -> int:
    """Verify a bound on every box, halved where need be; return the number of parts."""
    todo, parts = list(boxes), 0
    while todo:
        parts += 1
        if parts > PARTS * len(boxes):
            raise RefusedError(f"{name}: the bound {what[2]} could not be verified")
        box = todo.pop()
        cut = _doubtful(box, sides, what)
        if cut == _EXCEEDED:
            raise RefusedError(f"{name}: the bound {what[2]} is exceeded")
        if cut == _UNSURE:
            raise RefusedError(f"{name}: the bound {what[2]} is too near to be verified")
        if cut != _KEPT:
            low, high = box[cut]
            middle = (low + high) / 2
            halves = (low, middle), (middle, high)
            todo += [(*box[:cut], half, *box[cut + 1 :]) for half in halves]
    return parts


def _doubtful(box: Box, sides: Sides, what: Bound) -> int:
    """Return the argument to halve, or what is certain of the bound in the box."""
    lows, highs = (
        [
            _ball(low + Fraction(ends[end]) * (high - low))
            for ends, (low, high) in zip(box, sides, strict=True)
        ]
        for end in (0, 1)
    )
    for place in range(len(_excess(*what, lows, 0))):
        found, rises = _rises(what, place, lows, highs)
        if found == _EXCEEDED:
            return _EXCEEDED
        if found == _UNSURE:
            if not any(rises):
                return _UNSURE  # a corner alone decides, and rounding hides what it says
            if all(rise < float("inf") for rise in rises):
                return rises.index(max(rises))
            ratios = [float(high / low) for low, high in zip(lows[_NU:], highs[_NU:], strict=True)]
            return _NU + ratios.index(max(ratios))
    return _KEPT


def _rises(
    what: Bound, place: int, lows: Sequence[Ball], highs: Sequence[Ball]
) -> tuple[int, Sequence[float]]:
    """Tell whether a polynomial is above 0 in a box, and how much each argument may add to it.

    An argument by which it is monotone is set to the end where it is largest, and what remains of
    the box looked at again.

    Returns:
        Whether it is kept at or below 0, exceeds it, or is unsure; and then, what each adds.
    """
    lows, highs = list(lows), list(highs)
    while True:
        whole = [low.union(high) for low, high in zip(lows, highs, strict=True)]
        excess = _excess(*what, whole, 1)[place]
        if excess.terms[0] <= 0:
            return _KEPT, []
        slopes = excess.terms[1:]
        signs = [(slope >= 0) - (slope <= 0) for slope in slopes]
        news = [
            sign != 0 and low is not high
            for sign, low, high in zip(signs, lows, highs, strict=True)
        ]
        if not any(news):
            break
        for i in range(len(lows)):
            if news[i]:
                lows[i] = highs[i] = highs[i] if signs[i] > 0 else lows[i]
    base = [
        high if slope.mid() > 0 else low
        for slope, low, high in zip(slopes, lows, highs, strict=True)
    ]
    at_base = _excess(*what, base, 0)[place].terms[0]
    if at_base > 0:
        return _EXCEEDED, []
    rises = [
        (slope * (low - b)).max(slope * (high - b)).max(b * 0)
        for slope, b, low, high in zip(slopes, base, lows, highs, strict=True)
    ]
    if at_base + sum(rises) <= 0:
        return _KEPT, []
    return _UNSURE, [float(rise.upper()) for rise in rises]


def _excess(quantity: str, sign: int, level: str, point: Sequence[Ball], order: int) -> list[Jet]:
    """Return polynomials that are all at most 0 exactly where sign * (quantity - level) is.

    Of the norm: with the squared entries' sum t, the determinant d and a level L, its square is the
    larger root of X^2 - t X + d^2, and is at most L^2 if t L^2 - d^2 <= L^4 and t <= 2 L^2.
    """
    at = _ball(Fraction(level))
    x, s = net_input(point, (3, 6)[order] if quantity == "norm" else (1, 3)[order])
    mean, variance = image(x, s)
    _, omega, nu, tau = (variable(each, i, (1, 5)[order]) for i, each in enumerate(point))
    if quantity == "norm" and sign > 0:
        entries = [lift(each, point) for row in (mean, variance) for each in slopes(row, x, s)]
        a, b, c, d = (e * f for e, f in zip(entries, (omega, tau, omega, tau), strict=True))
        trace, determinant = a * a + b * b + c * c + d * d, a * d - b * c
        square = at * at
        return [trace * square - determinant * determinant + -square * square, trace + -2 * square]
    mean, variance = lift(mean, point), lift(variance, point)
    quantities = {"mean": mean, "variance": variance, "gain": variance - nu}
    return [(quantities[quantity] + -at) * sign]


def _ball(x: Fraction) -> Ball:
    import flint

    return flint.arb(flint.fmpq(x.numerator, x.denominator))
