"""What the state of a member looks like, without computing one."""

from typing import TYPE_CHECKING, Any

import numpy as np

from snnjax.config.split import Member, Program
from snnjax.data.dataset import SPLITS, Dataset

if TYPE_CHECKING:
    from snnjax.shapes import Problem
    from snnjax.training import MemberState


def template_of(program: Program, problem: "Problem", member: Member) -> "MemberState":
    """Return the shapes and types of a member's state.

    Args:
        program: The member's.
        problem: The shapes that its network is made for.
        member: Its numbers.
    """
    import jax

    from snnjax import training
    from snnjax.arrays import Arrays, lay_out
    from snnjax.nn.products import types_of

    layout = lay_out(_of_zeros(problem))
    arrays = Arrays(layout.table, layout.views[0])
    with types_of(program.training.precision):
        # What differs between members is part of a state only where it is traced.
        def begin(member: Any, arrays: Arrays) -> "MemberState":
            return training.start(program, problem, member, arrays)

        template: MemberState = jax.eval_shape(begin, member, arrays)
    return template


def _of_zeros(problem: "Problem") -> Dataset:
    """Return a data set of some rows with the shapes of a problem."""
    count = 2 * len(SPLITS)
    by_row = () if problem.task == "classification" else (problem.outputs,)
    kind: type[np.generic] = np.int32 if problem.task == "classification" else np.float32
    return Dataset(
        name="zeros",
        task=problem.task,
        features=np.zeros((count, problem.features), np.float32),
        targets=np.zeros((count, *by_row), kind),
        outputs=problem.outputs,
        rows={split: np.arange(2 * n, 2 * n + 2, dtype=np.int32) for n, split in enumerate(SPLITS)},
        shift=np.zeros(problem.features, np.float32),
        scale=np.ones(problem.features, np.float32),
        target_shift=np.zeros(problem.outputs),
        target_scale=np.ones(problem.outputs),
        sha256="",
    )
