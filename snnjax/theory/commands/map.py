"""`python -m snnjax.theory map`: one layer's mean and variance, and the Jacobian."""

import argparse
from typing import TYPE_CHECKING

from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.command_line import add_selu, number, positive, shown_mean, table

if TYPE_CHECKING:
    from snnjax.theory.moments.quadrature import Array

SUMMARY = "mean and variance after one layer, the Jacobian and its norm"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the subcommand takes."""
    parser.add_argument("--mu", type=number, default=0.0, help="mean of the layer below")
    parser.add_argument("--omega", type=number, default=0.0, help="sum of a unit's weights")
    parser.add_argument("--nu", type=positive, default=1.0, help="variance of the layer below")
    parser.add_argument("--tau", type=positive, default=1.0, help="sum of a unit's squared weights")
    parser.add_argument(
        "--activation", default="selu", help="any that python -m snnjax.models lists"
    )
    add_selu(parser)


def run(given: argparse.Namespace) -> int:
    """Print the moments, the Jacobian by mu and nu, its spectral norm and radius."""
    from snnjax.config.errors import ConfigError
    from snnjax.theory.moments.jacobian import spectral_norm, spectral_radius

    try:
        mean, variance, matrix, error = _layer(given)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from wrong
    m, v = given.mu * given.omega, given.nu * given.tau
    rows = [
        ["mean", f"{shown_mean(mean, variance):.12g}", *(f"{entry:.12g}" for entry in matrix[0])],
        ["variance", f"{variance:.12g}", *(f"{entry:.12g}" for entry in matrix[1])],
    ]
    print(f"{given.activation} of net inputs z ~ N({m:g}, {v:g})")
    print(table(["", "after", "d / d mu", "d / d nu"], rows))
    print(f"spectral norm {float(spectral_norm(matrix)):.12g}")
    print(f"spectral radius {float(spectral_radius(matrix)):.12g}")
    if error is not None:
        print(f"by quadrature, error about {error:.1g}")
    return 0


def _layer(given: argparse.Namespace) -> tuple[float, float, "Array", float | None]:
    """Return mean, variance, Jacobian, and the error of quadrature if it was used."""
    from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest
    from snnjax.config.schema import ModelConfig
    from snnjax.theory.moments.activations import TWINS, numpy_activation
    from snnjax.theory.moments.jacobian import jacobian, net_calculus, selu_jacobian
    from snnjax.theory.moments.moment_map import Moments, moments

    name, net = given.activation, Moments(given.mu * given.omega, given.nu * given.tau)
    if name == "selu":
        found = net_calculus(*net, given.alpha, given.scale)
        place = given.mu, given.omega, given.nu, given.tau
        matrix = selu_jacobian(*place, given.alpha, given.scale)
        return float(found.mean), float(found.variance), matrix, None
    names = [known for known in TWINS if known != "maxout"]  # of several net inputs
    function = numpy_activation(ModelConfig(activation=name)) if name in names else None
    if function is None:
        allowed, hint = enumerate_names(names), nearest(name, names)
        raise ConfigError(complaint("--activation", name, "no such choice", allowed, hint))
    if (given.alpha, given.scale) != (ALPHA_01, LAMBDA_01):
        option = "--alpha" if given.alpha != ALPHA_01 else "--lambda"
        raise ConfigError(f"{option}: {name} has none; only --activation selu takes it")
    estimate = moments(function, net)
    slope = jacobian(function, Moments(given.mu, given.nu), given.omega, given.tau)
    return *estimate.moments, slope.matrix, max(estimate.error, slope.error)
