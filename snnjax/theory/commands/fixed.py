"""`python -m snnjax.theory fixed`: where layers go, and the proof that there is nothing else."""

import argparse
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from snnjax.theory.command_line import add_selu, number, positive, shown_mean, table

if TYPE_CHECKING:
    from snnjax.theory.fixed_points.box import Box
    from snnjax.theory.fixed_points.points import Basin, FixedPoint

SUMMARY = "all fixed points of SELU's moment map for omega and tau, or for a box of them"
_ENDS = ("LOW", "HIGH")
_MEANS = 100.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the subcommand takes."""
    parser.add_argument("--omega", type=number, default=0.0, help="sum of a unit's weights")
    parser.add_argument("--tau", type=positive, default=1.0, help="sum of a unit's squared weights")
    parser.add_argument(
        "--box", type=number, nargs=4, metavar=("OMEGA", "OMEGA", "TAU", "TAU"),
        help="instead: ends of omega and of tau",
    )  # fmt: skip
    parser.add_argument(
        "--means", type=number, nargs=2, metavar=_ENDS,
        help="where to prove; by default all that a layer can keep",
    )  # fmt: skip
    parser.add_argument(
        "--variances", type=positive, nargs=2, metavar=_ENDS, default=(1e-3, 1e3),
        help="where to prove",
    )  # fmt: skip
    add_selu(parser)


def run(given: argparse.Namespace) -> int:
    """Print the fixed points; return 1 where their number could not be proved."""
    from snnjax.config.errors import ConfigError

    try:
        return _over_box(given) if given.box else _at_point(given)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from wrong


def _at_point(given: argparse.Namespace) -> int:
    from snnjax.theory.fixed_points.points import basin, fixed_points, growth_of_nothing

    omega, tau, constants = given.omega, given.tau, (given.alpha, given.scale)
    cell = ((omega, omega), (tau, tau))
    region = _region(given, cell)
    found = fixed_points(omega, tau, *constants)
    rows = []
    for point in found:
        where = "-"
        if point.stability == "attracting":
            where = _show_basin(basin(point, omega, tau, *constants))
        mean = shown_mean(point.mean, point.variance)
        numbers = (mean, point.variance, point.rate, point.norm)
        rows.append([point.stability, *(f"{x:.10g}" for x in numbers), where])
    print(f"omega {omega:g}, tau {tau:g}")
    print(table(["", "mean", "variance", "rate", "norm", "basin"], rows) if rows else "none")
    growth = growth_of_nothing(tau, *constants)
    print(f"mean 0, variance 0 is kept too; at omega 0 a variance near 0 grows {growth:.4g} times")
    return _prove(given, cell, region, found)


def _over_box(given: argparse.Namespace) -> int:
    low, high, least, most = given.box
    if low > high or least > most or least <= 0:
        raise ValueError(
            f"--box {low:g} {high:g} {least:g} {most:g}: each low end must not be above its high "
            "end, and tau must be above 0"
        )
    # Decimals lie between floats.
    omega = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    tau = math.nextafter(least, 0), math.nextafter(most, math.inf)
    region = _region(given, (omega, tau))
    print(f"omega {low:g} to {high:g}, tau {least:g} to {most:g}")
    return _prove(given, (omega, tau), region, None)


def _prove(
    given: argparse.Namespace, cell: "Box", region: "Box", expected: "Sequence[FixedPoint] | None"
) -> int:
    """Print what is proved; return 1 if it is not what was found otherwise, or nothing."""
    from snnjax.theory.fixed_points.paving import UndecidedError, enclose

    began = time.process_time()
    try:
        found = enclose(cell, region, given.alpha, given.scale)
    except UndecidedError as wrong:
        print(f"not proved: {wrong}")
        return 1
    seconds = time.process_time() - began
    (low, high), (least, most) = region
    few, many = found.counts
    count = f"{few}" if few == many else f"{few} to {many}"
    print(
        f"proved: exactly {count} with mean {low:.4g} to {high:.4g} and variance {least:g} to "
        f"{most:g} ({found.boxes} boxes, {seconds:.2f} s)"
    )
    if found.hull is not None and expected is None:
        for name, ends in zip(("mean", "variance"), found.hull, strict=True):
            print(f"{name:8} {ends[0]:.7f} to {ends[1]:.7f}")
        print(f"each end at most {found.error:.0e} too far out")
    if expected is None:
        return 0
    inside = [x for x in expected if low < x.mean < high and least < x.variance < most]
    return 0 if few == len(inside) else 1


def _region(given: argparse.Namespace, cell: "Box") -> "Box":
    """Return where to look: a layer's mean is above -lambda alpha, and at most that of a ramp.

    From omega = 1 / lambda on that is no bound.
    """
    least, most = given.variances
    if least >= most:
        raise ValueError(f"--variances {least:g} {most:g}: the first must be below the second")
    if given.means:
        low, high = given.means
        if low >= high:
            raise ValueError(f"--means {low:g} {high:g}: the first must be below the second")
        return (low, high), (least, most)
    low, left = -1.01 * given.scale * given.alpha, 1 - given.scale * max(cell[0][1], 0.0)
    if left <= 0:
        return (low, _MEANS), (least, most)
    ramp = given.scale * math.sqrt(cell[1][1] * most / (2 * math.pi)) / left
    return (low, 1.01 * ramp), (least, most)


def _show_basin(found: "Basin") -> str:
    low, high = found.variances
    if found.is_exact:
        up = "" if high == math.inf else f" below {high:.6g}"
        return f"all means, variances above {low:.6g}{up}"
    if math.isnan(low):
        return "less than means -1 to 1"
    return f"at least means -1 to 1, variances {low:.3g} to {high:.3g} (on a grid)"
