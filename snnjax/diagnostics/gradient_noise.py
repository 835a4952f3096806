"""How noisy gradients are: the batch size from which larger batches pay less and less."""

import jax
import jax.numpy as jnp

from snnjax.diagnostics.measures import Measured
from snnjax.diagnostics.scene import Scene, Watcher
from snnjax.metrics import average_loss
from snnjax.nn.randomness import Randomness

# The probe rows are divided into so many small batches.
_PARTS = 10


def noise(scene: Scene) -> Measured:
    """The simple gradient noise scale tr(Sigma) / |G|^2 in rows, and both parts of it.

    McCandlish et al. 2018, Eqs. 2.9 and A.2: unbiased estimates of both from the squared lengths of
    gradients of small batches and of all rows together. An estimate of |G|^2 may be negative where
    there is little but noise; the scale is then NaN.
    """
    batch, rows = scene.batch, len(scene.batch.mask)
    parts = min(_PARTS, rows)
    size = rows // parts

    def gradient(params: object, number: jax.Array) -> tuple[object, jax.Array]:
        # Every `parts`-th row, so that each part is spread over the split.
        rows_of = jnp.arange(size) * parts + number
        some = jax.tree.map(lambda leaf: leaf[rows_of], batch)
        randomness = Randomness(None, some.mask)

        def mean(params: object) -> tuple[jax.Array, jax.Array]:
            sums = scene.losses(scene.forward(params, some, Watcher(), randomness), some)
            return average_loss(sums), some.mask.sum().astype(float)

        (_, count), found = jax.value_and_grad(mean, has_aux=True)(params)
        return found, count

    def add(number: jax.Array, carry: tuple[object, jax.Array, jax.Array]) -> tuple[object, ...]:
        total, squares, counted = carry
        own, count = gradient(scene.params, number)
        total = jax.tree.map(lambda a, b: a + count * b, total, own)
        return total, squares + count * _square(own), counted + count

    zeros = jax.tree.map(jnp.zeros_like, scene.params)
    nothing = jnp.zeros(())
    total, squares, count = jax.lax.fori_loop(0, parts, add, (zeros, nothing, nothing))
    large = _square(jax.tree.map(lambda leaf: leaf / count, total))
    small, few = squares / count, count / parts
    length = (count * large - few * small) / (count - few)
    trace = (small - large) / (1 / few - 1 / count)
    scale = jnp.where(length > 0, trace / length, jnp.nan)
    return {"noise_scale": scale, "noise_trace": trace, "gradient_square": length}


def _square(tree: object) -> jax.Array:
    return jnp.stack([(leaf**2).sum() for leaf in jax.tree.leaves(tree)]).sum()
