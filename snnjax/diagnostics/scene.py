"""A network at its probe rows: layer by layer what it computes, and what flows back through it."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp

from snnjax.arrays import Arrays
from snnjax.config.split import Program
from snnjax.diagnostics.kernels import Kernel, matrices, weights_of
from snnjax.diagnostics.watcher import Layer, Seen, Watcher
from snnjax.evaluation import gather, spread_rows, used_columns
from snnjax.metrics import average_loss
from snnjax.nn.randomness import Randomness
from snnjax.nn.taps import watching
from snnjax.shapes import Problem
from snnjax.step import Batch, Member, apply, batch_sums, numbers_of, train_step
from snnjax.training import MemberState, pace_of

# Rows of the whole split that are looked at together.
_BLOCK_ROWS = 256


class Scene:
    """One member's network before a fixed batch of rows, in the middle of being traced.

    Args:
        program: The network's.
        problem: The shapes.
        member: Its numbers.
        state: Between two epochs.
        arrays: The data.
        rows: How many rows to look at: of the validation rows, or of the training rows where
            there are none.
    """

    def __init__(
        self,
        program: Program,
        problem: Problem,
        member: Member,
        state: MemberState,
        arrays: Arrays,
        rows: int,
    ) -> None:
        self.program, self.problem, self.member = program, problem, member
        self.state, self.arrays = state, arrays
        self.params = state.train.network.params
        self.split = "validation" if problem.validation_rows else "train"
        self.batch = spread_rows(arrays, self.split, rows)
        self.used = used_columns(problem, arrays.view)

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """What the layers compute, by label."""
        return self._passes[0].layers

    @cached_property
    def gradients(self) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        """Derivatives of each row's own loss by its pre-activations, and by its activations."""
        _, _, flowing = self._passes
        return flowing["preactivation"], flowing["activation"]

    @cached_property
    def weight_gradients(self) -> Any:
        """Derivatives of the mean loss, penalties left out, by the parameters."""
        return self._passes[1]

    @cached_property
    def kernels(self) -> dict[str, Kernel]:
        """The weights of every affine layer, by label."""
        return self.laid_out(weights_of(self.params))

    def laid_out(self, weights: Mapping[str, jax.Array]) -> dict[str, Kernel]:
        """Lay weights of the network's shapes out as matrices, by label."""
        return matrices(weights, self.used, {} if self.used is None else self.layers)

    @cached_property
    def drifts(self) -> list[tuple[jax.Array, jax.Array]]:
        """Of every batch normalisation how far its running moments are from the batch's."""
        return self._passes[0].drifts

    @cached_property
    def next_params(self) -> Any:
        """The parameters after a step of the optimizer on `training.batch_size` of the rows."""
        size = min(self.program.training.batch_size, len(self.batch.mask))
        batch = spread_rows(self.arrays, self.split, size)
        pace = pace_of(self.program, self.problem, self.member, self.state, self.arrays)
        after, _ = train_step(
            self.program, self.problem, self.member, self.state.train, batch, self.used, pace
        )
        return after.network.params

    def never_rising(self, flat: float) -> dict[str, jax.Array]:
        """Tell which units' slopes are within `flat` of 0 on every row of the split.

        Returns:
            By label (units,) bool, of layers whose units have one input.
        """
        first = self.arrays.view.first[self.split]
        count = self.arrays.view.rows[self.split]
        sizes = self.problem.validation_rows or self.problem.train_rows
        size = min(sizes[-1], _BLOCK_ROWS)
        layers = {name: own for name, own in self.layers.items() if own.slope is not None}

        def rise(number: jax.Array, rising: dict[str, jax.Array]) -> dict[str, jax.Array]:
            # The last rows are seen with others before them: moments of few rows mean little.
            begin = jnp.minimum(number * size, jnp.maximum(count - size, 0))
            position = begin + jnp.arange(size)
            rows = self.arrays.table.indices[first + jnp.minimum(position, count - 1)]
            batch = gather(self.arrays, rows, position < count)
            watcher = Watcher()
            self.forward(self.params, batch, watcher, Randomness(None, batch.mask))
            return {
                name: before | _rises(watcher.layers[name], batch.mask, flat)
                for name, before in rising.items()
            }

        none_yet = {
            name: jnp.arange(own.activation.shape[1]) >= own.used for name, own in layers.items()
        }
        rising = jax.lax.fori_loop(0, (count + size - 1) // size, rise, none_yet)
        return {name: ~rising[name] for name in layers}

    def forward(
        self,
        params: Any,
        batch: Batch,
        watcher: Watcher,
        randomness: Randomness | None,
    ) -> jax.Array:
        """Run the network before the eyes of a watcher: (rows, outputs)."""
        network = self.state.train.network._replace(params=params)
        with watching(watcher):
            outputs, _ = apply(
                self.program, self.problem, network, batch.inputs, randomness, self.used
            )
        return outputs

    def losses(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        """Return the sums of a batch as `step.batch_sums` has them, smoothing left out."""
        loss = numbers_of(self.program.loss, "loss", self.member)
        return batch_sums(
            self.program, self.problem, loss, outputs, batch, self.used, is_training=False
        )

    def rows_of(self, x: jax.Array) -> jax.Array:
        """Tell which rows of a layer's values count, where an image has several."""
        return jnp.repeat(self.batch.mask, len(x) // len(self.batch.mask))

    @cached_property
    def _passes(self) -> tuple[Seen, Any, dict[str, dict[str, jax.Array]]]:
        """Forward and backward once, normalising by the batch, nothing dropped.

        What nobody uses of it is not computed: the compiler leaves it out.
        """
        randomness = Randomness(None, self.batch.mask)

        def look(params: Any) -> dict[str, Layer]:
            watcher = Watcher()
            self.forward(params, self.batch, watcher, randomness)
            return watcher.layers

        shapes = jax.eval_shape(look, self.params)
        zeros = {
            kind: {
                name: jnp.zeros(getattr(layer, kind).shape, getattr(layer, kind).dtype)
                for name, layer in shapes.items()
            }
            for kind in ("preactivation", "activation")
        }

        def summed(params: Any, added: Any) -> tuple[jax.Array, Any]:
            watcher = Watcher(added)
            outputs = self.forward(params, self.batch, watcher, randomness)
            sums = self.losses(outputs, self.batch)
            # Of several labels a row's own loss is the mean over labels, like the batch's.
            rows = jnp.maximum(self.batch.mask.sum(), 1)
            return average_loss(sums) * rows, (Seen(watcher.layers, watcher.drifts), rows)

        (_, (seen, rows)), (of_params, flowing) = jax.value_and_grad(summed, (0, 1), has_aux=True)(
            self.params, zeros
        )
        # What went through JAX has its names in the order of the alphabet.
        flowing = {kind: _in_order(arrays) for kind, arrays in flowing.items()}
        seen = seen._replace(layers=_in_order(seen.layers))
        return seen, jax.tree.map(lambda leaf: leaf / rows, of_params), flowing


def _in_order(by_label: Mapping[str, Any]) -> dict[str, Any]:
    return {label: by_label[label] for label in sorted(by_label, key=int)}


def _rises(layer: Layer, mask: jax.Array, flat: float) -> jax.Array:
    """Tell of every unit whether any valid row lies where its activation is not flat."""
    assert layer.slope is not None
    valid = jnp.repeat(mask, len(layer.slope) // len(mask))
    return (valid[:, None] & ~(jnp.abs(layer.slope) <= flat)).any(0)
