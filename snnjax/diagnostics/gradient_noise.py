"""How noisy gradients are: the batch size from which larger batches pay less and less."""

from typing import Any

import jax
import jax.numpy as jnp

from snnjax.diagnostics.measures import Measured
from snnjax.diagnostics.scene import Scene
from snnjax.diagnostics.watcher import Watcher
from snnjax.metrics import average_loss
from snnjax.nn.randomness import Randomness

# The probe rows are divided into so many small batches; fewer where there are fewer rows.
_PARTS = 10


def noise(scene: Scene) -> Measured:
    """The simple gradient noise scale tr(Sigma) / |G|^2 in rows, and both parts of it.

    McCandlish et al. 2018, Eqs. 2.9 and A.2: unbiased estimates of both from the squared lengths of
    gradients of small batches and of all rows together. An estimate of |G|^2 may be negative where
    there is little but noise; the scale is then NaN.
    """
    batch, rows = scene.batch, len(scene.batch.mask)
    size = -(-rows // _PARTS)

    def gradient(params: object, number: jax.Array) -> tuple[object, jax.Array]:
        # Every tenth row, so that each part is spread over the split.
        rows_of = jnp.arange(size) * _PARTS + number
        some = jax.tree.map(lambda leaf: leaf[jnp.minimum(rows_of, rows - 1)], batch)
        some = some._replace(mask=some.mask & (rows_of < rows))
        randomness = Randomness(None, some.mask)

        def mean(params: object) -> tuple[jax.Array, jax.Array]:
            sums = scene.losses(scene.forward(params, some, Watcher(), randomness), some)
            return average_loss(sums), some.mask.sum().astype(float)

        (_, count), found = jax.value_and_grad(mean, has_aux=True)(params)
        return jax.tree.map(lambda leaf: jnp.where(count > 0, leaf, 0), found), count

    def add(number: jax.Array, carry: tuple[Any, ...]) -> tuple[Any, ...]:
        total, squares, counted, parts = carry
        own, count = gradient(scene.params, number)
        total = jax.tree.map(lambda a, b: a + count * b, total, own)
        return total, squares + count * _square(own), counted + count, parts + (count > 0)

    zeros = jax.tree.map(jnp.zeros_like, scene.params)
    nothing = jnp.zeros(())
    carry = zeros, nothing, nothing, nothing
    total, squares, count, parts = jax.lax.fori_loop(0, _PARTS, add, carry)
    large = _square(jax.tree.map(lambda leaf: leaf / count, total))
    # In the mean over parts, each weighed by its rows, the noise is that of so many rows.
    small, few = squares / count, count / parts
    length = (count * large - few * small) / (count - few)
    trace = (small - large) / (1 / few - 1 / count)
    scale = jnp.where(length > 0, trace / length, jnp.nan)
    return {"noise_scale": scale, "noise_trace": trace, "gradient_square": length}


def _square(tree: object) -> jax.Array:
    return jnp.stack([(leaf**2).sum() for leaf in jax.tree.leaves(tree)]).sum()
