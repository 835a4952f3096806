"""Singular values of Jacobians: of each layer, and of the whole network.

Small ones are computed whole. Of large ones Golub-Kahan-Lanczos bidiagonalisation, which only
multiplies by the Jacobian and its transpose, gives the extremes and by quadrature the mean (Golub
& Meurant 2010, chapters 3 and 7).
"""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from snnjax import decompositions
from snnjax.diagnostics.measures import Measured
from snnjax.diagnostics.scene import Scene
from snnjax.diagnostics.watcher import Watcher
from snnjax.evaluation import spread_rows
from snnjax.nn.padding import Size, clear

# Rows whose Jacobians are averaged, and the most outputs of one that is computed whole.
_ROWS, _WHOLE = 8, 64

# Steps and random beginnings of an iteration: the largest value is found to a few thousandths, the
# mean to about a hundredth; the smallest of so few steps is an upper bound.
_STEPS, _STARTS = 24, 4

# A vector of this part of the largest value is nothing but rounding.
_ROUNDING = 1e-6

Map = Callable[[jax.Array], jax.Array]


def jacobians(scene: Scene) -> Measured:
    """Smallest, mean and largest singular value of the Jacobians at a few rows, averaged.

    Of each layer by what the one before hands on, and of the logits or predictions by the inputs,
    normalised by running moments and nothing dropped, as in evaluation.
    """
    batch = spread_rows(scene.arrays, scene.split, min(_ROWS, len(scene.batch.mask)))
    watcher = Watcher()
    logits = scene.forward(scene.params, batch, watcher, None)
    outputs = list(watcher.outputs.values())

    def whole(inputs: jax.Array) -> jax.Array:
        result = scene.forward(scene.params, batch._replace(inputs=inputs), Watcher(), None)
        # Logits of classes that are padding are -inf, of which there are no derivatives.
        return jnp.where(jnp.isfinite(result), result, 0)

    def layer(place: int, x: jax.Array) -> jax.Array:
        """Return what layer `place` hands on, had the one before handed on `x` more."""
        label = str(place + 1)
        if place == 0:
            shown = Watcher()
            scene.forward(scene.params, batch._replace(inputs=x), shown, None)
        else:
            shown = Watcher({"output": {str(place): x}})
            scene.forward(scene.params, batch, shown, None)
        return shown.outputs[label]

    inside = [batch.inputs, *(jnp.zeros_like(own) for own in outputs)][: len(outputs)]
    sizes = _used_sizes(scene, outputs)
    layers = [
        singular_values(partial(layer, place), x, own, batch.mask, sizes[place : place + 2])
        for place, (x, own) in enumerate(zip(inside, outputs, strict=True))
    ]
    ends = (sizes[0], logits.shape[1] if scene.used is None else scene.used.outputs)
    measured = {"whole_singular": singular_values(whole, batch.inputs, logits, batch.mask, ends)}
    return measured | ({"layer_singular": jnp.stack(layers)} if layers else {})


def _used_sizes(scene: Scene, outputs: Sequence[jax.Array]) -> list[Size]:
    """Return how many entries of a row are not padding, of the inputs and what layers hand on."""
    sizes: list[Size] = [scene.batch.inputs.shape[1], *(own[0].size for own in outputs)]
    if scene.used is not None:
        sizes[0] = scene.used.features
        for place, own in enumerate(outputs, 1):
            layer = scene.layers.get(str(place))
            if layer is not None and layer.activation.shape[1] == own.shape[1]:
                sizes[place] = layer.used
    return sizes


def singular_values(
    function: Map,
    x: jax.Array,
    y: jax.Array,
    mask: jax.Array,
    used: Sequence[Size],
    *,
    most_whole: int = _WHOLE,
) -> jax.Array:
    """Return the smallest, mean and largest singular value of a function's Jacobians, (3,).

    Each is the mean over the rows that count; values that are 0 by padding are left out.

    Args:
        function: Maps rows to rows, none of which depends on another.
        x: (rows, ...), where it is differentiated.
        y: (rows, ...), of the shape of its result.
        mask: (rows,) bool, the rows that count.
        used: How many entries of rows of `x` and `y` are not padding.
        most_whole: The most entries of a row of `y` for which Jacobians are computed whole.
    """
    rows, inputs, outputs = len(x), x[0].size, y[0].size
    _, pullback = jax.vjp(function, x)

    def transposed(u: jax.Array) -> jax.Array:
        """Multiply (rows, outputs) by the transposed Jacobians: (rows, inputs)."""
        return pullback(u.reshape(y.shape).astype(y.dtype))[0].reshape(rows, inputs)

    if outputs <= most_whole:
        each = jax.vmap(lambda row: transposed(jnp.broadcast_to(row, (rows, outputs))))
        matrices = each(jnp.eye(outputs)).transpose(1, 0, 2)
        values = _of_matrices(matrices, used)
    else:
        # The transpose of the transpose: derivatives written out for one direction have no other.
        _, forward = jax.vjp(transposed, jnp.zeros((rows, outputs), x.dtype))
        values = _iterated(lambda v: forward(v)[0], transposed, (rows, inputs, outputs), used)
    return jnp.where(mask[:, None], values, 0).sum(0) / mask.sum()


def _of_matrices(matrices: jax.Array, used: Sequence[Size]) -> jax.Array:
    """Return smallest, mean and largest singular value of matrices, (rows, 3), padding left out."""
    values = jax.vmap(decompositions.singular_values)(matrices)
    count = jnp.minimum(*used)  # what is padding is exactly 0, and the values are in order
    smallest = jnp.take(values, count - 1, axis=1)
    return jnp.stack([smallest, values.sum(1) / count, values[:, 0]], axis=1)


def _iterated(
    forward: Map, transposed: Map, shape: tuple[int, int, int], used: Sequence[Size]
) -> jax.Array:
    """Estimate what `_of_matrices` computes by products with (rows, outputs, inputs)."""
    rows, inputs, outputs = shape
    steps = min(_STEPS, inputs, outputs)
    # On the shorter side no vector is sent to 0 by the shape alone.
    if inputs <= outputs:
        size, own, there, back, longer = inputs, used[0], forward, transposed, outputs
    else:
        size, own, there, back, longer = outputs, used[1], transposed, forward, inputs
    share = own / jnp.minimum(*used)

    def one(key: jax.Array) -> jax.Array:
        start = clear(jax.random.normal(key, (rows, size)), own, 1)
        alphas, betas, taken = _bidiagonal(there, back, start, longer, steps)
        scale = jnp.maximum(alphas.max(1), jnp.finfo(alphas.dtype).tiny)
        diagonal, above = alphas / scale[:, None], betas / scale[:, None]
        bidiagonal = jax.vmap(jnp.diag)(diagonal) + jax.vmap(lambda b: jnp.diag(b, 1))(above)
        _, values, vectors = jax.vmap(decompositions.svd)(bidiagonal)
        mean = (vectors[:, :, 0] ** 2 * values).sum(1) * share
        # What was not taken is 0, and the values are in order; padding leads to no more steps.
        last = jnp.minimum(taken, jnp.minimum(*used)) - 1
        smallest = jnp.take_along_axis(values, last[:, None], 1)[:, 0]
        return jnp.stack([smallest, mean, values[:, 0]], axis=1) * scale[:, None]

    every = jax.lax.map(one, jax.random.split(jax.random.key(0), _STARTS))
    return jnp.stack([every[:, :, 0].min(0), every[:, :, 1].mean(0), every[:, :, 2].max(0)], axis=1)


def _bidiagonal(
    forward: Map, transposed: Map, start: jax.Array, longer: int, steps: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Reduce matrices to upper bidiagonal form, as far as `steps`, every row its own matrix.

    All vectors are kept orthogonal to all before them, twice, as rounding demands. Where nothing
    but rounding is left, the steps before have said all that this start can say.

    Returns:
        The diagonals (rows, steps), what lies above them (rows, steps - 1), and how many of the
        steps were taken, (rows,).
    """
    rows, size = start.shape
    rights = jnp.zeros((rows, steps, size)).at[:, 0].set(_unit(start, jnp.zeros(rows))[0])
    lefts = jnp.zeros((rows, steps, longer))

    def step(number: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        rights, lefts, alphas, betas, taken = carry
        taken = taken + (rights[:, number] != 0).any(1)
        nothing = _ROUNDING * jnp.maximum(alphas.max(1), betas.max(1))
        left, alpha = _unit(_apart(forward(rights[:, number]), lefts), nothing)
        lefts, alphas = lefts.at[:, number].set(left), alphas.at[:, number].set(alpha)
        nothing = jnp.maximum(nothing, _ROUNDING * alpha)
        right, beta = _unit(_apart(transposed(left), rights), nothing)
        # What would follow the last is dropped.
        rights = rights.at[:, number + 1].set(right, mode="drop")
        return rights, lefts, alphas, betas.at[:, number].set(beta), taken

    zeros = jnp.zeros((rows, steps))
    carry = rights, lefts, zeros, zeros, jnp.zeros(rows, jnp.int32)
    *_, alphas, betas, taken = jax.lax.fori_loop(0, steps, step, carry)
    return alphas, betas[:, :-1], taken


def _apart(x: jax.Array, others: jax.Array) -> jax.Array:
    """Subtract from vectors (rows, n) what lies along the others, (rows, count, n)."""
    for _ in range(2):
        along = jnp.einsum("rcn,rn->rc", others, x)
        x = x - jnp.einsum("rcn,rc->rn", others, along)
    return x


def _unit(x: jax.Array, nothing: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return vectors of length 1 and their lengths; zeros of those not longer than `nothing`.

    Squares of what is very small would be 0.
    """
    largest = jnp.abs(x).max(1)
    safe = jnp.where(largest > 0, largest, 1)
    x = x / safe[:, None]
    length = jnp.sqrt((x**2).sum(1))
    is_something = (largest > 0) & (length * safe > nothing)
    unit = jnp.where(is_something[:, None], x / jnp.maximum(length, 1)[:, None], 0)
    return unit, jnp.where(is_something, length * safe, 0)
