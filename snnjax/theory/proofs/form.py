"""What a certificate must look like before anything in it is computed with.

A number is a decimal of bounded length and exponent: `1e999999999` is short to write and endless to
expand.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

FORMAT = "snnjax theorem certificate 1"
PRECISIONS = (53, 1000)
ENDLESS = ("inf", "-inf")
_NAMES = ("mu", "omega", "nu", "tau")
_TEXTS = ("quantity", "sense", "verdict")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE]([+-]?\d{1,6}))?")
_LONGEST, _WIDEST = 2100, 1000
"""The most characters of a number, and the largest exponent of ten, to either side."""
_SHOWN = 40


class RefusedError(ValueError):
    """A certificate does not prove what it says."""


def check_form(certificate: Mapping[str, Any]) -> None:
    """Refuse what is no certificate: other keys, other types, numbers that nobody would write.

    Raises:
        RefusedError: With what is wrong, and where.
    """
    _same("format", certificate.get("format"), FORMAT)
    precision, (least, most) = certificate.get("precision"), PRECISIONS
    if type(precision) is not int or not least <= precision <= most:
        raise _bad("precision", precision, f"an integer from {least} to {most}")
    statements = _list("statements", certificate.get("statements"))
    if not statements:
        raise RefusedError("it has no statements")
    for i, statement in enumerate(statements):
        _check_statement(_mapping(f"statements[{i}]", statement), f"statements[{i}]")


def _check_statement(statement: Mapping[str, Any], where: str) -> None:
    theorem = statement.get("theorem")
    if type(theorem) is not int or theorem not in (1, 2, 3):
        raise _bad(f"{where}.theorem", theorem, "1, 2 or 3")
    for key in ("source", "verdict"):
        _text(f"{where}.{key}", statement.get(key))
    domain = _mapping(f"{where}.domain", statement.get("domain"))
    _names(f"{where}.domain", domain)
    for name in _NAMES:
        ends = _list(f"{where}.domain.{name}", domain[name], 2)
        for end in ends:
            _decimal(f"{where}.domain.{name}", end)
    _check_source(where, statement)
    for i, claim in enumerate(_list(f"{where}.claims", statement.get("claims"))):
        _check_claim(_mapping(f"{where}.claims[{i}]", claim), f"{where}.claims[{i}]")


def _check_source(where: str, statement: Mapping[str, Any]) -> None:
    """Refuse the name of a place in the paper that has another domain."""
    from snnjax.theory.proofs.theorems import PUBLISHED

    domain = {name: tuple(Fraction(end) for end in statement["domain"][name]) for name in _NAMES}
    places = {
        each.source
        for each in PUBLISHED
        if each.theorem == statement["theorem"]
        and all(tuple(each.domain[name]) == domain[name] for name in _NAMES)
    }
    if statement["source"] not in places | {""}:
        allowed = "'', as the paper has no such domain"
        allowed = ", ".join(map(repr, sorted(places))) or allowed
        raise _bad(f"{where}.source", statement["source"], allowed)


def _check_claim(claim: Mapping[str, Any], where: str) -> None:
    for key in _TEXTS:
        _text(f"{where}.{key}", claim.get(key))
    _decimal(f"{where}.limit", claim.get("limit"))
    for key in ("bound", "attained"):
        if claim.get(key) not in ENDLESS:
            _decimal(f"{where}.{key}", claim.get(key))
    witness = _mapping(f"{where}.witness", claim.get("witness"))
    _names(f"{where}.witness", witness)
    for name in _NAMES:
        _decimal(f"{where}.witness.{name}", witness[name])
    for i, box in enumerate(_list(f"{where}.boxes", claim.get("boxes"))):
        for end in _list(f"{where}.boxes[{i}]", box, 2 * len(_NAMES)):
            if type(end) not in (int, float):
                raise _bad(f"{where}.boxes[{i}]", end, "eight numbers")


def _decimal(where: str, value: Any) -> None:
    found = _NUMBER.fullmatch(value) if isinstance(value, str) and len(value) <= _LONGEST else None
    if found is None or abs(int(found[1] or 0)) > _WIDEST:
        allowed = f"a decimal in quotes, of at most {_LONGEST} characters, exponent to {_WIDEST}"
        raise _bad(where, value, allowed)


def _names(where: str, mapping: Mapping[str, Any]) -> None:
    for name in mapping:
        if name not in _NAMES:
            raise _bad(where, name, ", ".join(_NAMES))
    for name in _NAMES:
        if name not in mapping:
            raise RefusedError(f"not a certificate: {where} has no {name}")


def _same(where: str, value: Any, wanted: str) -> None:
    if value != wanted:
        raise _bad(where, value, repr(wanted))


def _text(where: str, value: Any) -> None:
    if not isinstance(value, str):
        raise _bad(where, value, "text")


def _list(where: str, value: Any, length: int | None = None) -> list[Any]:
    if not isinstance(value, list) or length not in (None, len(value)):
        raise _bad(where, value, "a list" if length is None else f"a list of {length}")
    return value


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _bad(where, value, "an object")
    return value


def _bad(where: str, value: Any, allowed: str) -> RefusedError:
    shown = "nothing" if value is None else repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return RefusedError(f"not a certificate: {where} is {shown}; allowed: {allowed}")
