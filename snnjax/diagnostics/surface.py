"""The loss over two single weights, as cross-entropy and as quadratic cost."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from snnjax.diagnostics.scene import Scene
from snnjax.diagnostics.watcher import Watcher
from snnjax.nn.padding import clear


class Surface(NamedTuple):
    """Two costs over a grid of values of two weights.

    Attributes:
        first: (points,) values of the weight in the first layer.
        second: (points,) values of the weight in the output layer.
        cross_entropy: (points, points), mean over the probe rows, the first weight along the rows.
        quadratic: (points, points), mean over the rows of the squared distance of the probabilities
            from the classes.
    """

    first: jax.Array
    second: jax.Array
    cross_entropy: jax.Array
    quadratic: jax.Array


def loss_surface(scene: Scene, span: float, points: int) -> Surface:
    """Return both costs of a classifier over two weights (Glorot & Bengio 2010, Fig. 5).

    One weight is in the first layer, one in the output layer, in each that with the largest
    gradient. They take values from -`span` to `span` while all others stay as they are.

    Args:
        scene: The network and its rows; its output layer has plain weights.
        span: The largest value.
        points: Values of each weight.
    """
    params, grid = scene.params, jnp.linspace(-span, span, points)
    gradients = scene.weight_gradients
    paths = _first(params), ("output", "kernel")
    places = [jnp.abs(_at(gradients, path)).argmax() for path in paths]

    def costs(pair: jax.Array) -> tuple[jax.Array, jax.Array]:
        changed = params
        for path, place, value in zip(paths, places, pair, strict=True):
            kernel = _at(params, path)
            changed = _with(
                changed, path, kernel.ravel().at[place].set(value).reshape(kernel.shape)
            )
        logits = scene.forward(changed, scene.batch, Watcher(), None)
        logs = jax.nn.log_softmax(logits)
        wanted = jax.nn.one_hot(scene.batch.targets, logits.shape[1])
        if scene.used is not None:  # the logits of what is padding are -inf
            logs = clear(logs, scene.used.outputs, 1)
        valid, count = scene.batch.mask, scene.batch.mask.sum()
        entropy = -(wanted * logs).sum(1)
        quadratic = ((jax.nn.softmax(logits) - wanted) ** 2).sum(1)
        return jnp.where(valid, entropy, 0).sum() / count, jnp.where(
            valid, quadratic, 0
        ).sum() / count

    pairs = jnp.stack(jnp.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    entropies, quadratics = jax.lax.map(costs, pairs)
    return Surface(grid, grid, *(c.reshape(points, points) for c in (entropies, quadratics)))


def _first(params: Any) -> tuple[str | int, ...]:
    """Return the path of the first layer's kernel."""
    path: tuple[str | int, ...] = ()
    tree = params
    while isinstance(tree, dict) and "kernel" not in tree:
        name = next(n for n in ("blocks", "hidden", 0, "layers", "linear", "output") if n in tree)
        path, tree = (*path, name), tree[name]
    return (*path, "kernel")


def _at(tree: Any, path: tuple[str | int, ...]) -> Any:
    for name in path:
        tree = tree[name]
    return tree


def _with(tree: Any, path: tuple[str | int, ...], leaf: jax.Array) -> Any:
    name, *rest = path
    return {**tree, name: _with(tree[name], tuple(rest), leaf) if rest else leaf}
