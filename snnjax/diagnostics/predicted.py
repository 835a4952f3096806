"""What the theory says of a measured layer: the moment map, and the fixed point. NumPy only."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnjax.config.schema import ModelConfig
from snnjax.theory.depth.network import is_perceptron
from snnjax.theory.fixed_points.points import stable_fixed_point
from snnjax.theory.moments.activations import activation_moments
from snnjax.theory.moments.moment_map import Moments

Arrays = Mapping[str, NDArray[Any]]


def predicted(model: ModelConfig, look: Arrays) -> dict[str, NDArray[Any]]:
    """Return mean and variance that the moment map gives each layer, and their fixed point.

    From the measured moments of the layer below, and from sum and sum of squares of the weights
    of the layer's own units: net inputs are taken as normal, of all units together, and biases are
    left out (Klambauer et al. 2017, section 2). Nothing for networks that normalise, that are no
    chain of layers or have none, or where `theory` was not measured.
    """
    is_chain = is_perceptron(model) and model.norm == "none"
    if not (is_chain and "input_mean" in look and "activation_mean" in look):
        return {}
    means = [float(look["input_mean"]), *look["activation_mean"].tolist()]
    variances = [float(look["input_variance"]), *look["activation_variance"].tolist()]
    found = [
        _layer(model, Moments(means[place], variances[place]), omega, tau)
        for place, (omega, tau) in enumerate(zip(look["omega"], look["tau"], strict=True))
    ]
    mean, variance = np.array(found, np.float32).reshape(-1, 2).T
    fixed = _fixed_point(model)
    return {
        "predicted_mean": mean,
        "predicted_variance": variance,
        "fixed_mean": np.array(fixed.mean, np.float32),
        "fixed_variance": np.array(fixed.variance, np.float32),
    }


def _layer(
    model: ModelConfig, below: Moments, omega: NDArray[Any], tau: NDArray[Any]
) -> tuple[float, float]:
    omega, tau = (own[np.isfinite(own)].astype(np.float64) for own in (omega, tau))
    if not (len(omega) and math.isfinite(below.mean + below.variance)):
        return math.nan, math.nan
    variance = float(tau.mean()) * below.variance + float(omega.var()) * below.mean**2
    try:
        moments = activation_moments(model, Moments(float(omega.mean()) * below.mean, variance))
    except ValueError:  # overflown
        moments = None
    return (math.nan, math.nan) if moments is None else (moments.mean, moments.variance)


@lru_cache
def _fixed_point(model: ModelConfig) -> Moments:
    """Return the fixed point of weights with omega 0 and tau 1; NaN of what is not SELU."""
    if model.activation != "selu":
        return Moments(math.nan, math.nan)
    try:
        point = stable_fixed_point(0.0, 1.0, model.selu_alpha, model.selu_lambda)
    except ValueError:  # these constants have none
        return Moments(math.nan, math.nan)
    return Moments(point.mean, point.variance)
