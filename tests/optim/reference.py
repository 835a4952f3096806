"""Training in float64 that shares no code with the package: PyTorch's, or formulas written out."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

Tensor = torch.Tensor
# From a parameter, its gradient, its own state and the number of the step, 1 first.
Formula = Callable[[Tensor, Tensor, dict[str, Any], int], Tensor]


class Written:
    """An optimizer that applies a formula to every parameter."""

    def __init__(self, params: Sequence[Tensor], formula: Formula) -> None:
        self.params, self.formula, self.count = params, formula, 0
        self.states: list[dict[str, Any]] = [{} for _ in params]

    def step(self) -> None:
        self.count += 1
        with torch.no_grad():
            for param, state in zip(self.params, self.states, strict=True):
                param.copy_(self.formula(param, param.grad, state, self.count))


class Keras:
    """An optimizer of Keras on the torch backend, which keeps variables of its own."""

    def __init__(self, params: Sequence[Tensor], name: str, **numbers: Any) -> None:
        os.environ.setdefault("KERAS_BACKEND", "torch")
        keras: Any = pytest.importorskip("keras", reason="Keras is an oracle, an extra")
        if keras.config.backend() != "torch":
            pytest.skip("Keras has been imported with another backend")
        values = [param.detach().numpy() for param in params]
        self.params = params
        self.variables = [keras.Variable(value, dtype="float64") for value in values]
        self.optimizer = getattr(keras.optimizers, name)(**numbers)
        self.optimizer.build(self.variables)

    def step(self) -> None:
        with torch.no_grad():
            self.optimizer.apply([param.grad for param in self.params], self.variables)
            for param, variable in zip(self.params, self.variables, strict=True):
                param.copy_(variable.value)


def keras_max_norm(params: Sequence[Tensor], radius: float) -> None:
    """Project kernels as `keras.constraints.MaxNorm` does."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    constraints: Any = pytest.importorskip("keras", reason="Keras is an oracle").constraints
    constraint = constraints.MaxNorm(radius, axis=0)
    for param in params:
        if param.ndim == 2:
            param.data.copy_(constraint(param.detach()))


def keras(name: str, **numbers: Any) -> Callable[..., Keras]:
    return lambda params: Keras(params, name, **numbers)


def written(formula: Callable[..., Formula], **numbers: float) -> Callable[..., Written]:
    return lambda params: Written(params, formula(**numbers))


def average(state: dict[str, Any], name: str, new: Any, factor: float) -> Any:
    """Move an exponential average in `state`, which begins at 0."""
    state[name] = factor * state.get(name, 0.0) + (1 - factor) * new
    return state[name]


def adagrad(rate: float, start: float, eps: float) -> Formula:
    def formula(p: Tensor, g: Tensor, state: dict[str, Any], t: int) -> Tensor:
        state["sum"] = state.get("sum", start) + g * g
        return p - rate * g / torch.sqrt(state["sum"] + eps)

    return formula


def rmsprop(rate: float, decay: float, eps: float, centered: bool, momentum: float) -> Formula:
    """RMSProp with epsilon below the root."""

    def formula(p: Tensor, g: Tensor, state: dict[str, Any], t: int) -> Tensor:
        square = average(state, "square", g * g, decay)
        mean = average(state, "mean", g, decay)
        variance = square - mean * mean if centered else square
        velocity = momentum * state.get("velocity", 0.0) + g / torch.sqrt(variance + eps)
        state["velocity"] = velocity
        return p - rate * velocity

    return formula


def nadam(rate: float, b1: float, b2: float, eps: float) -> Formula:
    """Dozat (2016), Algorithm 2, with a constant momentum."""

    def formula(p: Tensor, g: Tensor, state: dict[str, Any], t: int) -> Tensor:
        m, n = average(state, "m", g, b1), average(state, "n", g * g, b2)
        ahead = b1 * m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
        return p - rate * ahead / (torch.sqrt(n / (1 - b2**t)) + eps)

    return formula


def lion(rate: float, b1: float, b2: float, decay: float) -> Formula:
    """Chen et al. (2023), Algorithm 2."""

    def formula(p: Tensor, g: Tensor, state: dict[str, Any], t: int) -> Tensor:
        before = state.get("m", torch.zeros_like(g))
        average(state, "m", g, b2)
        return p - rate * (torch.sign(b1 * before + (1 - b1) * g) + decay * p)

    return formula


def muon(
    rate: float, beta: float, eps: float, decay: float, b1: float, b2: float, nesterov: bool
) -> Formula:
    """Muon with bias-corrected momentum for kernels, Adam for biases."""

    def formula(p: Tensor, g: Tensor, state: dict[str, Any], t: int) -> Tensor:
        if p.ndim == 1:
            m, n = average(state, "m", g, b1), average(state, "n", g * g, b2)
            first = b1 * m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
            first = first if nesterov else m / (1 - b1**t)
            return p - rate * first / (torch.sqrt(n / (1 - b2**t)) + eps)
        m = average(state, "m", g, beta)
        if nesterov:
            first = beta * m / (1 - beta ** (t + 1)) + (1 - beta) * g / (1 - beta**t)
        else:
            first = m / (1 - beta**t)
        scale = math.sqrt(max(1, p.shape[1] / p.shape[0]))
        return p - rate * (scale * orthogonal(first, eps) + decay * p)

    return formula


def orthogonal(x: Tensor, eps: float) -> Tensor:
    """Five steps of the quintic Newton-Schulz iteration (Jordan et al. 2024)."""
    if x.shape[0] > x.shape[1]:
        return orthogonal(x.T, eps).T
    x = x / (torch.linalg.norm(x) + eps)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return x


def clip_units(params: Sequence[Tensor], limit: float) -> None:
    """Adaptive gradient clipping (Brock et al. 2021, Eq. 3): by unit; a bias vector is one."""
    for param in params:
        axes = tuple(range(max(1, param.ndim - 1)))
        of_gradient = torch.sqrt((param.grad**2).sum(axes, keepdim=True))
        of_weights = torch.sqrt((param.detach() ** 2).sum(axes, keepdim=True))
        most = limit * torch.clamp(of_weights, min=1e-3)
        factor = torch.where(of_gradient > most, most / of_gradient, 1.0)
        param.grad.mul_(factor)


def clip_layers(params: Sequence[Tensor], limit: float) -> None:
    for param in params:
        torch.nn.utils.clip_grad_norm_([param], limit)


def shrink(params: Sequence[Tensor], before: Sequence[Tensor], factor: float) -> None:
    """Take a share of the kernels before the step off the kernels after it."""
    for param, old in zip(params, before, strict=True):
        if param.ndim == 2:
            param.data -= factor * old


def project(params: Sequence[Tensor], radius: float) -> None:
    """Shorten every column of every kernel that is longer than the radius."""
    for param in params:
        if param.ndim == 2:
            for column in param.data.T:
                column *= min(1.0, radius / float(torch.linalg.norm(column)))
