"""A network at its probe rows: layer by layer what it computes, and what flows back through it."""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from snnjax.arrays import Arrays
from snnjax.config.split import Program
from snnjax.evaluation import gather, spread_rows, used_columns
from snnjax.metrics import average_loss
from snnjax.nn.linear import of_lengths
from snnjax.nn.padding import Size
from snnjax.nn.randomness import Randomness
from snnjax.nn.taps import Moments, watching
from snnjax.shapes import Problem
from snnjax.step import Batch, Member, apply, batch_sums, numbers_of, train_step
from snnjax.training import MemberState, pace_of

# The points of pre-activations at which an activation's slopes are looked at, and how far they
# may lie apart from 0: within, all activations have their steepest place, or nearly.
_GRID = np.linspace(-8.0, 8.0, 161)

# Rows of the whole split that are looked at together.
_BLOCK_ROWS = 256


class Layer(NamedTuple):
    """What one nonlinearity saw and made; of images every position is a row.

    Attributes:
        preactivation: (rows, columns); of maxout several columns per unit.
        activation: (rows, units).
        slope: (rows, units), derivatives of the activations; None where a unit has several inputs.
        steepest: (units,), the largest slope that each has anywhere; None beside no slopes.
        used: () int32, how many units are not padding.
    """

    preactivation: jax.Array
    activation: jax.Array
    slope: jax.Array | None
    steepest: jax.Array | None
    used: jax.Array


class Kernel(NamedTuple):
    """Weights of an affine layer as a matrix.

    Attributes:
        weights: (fan_in, fan_out).
        rows: (fan_in,) bool, what is not padding.
        columns: (fan_out,) bool, what is not padding.
    """

    weights: jax.Array
    rows: jax.Array
    columns: jax.Array


class Seen(NamedTuple):
    """What a watcher has seen.

    Attributes:
        layers: By label, from the inputs on.
        drifts: Of every batch normalisation: distances of means and of variances.
    """

    layers: dict[str, Layer]
    drifts: list[tuple[jax.Array, jax.Array]]


class Watcher:
    """Keeps what it is shown, and adds to it what is asked for.

    Args:
        added: Per kind (`preactivation`, `activation`, `output`) and layer what is added.
    """

    def __init__(self, added: Mapping[str, Mapping[str, jax.Array]] | None = None) -> None:
        self.layers: dict[str, Layer] = {}
        self.outputs: dict[str, jax.Array] = {}
        self.drifts: list[tuple[jax.Array, jax.Array]] = []
        self._added = added or {}

    def activate(
        self, unit: Callable[[jax.Array], jax.Array], number: int, x: jax.Array, used: Size
    ) -> jax.Array:
        """See `taps.Watcher`."""
        label = str(number)
        x = self._plus("preactivation", label, x)
        y = unit(x)
        slope = steepest = None
        if x.shape == y.shape:
            slope = _slopes(unit, x)
            grid = jnp.broadcast_to(_GRID[:, None].astype(x.dtype), (len(_GRID), x.shape[1]))
            steepest = jnp.abs(_slopes(unit, grid)).max(0)
        y = self._plus("activation", label, y)
        self.layers[label] = Layer(x, y, slope, steepest, jnp.int32(used))
        return y

    def hand_on(self, x: jax.Array) -> jax.Array:
        """See `taps.Watcher`."""
        label = str(len(self.outputs) + 1)
        x = self._plus("output", label, x)
        self.outputs[label] = x
        return x

    def compare(self, batch: Moments, running: Moments) -> None:
        """See `taps.Watcher`; units without variance, such as padding, are left out."""
        (mean, variance), (running_mean, running_variance) = batch, running
        counts = (variance > 0) & (running_variance > 0)
        count = jnp.maximum(counts.sum(), 1)
        safe = jnp.where(counts, running_variance, 1)
        of_means = jnp.where(counts, (mean - running_mean) ** 2 / safe, 0).sum() / count
        ratios = jnp.log(jnp.where(counts, variance, 1) / safe)
        self.drifts.append((of_means, jnp.where(counts, ratios**2, 0).sum() / count))

    def _plus(self, kind: str, label: str, x: jax.Array) -> jax.Array:
        added = self._added.get(kind, {}).get(label)
        return x if added is None else x + added.reshape(x.shape).astype(x.dtype)


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
        return matrices(self, weights_of(self.params))

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


def weights_of(params: Any) -> dict[str, jax.Array]:
    """Return the weights of a network's affine layers by label, from the inputs on.

    Labels are the places `1`, `2`, ... of the layers in the network, `output`, and for what is
    none of these, such as gates, the path of the parameter.
    """
    return {label: weights for label, (weights, _) in _find(params).items()}


def trained_weights_of(params: Any) -> dict[str, jax.Array]:
    """Return of the same layers what is trained: of normalised weights their direction."""
    return {label: trained for label, (_, trained) in _find(params).items()}


def matrices(scene: Scene, weights: Mapping[str, jax.Array]) -> dict[str, Kernel]:
    """Lay weights out as matrices, with what of them is not padding."""
    return {label: _matrix(scene, label, array) for label, array in weights.items()}


def _matrix(scene: Scene, label: str, weights: jax.Array) -> Kernel:
    matrix = weights.reshape(-1, weights.shape[-1])
    fan_in, fan_out = matrix.shape
    used_in: Any = fan_in
    used_out: Any = fan_out
    if scene.used is not None:  # of networks that can be padded, whose kernels are matrices
        if label == "1":
            used_in = scene.used.features
        elif label.isdigit():
            used_in = scene.layers[str(int(label) - 1)].used
        if label == "output":
            used_out = scene.used.outputs
            used_in = list(scene.layers.values())[-1].used if scene.layers else fan_in
        elif label in scene.layers and scene.layers[label].activation.shape[1] == fan_out:
            used_out = scene.layers[label].used
    return Kernel(matrix, jnp.arange(fan_in) < used_in, jnp.arange(fan_out) < used_out)


def _find(params: Any) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Return weights, and what of them is trained, by label."""
    found: dict[str, tuple[jax.Array, jax.Array]] = {}
    places = 0
    for path, layer in sorted(_affine(params, ()), key=lambda item: _natural(item[0])):
        if path[0] == "output":
            label = "output"
        elif path[-1] == "linear":
            places += 1
            label = str(places)
        else:
            label = ".".join(path)
        if "direction" in layer:
            weights = of_lengths(layer["direction"], layer["length"])
            found[label] = weights, layer["direction"]
        else:
            found[label] = layer["kernel"], layer["kernel"]
    return found


def _affine(tree: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    """Find the affine layers in a tree of parameters."""
    if not isinstance(tree, Mapping):
        return []
    if "kernel" in tree or "direction" in tree:
        return [(path, tree)]
    return [found for name, own in tree.items() for found in _affine(own, (*path, str(name)))]


def _natural(path: tuple[str, ...]) -> tuple[tuple[Any, ...], ...]:
    """Return what sorts paths as they lie in a network: numbers by size, the output layer last."""
    parts = re.split(r"(\d+)", ".".join(path))
    numbered = ((part.isdigit(), int(part) if part.isdigit() else part) for part in parts)
    return ((path[0] == "output",), tuple(numbered))


def _in_order(by_label: Mapping[str, Any]) -> dict[str, Any]:
    return {label: by_label[label] for label in sorted(by_label, key=int)}


def _slopes(unit: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """Return the derivative of an elementwise function at every x."""
    y, pullback = jax.vjp(unit, x)
    return pullback(jnp.ones_like(y))[0]


def _rises(layer: Layer, mask: jax.Array, flat: float) -> jax.Array:
    """Tell of every unit whether any valid row lies where its activation rises or falls."""
    assert layer.slope is not None
    valid = jnp.repeat(mask, len(layer.slope) // len(mask))
    return (valid[:, None] & (jnp.abs(layer.slope) > flat)).any(0)
