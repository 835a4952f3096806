"""Why gradients vanish through sigmoids: the factors w sigmoid'(w x + b) of the chain rule.

The slope of the sigmoid is at most 1/4, so that a factor exceeds 1 only for |w| > 4, and then only
for x in an interval that is never wider than about 0.45.
"""

import math
from typing import NamedTuple

STEEPEST = 0.25
"""The largest slope of the sigmoid, at 0."""

LEAST_WEIGHT = 1 / STEEPEST
"""What |w| must exceed for a factor above 1."""


class Interval(NamedTuple):
    """Where an input makes a factor exceed 1: the open interval from `low` to `high`."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """How wide it is."""
        return self.high - self.low


def factor(x: float, weight: float, bias: float = 0.0) -> float:
    """Return w sigmoid'(w x + b), the derivative of a unit by its input."""
    fallen = math.exp(-abs(weight * x + bias))
    return weight * fallen / (1 + fallen) ** 2


def exceeding(weight: float, bias: float = 0.0) -> Interval | None:
    """Return where the absolute factor exceeds 1, None for weights of at most 4.

    sigmoid'(z) = (1 - tanh(z / 2)^2) / 4 is above 1 / |w| for |z| < 2 artanh(sqrt(1 - 4 / |w|)).

    Raises:
        ValueError: A number is not finite.
    """
    if not (math.isfinite(weight) and math.isfinite(bias)):
        raise ValueError(f"weight={weight:g} and bias={bias:g} must be finite")
    size = abs(weight)
    if size <= LEAST_WEIGHT:
        return None
    # artanh(sqrt(1 - r)) = log((1 + sqrt(1 - r)) / sqrt(r)), in which nothing cancels.
    ratio = LEAST_WEIGHT / size
    reach = 2 * math.log((1 + math.sqrt(1 - ratio)) / math.sqrt(ratio))
    centre = -bias / weight
    return Interval(centre - reach / size, centre + reach / size)


def widest() -> tuple[float, float]:
    """Return the |w| whose interval is the widest, and that width, whatever the bias.

    With u = sqrt(1 - 4 / |w|) the width is (1 - u^2) artanh(u), largest where 2 u artanh(u) = 1.
    """
    from scipy.optimize import brentq

    u = float(brentq(lambda u: 2 * u * math.atanh(u) - 1, 0.1, 0.9, xtol=1e-15, rtol=1e-15))
    return LEAST_WEIGHT / (1 - u**2), (1 - u**2) * math.atanh(u)
