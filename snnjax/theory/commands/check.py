"""`python -m snnjax.theory check FILE`: whether a certificate proves what it says.

Every box is looked at again with other formulas and more digits. Exit code 0 if all of it holds,
1 if the certificate is refused.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from snnjax.config.errors import ConfigError, complaint
from snnjax.theory.proofs.checker import PRECISION, RefusedError, check

SUMMARY = "verify a certificate of the theorems by other formulas"
_INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("certificate", type=Path, metavar="FILE", help="written by prove --out")


def run(given: argparse.Namespace) -> int:
    """Check a certificate and print what it proves; return 0, 1 if it is refused, 130 at Ctrl-C.

    Raises:
        ConfigError: There is no such file, or it is not JSON.
    """
    content = _read(given.certificate)
    start = time.process_time()
    try:
        done = check(content)
    except RefusedError as error:
        print(f"refused: {error}")
        return 1
    except KeyboardInterrupt:
        print("snnjax: interrupted; the certificate was not verified", file=sys.stderr)
        return _INTERRUPTED
    for statement in content["statements"]:
        sides = statement["domain"].items()
        domain = ", ".join(f"{name} in [{low}, {high}]" for name, (low, high) in sides)
        print(f"Theorem {statement['theorem']} {statement['verdict']} on {domain}")
    seconds = time.process_time() - start
    counts = f"{done.claims} claims, {done.boxes} boxes in {done.parts} parts"
    print(f"verified: {counts}, {seconds:.3g} s, {PRECISION} bits")
    return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "not JSON"
        if isinstance(error, RecursionError):
            reason = "nested too deeply"
        allowed = "a file written by `prove --out`"
        raise ConfigError(complaint("FILE", str(path), reason, allowed)) from None
    if not isinstance(content, dict):
        raise ConfigError(complaint("FILE", str(path), "not a certificate", "an object in JSON"))
    return content
