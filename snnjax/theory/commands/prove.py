"""`python -m snnjax.theory prove`: the paper's theorems, proved or refuted between grid points too.

Without a theorem all three, on the domains of Klambauer et al. 2017. A side that is given replaces
the paper's. `bound` is what was proved, `attained` what the witness reaches: the extreme value lies
between. Exit code 0 if everything was proved, 1 if something was refuted or stayed undecided.
"""

import argparse
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile

from snnjax.config.errors import ConfigError, complaint
from snnjax.theory.proofs.boxes import ARGUMENTS, Domain, Side
from snnjax.theory.proofs.certificate import certificate, write
from snnjax.theory.proofs.decimals import plain
from snnjax.theory.proofs.published import published
from snnjax.theory.proofs.sides import reaches
from snnjax.theory.proofs.theorems import (
    BUDGET,
    DIGITS,
    PRECISION,
    PUBLISHED,
    Effort,
    Finding,
    Proof,
    Statement,
    prove,
)
from snnjax.whole_file import write_whole

SUMMARY = "prove or refute the theorems on the paper's domains or your own"
_POSITIVE = ("nu", "tau")
_LARGEST, _SMALLEST = Fraction(10) ** 6, Fraction(1, 10**20)
_INTERRUPTED = 130
_SIGNS = {"above": ">", "below": "<"}
_NAMES = {"gain": "variance - nu", "norm": "Jacobian's norm"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("--theorem", type=int, choices=(1, 2, 3), help="one of them (all)")
    for name in ARGUMENTS:
        parser.add_argument(f"--{name}", nargs=2, metavar=("LOW", "HIGH"), help=f"range of {name}")
    parser.add_argument("--grow", action="store_true", help="how far can each side grow alone")
    parser.add_argument(
        "--sharp", action="store_true", help="the paper's constants beside the sharp ones"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a certificate (JSON)")
    parser.add_argument("--digits", type=int, default=DIGITS, help="of the extreme values, 1 to 12")
    parser.add_argument(
        "--budget", type=int, default=BUDGET, help="boxes for a claim before giving up"
    )
    parser.add_argument("--precision", type=int, default=PRECISION, help="bits, 53 to 1000")


def run(given: argparse.Namespace) -> int:
    """Prove, print and write; return 0 if all is proved, 1 if not, 130 after Ctrl-C.

    Raises:
        ConfigError: An argument is wrong.
    """
    statements, effort = _statements(given), _effort(given)
    _check_target(given.out)
    try:
        proofs = _print_proofs(statements, effort)
        if given.out is not None:
            _write(given.out, write(certificate(proofs, effort)))
        if given.grow:
            for proof in proofs:
                _print_growth(proof, effort)
        if given.sharp:
            _print_sharp(effort)
    except KeyboardInterrupt:
        print("snnjax: interrupted; nothing more was proved", file=sys.stderr)
        return _INTERRUPTED
    return 0 if all(proof.verdict == "proved" for proof in proofs) else 1


def _check_target(path: Path | None) -> None:
    """Refuse a file that cannot be written before anything is proved."""
    if path is None:
        return
    problem = "is a folder" if path.is_dir() else ""
    try:
        # Where nothing can be written beside it, as in /proc, the file cannot be replaced whole.
        with TemporaryFile(dir=path.resolve().parent):
            pass
    except FileNotFoundError as error:
        exists = path.resolve().parent.is_dir()
        problem = problem or (_reason(error) if exists else "its folder does not exist")
    except OSError as error:
        problem = problem or _reason(error)
    if problem:
        allowed = "a file in a folder that can be written to"
        raise ConfigError(complaint("--out", str(path), problem, allowed))


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        # The error names the temporary file, which is nothing to the user.
        raise OSError(error.errno, _reason(error), str(path)) from error
    print(f"certificate: {path}")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _statements(given: argparse.Namespace) -> Sequence[Statement]:
    """Return the paper's statements with the given sides, without repetition."""
    sides = {name: _side(name, *ends) for name in ARGUMENTS if (ends := getattr(given, name))}
    if sides and given.theorem is None:
        flags = ", ".join(f"--{name}" for name in sides)
        raise ConfigError(complaint(flags, None, "needs --theorem", "--theorem 1, 2 or 3"))
    chosen = [each for each in PUBLISHED if given.theorem in (None, each.theorem)]
    if not sides:
        return chosen
    kept: dict[str, Statement] = {}
    for each in chosen:
        domain = {**each.domain, **sides}
        source = each.source if domain == each.domain else ""
        kept.setdefault(_show_domain(domain), Statement(each.theorem, source, domain))
    return list(kept.values())


def _side(name: str, low: str, high: str) -> Side:
    ends = [_number(name, text) for text in (low, high)]
    given = f"{low} {high}"
    if ends[0] > ends[1]:
        allowed, hint = "low and high, in this order", f"--{name} {high} {low}"
        raise ConfigError(complaint(f"--{name}", given, "low is above high", allowed, hint))
    if name in _POSITIVE and ends[0] <= 0:
        what = "a variance" if name == "nu" else "a sum of squares"
        raise ConfigError(complaint(f"--{name}", given, f"{what} is positive", "numbers > 0"))
    return Side(*ends)


def _number(name: str, text: str) -> Fraction:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ConfigError(complaint(f"--{name}", text, "not a number", "decimals")) from None
    magnitude = abs(Fraction(number)) if number.is_finite() else 2 * _LARGEST
    if magnitude > _LARGEST or 0 < magnitude < _SMALLEST:
        allowed = "0 or magnitudes from 1e-20 to 1e6"
        raise ConfigError(complaint(f"--{name}", text, "out of range", allowed))
    return Fraction(number)


def _effort(given: argparse.Namespace) -> Effort:
    for name, low, high in (("digits", 1, 12), ("budget", 1, 10**7), ("precision", 53, 1000)):
        if not low <= (value := getattr(given, name)) <= high:
            allowed = f"an integer from {low} to {high}"
            raise ConfigError(complaint(f"--{name}", str(value), "out of range", allowed))
    return Effort(given.precision, given.digits, given.budget)


def _print_proofs(statements: Sequence[Statement], effort: Effort) -> list[Proof]:
    proofs = []
    for statement in statements:
        proofs.append(prove(statement, effort))
        _print_proof(proofs[-1])
    findings = [finding for proof in proofs for finding in proof.findings]
    boxes, seconds = sum(len(f.boxes) for f in findings), sum(f.seconds for f in findings)
    print(f"{len(findings)} claims, {boxes} boxes, {seconds:.3g} s, {effort.precision} bits")
    return proofs


def _print_proof(proof: Proof) -> None:
    statement = proof.statement
    source = f" ({statement.source})" if statement.source else ""
    print(f"Theorem {statement.theorem}{source}: {proof.verdict}")
    print(f"  on {_show_domain(statement.domain)}")
    width = max(9, *(len(_show_verdict(finding)) for finding in proof.findings))
    head = f"{'bound':>15} {'attained':>15} {'boxes':>6} {'s':>7}  at"
    print(f"  {'claim':25} {'verdict':{width}} {head}")
    for finding in proof.findings:
        print(f"  {_show_finding(finding, width)}")


def _show_verdict(finding: Finding) -> str:
    return f"{finding.verdict} ({finding.reason})" if finding.reason else finding.verdict


def _show_finding(finding: Finding, width: int) -> str:
    claim = finding.claim
    name = _NAMES.get(claim.quantity, claim.quantity)
    what = f"{name} {_SIGNS[claim.sense]} {plain(claim.limit)}"
    point = ", ".join(f"{each}={finding.witness[each]}" for each in ARGUMENTS)
    role = "counterexample " if finding.verdict == "refuted" else ""
    figures = f"{finding.bound:>15} {finding.attained:>15} {len(finding.boxes):6}"
    verdict = f"{_show_verdict(finding):{width}}"
    return f"{what:25} {verdict} {figures} {finding.seconds:7.3f}  {role}{point}"


def _show_domain(domain: Domain) -> str:
    return ", ".join(
        f"{name} in [{plain(domain[name].low)}, {plain(domain[name].high)}]" for name in ARGUMENTS
    )


def _print_growth(proof: Proof, effort: Effort) -> None:
    theorem = proof.statement.theorem
    if proof.verdict != "proved":
        print(f"Theorem {theorem}: {proof.verdict}, so that no side can grow")
        return
    print(f"Theorem {theorem} on {_show_domain(proof.statement.domain)}, one side moved at a time:")
    for found in reaches(proof.statement, effort):
        name, place = f"{found.argument} {found.end}", plain(found.holds)
        ends = [f"fails at {plain(found.fails)}"] if found.fails is not None else []
        if found.undecided is not None:
            ends.append(f"undecided ({found.reason}) at {plain(found.undecided)}")
        print(
            f"  {name:10} holds to {place:>14}, {', '.join(ends) or 'no failure found'}", flush=True
        )


def _print_sharp(effort: Effort) -> None:
    """Print the paper's constants; Theorem 1's are of the image, which holds all fixed points."""
    print(f"{'constant':48} {'printed':>34}  sharp, and what the printed one is")
    for each in published(effort):
        sharp = f"[{each.sharp[0]}, {each.sharp[1]}]"
        print(f"{each.what:48} {each.printed:>34}  {sharp}  {each.remark}", flush=True)
