"""Small networks to look into: one member, its data and its state, and what a scene shows of it."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from conftest import make_dataset

from snnjax import training
from snnjax.arrays import Arrays, lay_out
from snnjax.compilation import _CPU_OPTIONS
from snnjax.config.schema import Config, ModelConfig, TrainingConfig
from snnjax.config.split import Program, split
from snnjax.data.dataset import Dataset
from snnjax.diagnostics.scene import Scene
from snnjax.shapes import Problem
from snnjax.training import MemberState

DATA = make_dataset()


def quickly(function: Any, *arguments: Any) -> Any:
    """Compile and call a function; its results as arrays of the host."""
    found = jax.jit(function, compiler_options=_CPU_OPTIONS)(*arguments)
    return jax.tree.map(np.asarray, found)


@dataclass(frozen=True)
class Stage:
    """A member, ready to be looked at.

    Attributes:
        data: Its data set.
        program: Its program.
        member: Its numbers.
        problem: Its shapes.
        arrays: Its data on the device.
        state: Where it stands.
    """

    data: Dataset
    program: Program
    member: Any
    problem: Problem
    arrays: Arrays
    state: MemberState

    @property
    def params(self) -> Any:
        """The parameters, on the host."""
        return jax.tree.map(np.asarray, self.state.train.network.params)

    def with_params(self, params: Any) -> "Stage":
        """Return the same with other parameters."""
        network = self.state.train.network._replace(params=params)
        train = self.state.train._replace(network=network)
        return replace(self, state=self.state._replace(train=train))

    def scene(self, state: MemberState, rows: int = 64) -> Scene:
        """Return a scene of a traced state."""
        return Scene(self.program, self.problem, self.member, state, self.arrays, rows)

    def see(self, function: Any, rows: int = 64) -> Any:
        """Return what a function makes of the scene, compiled, as arrays of the host."""
        return quickly(lambda state: function(self.scene(state, rows)), self.state)

    def rows(self, split_name: str = "validation") -> tuple[Any, Any]:
        """Return inputs and targets of a split."""
        rows = self.data.rows[split_name]
        return self.data.features[rows], self.data.targets[rows]


def set_up(config: Config, data: Dataset = DATA, *, moved: float = 0.3) -> Stage:
    """Draw a network and move all of it a little, so that nothing is 0 that need not be.

    Args:
        config: The run.
        data: Its data.
        moved: The deviation of what is added to every parameter.
    """
    program, member = split(config)
    layout = lay_out(data)
    arrays = Arrays(layout.table, layout.views[0])
    member = jax.tree.map(jnp.asarray, member)
    state = training.start(program, layout.problem, member, arrays)
    stage = Stage(data, program, member, layout.problem, arrays, state)
    random = np.random.default_rng(3)

    def move(leaf: Any) -> Any:
        return leaf + moved * random.normal(size=leaf.shape).astype(leaf.dtype)

    return stage.with_params(jax.tree.map(move, stage.params))


def plain(**choices: Any) -> Config:
    """Return the configuration of a small network without dropout."""
    model = {"depth": 2, "width": 12, "dropout": 0.0} | choices
    return Config(model=ModelConfig(**model), training=TrainingConfig(batch_size=32, epochs=4))
