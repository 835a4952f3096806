"""Certificates of proofs as JSON: all that a checker needs who trusts nobody.

A box is eight numbers, low and high of mu, omega, nu and tau, as parts of the domain's sides (0 is
a side's low end, 1 its high end): exact in binary, as the domain's ends are exact as decimals.
"""

import json
from collections.abc import Sequence
from typing import Any

from snnjax.theory.proofs.boxes import ARGUMENTS
from snnjax.theory.proofs.decimals import plain
from snnjax.theory.proofs.form import FORMAT
from snnjax.theory.proofs.theorems import Effort, Finding, Proof


def certificate(proofs: Sequence[Proof], effort: Effort) -> dict[str, Any]:
    """Return the JSON form of proofs.

    Args:
        proofs: Of some statements.
        effort: How they were found.
    """
    import flint

    findings = [finding for proof in proofs for finding in proof.findings]
    return {
        "format": FORMAT,
        "arithmetic": f"python-flint {flint.__version__}, FLINT {flint.__FLINT_VERSION__}",
        "precision": effort.precision,
        "seconds": round(sum(finding.seconds for finding in findings), 6),
        "statements": [_statement(proof) for proof in proofs],
    }


def write(content: dict[str, Any]) -> str:
    """Return a certificate as text: every box on a line of its own would be thousands of lines."""
    return json.dumps(content, indent=None, separators=(",", ":"), allow_nan=False) + "\n"


def _statement(proof: Proof) -> dict[str, Any]:
    domain = proof.statement.domain
    return {
        "theorem": proof.statement.theorem,
        "source": proof.statement.source,
        "domain": {name: [plain(end) for end in domain[name]] for name in ARGUMENTS},
        "verdict": proof.verdict,
        "claims": [_claim(finding) for finding in proof.findings],
    }


def _claim(finding: Finding) -> dict[str, Any]:
    return {
        "quantity": finding.claim.quantity,
        "sense": finding.claim.sense,
        "limit": plain(finding.claim.limit),
        "verdict": finding.verdict,
        "bound": finding.bound,
        "attained": finding.attained,
        "witness": dict(finding.witness),
        "boxes": [[end for pair in box for end in pair] for box in finding.boxes],
        "evaluated": finding.evaluated,
        "seconds": round(finding.seconds, 6),
    }
