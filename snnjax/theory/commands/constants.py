"""`python -m snnjax.theory constants`: what makes wanted moments a fixed point."""

import argparse
from typing import TYPE_CHECKING, Any

from snnjax.theory.command_line import number, positive, rate

if TYPE_CHECKING:
    from snnjax.theory.fixed_points.constants import Solution
    from snnjax.theory.moments.moment_map import Moments

SUMMARY = "the alpha and lambda (of other families scale and shift) that keep a mean and variance"
_DIGITS = 17


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the subcommand takes."""
    parser.add_argument("--mean", type=number, default=0.0, help="of the activations")
    parser.add_argument("--variance", type=positive, default=1.0, help="of the activations")
    parser.add_argument("--tau", type=positive, default=1.0, help="sum of a unit's squared weights")
    parser.add_argument("--family", default="selu", help="which activation to fit, or all")
    parser.add_argument("--definition", default="all", help="how net inputs follow, or all")
    parser.add_argument("--digits", type=int, default=_DIGITS, help="right digits of a constant")
    parser.add_argument("--rate", type=rate, help="alpha dropout of this rate too")


def run(given: argparse.Namespace) -> int:
    """Print the constants under each definition; return 1 if there are none at all."""
    from snnjax.config.errors import ConfigError
    from snnjax.theory.fixed_points.constants import check
    from snnjax.theory.fixed_points.definitions import DEFINITIONS
    from snnjax.theory.fixed_points.pieces import FAMILIES
    from snnjax.theory.moments.moment_map import Moments

    families = _chosen("--family", given.family, FAMILIES)
    definitions = _chosen("--definition", given.definition, DEFINITIONS)
    wanted = Moments(given.mean, given.variance)
    try:
        check(wanted, given.tau, given.digits)
    except ValueError as wrong:
        raise ConfigError(f"--{wrong}") from wrong
    count = 0
    for family in families:
        rule = FAMILIES[family]
        print(f"{family}: {rule.says}" + (f" ({rule.remark})" if rule.remark else ""))
        for name in definitions:
            law = DEFINITIONS[name]
            print(f"  {name}: {law.says}; {law.weights}")
            count += _show(given, name, family)
    return 0 if count else 1


def _show(given: argparse.Namespace, definition: str, family: str) -> int:
    """Print all solutions, or why there is none; return their number."""
    from snnjax.config.errors import ConfigError
    from snnjax.theory.fixed_points.constants import solve
    from snnjax.theory.fixed_points.definitions import DEFINITIONS
    from snnjax.theory.moments.moment_map import Moments

    wanted = Moments(given.mean, given.variance)
    try:
        answer = solve(wanted, DEFINITIONS[definition], family, given.tau, given.digits)
    except ValueError as wrong:
        raise ConfigError(f"--{wrong}") from wrong
    if answer.reason:
        print(f"    none exists: {answer.reason}")
    for solution in answer.solutions:
        _show_solution(solution, given, wanted, family)
    return len(answer.solutions)


def _show_solution(
    solution: "Solution", given: argparse.Namespace, wanted: "Moments", family: str
) -> None:
    for key, value in solution.constants.items():
        print(f"    {key:6} {_digits(value, given.digits)}")
    rates = f"rate {solution.rate:.6g}, norm {solution.norm:.6g}"
    print(f"    {solution.stability}: {rates}")
    if given.rate is not None and family in ("selu", "elu"):
        from snnjax.theory.moments.dropout import alpha_affine

        alpha, scale = map(float, solution.constants.values())
        a, b = alpha_affine(given.rate, wanted, -alpha * scale)
        print(f"    alpha dropout {given.rate:g}: alpha' {-alpha * scale!r}, a {a!r}, b {b!r}")


def _digits(value: Any, digits: int) -> str:
    from mpmath import nstr, workdps

    if digits == _DIGITS:
        return repr(float(value))
    with workdps(digits + 5):
        return str(nstr(value, digits, strip_zeros=False))


def _chosen(option: str, name: str, choices: Any) -> list[str]:
    from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest

    names = [*choices, "all"]
    if name not in names:
        allowed, hint = enumerate_names(names), nearest(name, names)
        raise ConfigError(complaint(option, name, "no such choice", allowed, hint))
    return list(choices) if name == "all" else [name]
