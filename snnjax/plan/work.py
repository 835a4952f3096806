"""What training a run takes, counted: FLOPs and everything else that costs time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from snnjax.config.optimization import OptimizerConfig
from snnjax.config.split import IN_MEMBER, Program
from snnjax.data.dataset import SPLITS, Dataset
from snnjax.evaluation import block_sizes
from snnjax.optim.optimizers import make_optimizer
from snnjax.plan.networks import Network, network_of
from snnjax.shapes import Problem

KNOTS = (8, 32, 128, 512, 1024)
"""Values of fan_in at which a machine's FLOP/s are known; those between follow from two."""

PER_DISPATCH = ("epochs", "steps", "layer_steps")
"""What members in lockstep take once."""

SIZES = (2**16, 2**20)
"""Weights of a matrix for which it is known how long a step takes to update one: those of small
matrices are in a core's cache when they are updated."""

PER_MEMBER = (
    *("rows", "inputs"),
    *(f"updates_{size}" for size in SIZES),
    *(f"flops_{knot}" for knot in KNOTS),
)
"""What each member takes for itself."""

FEATURES = (*PER_DISPATCH, *PER_MEMBER)
"""What time is made of: epochs; optimizer steps; those times matrices; rows and numbers gathered;
weights updated by the size of the matrix, an SGD with momentum as the unit; FLOPs by the fan_in of
the matrix."""

_UPDATED = 3  # arrays that a step of SGD with momentum goes through
_ANY = 0.5  # stands for a member's number: inside every range


@dataclass(frozen=True)
class Work:
    """What a run takes, in units of `FEATURES`, and its FLOPs.

    Attributes:
        amounts: (features,).
        training: FLOPs of all steps.
        evaluation: FLOPs of evaluating every epoch, and every split at the end.
    """

    amounts: NDArray[np.float64]
    training: float
    evaluation: float


def work_of(
    program: Program, problem: Problem, data: Dataset, epochs: int, *, scored: bool = True
) -> Work:
    """Count what one run takes that trains for so many epochs.

    Args:
        program: What is compiled.
        problem: The shapes that it is compiled for: padding is computed as well.
        data: The run's own data set, of which only shapes count.
        epochs: As many as it may take; those it does not reach are not known before.
        scored: Whether every split is evaluated at the end.
    """
    network = network_of(program, problem)
    batch = min(program.training.batch_size, problem.train_rows[-1])
    steps = epochs * -(-data.epoch_rows // batch)
    evaluated = epochs * _evaluated(problem, data, "validation")
    evaluated += sum(_evaluated(problem, data, split) for split in SPLITS if scored)
    per_step, per_row = _flops(program, problem)
    flops_of_training, flops_of_evaluation = steps * batch * per_step, evaluated * per_row
    rows = steps * batch + evaluated
    amounts = np.array(
        [
            epochs,
            steps,
            steps * network.layers,
            rows,
            rows * problem.features,
            *(steps * (2 + optimizer_slots(program.optimizer)) / _UPDATED * _updates(network)),
            *(flops_of_training + flops_of_evaluation),
        ],
        np.float64,
    )
    return Work(amounts, float(flops_of_training.sum()), float(flops_of_evaluation.sum()))


def shares_of_knots(fan_in: int) -> NDArray[np.float64]:
    """Return (knots,) by how much the time per FLOP at a fan_in is that at each of the knots.

    It is linear in the logarithm of the fan_in, and constant beyond the last knots.
    """
    return _shares(fan_in, KNOTS)


def _shares(value: float, knots: Sequence[int]) -> NDArray[np.float64]:
    logs = np.log2(np.array(knots, np.float64))
    return np.array([np.interp(np.log2(value), logs, row) for row in np.eye(len(knots))])


@lru_cache(maxsize=1000)
def optimizer_slots(optimizer: OptimizerConfig) -> float:
    """Return how many numbers an optimizer keeps for each parameter.

    Args:
        optimizer: As a program has it.
    """
    shape = (64, 64)

    def value(name: str) -> Any:
        number = IN_MEMBER if name.startswith("arguments.") else getattr(optimizer, name)
        return _ANY if number is IN_MEMBER else number

    def begin() -> Any:
        return make_optimizer(optimizer, value).init({"kernel": jnp.zeros(shape)})

    kept = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(begin)))
    return float(kept // np.prod(shape))


@lru_cache(maxsize=10_000)
def _flops(program: Program, problem: Problem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (knots,) FLOPs of a row in a training step, and of one that is evaluated."""
    network = network_of(program, problem)
    return _at_knots(network.training()), _at_knots(network.forward())


def _updates(network: Network) -> NDArray[np.float64]:
    """Return (sizes,) the weights of a network by the sizes of its matrices."""
    weights = [m.fan_in * m.columns for m in network.matrices]
    return np.sum([size * _shares(size, SIZES) for size in weights], axis=0)


def _at_knots(flops: Mapping[int, int]) -> NDArray[np.float64]:
    shares = (shares_of_knots(fan_in) * own for fan_in, own in flops.items())
    return np.sum([*shares], axis=0)


def _evaluated(problem: Problem, data: Dataset, split: str) -> int:
    """Return how many rows are computed where those of a split are evaluated, by blocks."""
    count = len(data.rows[split])
    if not count:
        return 0
    whole, rest = block_sizes(problem, max(count, 1))
    full, left = divmod(count, whole)
    return full * whole + (-(-left // rest) * rest if left else 0)


def total(works: Sequence[tuple[Work, int]], lanes: int = 1) -> NDArray[np.float64]:
    """Return (features,) what members take together that are computed in lockstep by `lanes`.

    Args:
        works: What members take, and how many take it.
        lanes: 1 for members that take turns.
    """
    amounts, counts = np.stack([work.amounts for work, _ in works]), [count for _, count in works]
    whole: NDArray[np.float64] = (amounts * np.array(counts)[:, None]).sum(0)
    if lanes > 1:
        alone = np.repeat(amounts[:, : len(PER_DISPATCH)], counts, axis=0)
        groups = [alone[n : n + lanes].max(0) for n in range(0, len(alone), lanes)]
        whole[: len(PER_DISPATCH)] = np.sum(groups, axis=0)
    return whole
