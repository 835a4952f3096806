"""What networks of the library do to moments and gradients when they are drawn at random."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from snnjax.config.schema import ModelConfig
from snnjax.nn import noise
from snnjax.nn.randomness import Randomness
from snnjax.registry import resolve
from snnjax.theory.moments.moment_map import Moments


class Tapped(nnx.Module):
    """An affine layer with something added to what it makes of every row."""

    def __init__(self, linear: nnx.Module, added: jax.Array) -> None:
        self.linear, self.added = linear, nnx.Variable(added)

    def __call__(self, x: jax.Array, axis: int = 1) -> jax.Array:
        y, added = self.linear(x, axis), self.added[...]
        return y + (added.T if axis == 0 else added)


def affine_layers(net: nnx.Module) -> Iterator[tuple[str, nnx.Module, str]]:
    """Yield name, holder and attribute of every affine layer of hidden units but gates."""
    for number, layer in enumerate(net.hidden):
        name = f"hidden.{number}"
        if hasattr(layer, "transform"):
            yield f"{name}.transform.linear", layer.transform, "linear"
            continue
        for place, inner in enumerate(getattr(layer, "hidden", ())):
            yield f"{name}.hidden.{place}.linear", inner, "linear"
        yield f"{name}.linear", layer, "linear"


def measure(
    model: ModelConfig,
    features: int,
    outputs: int,
    rows: int,
    seeds: int,
    start: Moments = Moments(0.0, 1.0),  # noqa: B008  immutable
    training: bool = True,
) -> dict[str, np.ndarray]:
    """Return for every layer, over seeds, mean, mean square, and mean squares of gradients.

    Columns: mean and mean square of the outputs of the layer or block that its weights end (NaN
    inside a block), mean square of the gradient by a net input and by a weight of one row, and the
    mean square over units of the first row. Gradients are those of a sum of outputs with weights
    of N(0, 1).
    """
    run = jax.jit(partial(_one, model, features, outputs, rows, start, training))
    found = [run(jnp.uint32(seed)) for seed in range(seeds)]
    return {name: np.array([one[name] for one in found], np.float64) for name in found[0]}


def _one(
    model: ModelConfig,
    features: int,
    outputs: int,
    rows: int,
    start: Moments,
    training: bool,
    seed: jax.Array,
) -> dict[str, list[jax.Array]]:
    key = jax.random.key(seed)
    draw, of_rows, of_weights = (jax.random.fold_in(key, n) for n in range(3))
    x = jax.random.normal(of_rows, (rows, features)) * start.variance**0.5 + start.mean
    readout = jax.random.normal(of_weights, (rows, outputs))
    randomness = Randomness(noise.make_key(seed), jnp.ones(rows, bool)) if training else None

    def build() -> nnx.Module:
        net = resolve("model", model.name)(model, features, outputs, draw)
        if net.begins_from_data:
            net.adapt(x, jnp.ones(rows, bool))
        return net

    taps = {
        name: jnp.zeros((rows, getattr(holder, attribute).bias.shape[0]))
        for name, holder, attribute in affine_layers(build())
    }

    def cost(added: dict[str, jax.Array]) -> tuple[jax.Array, dict[str, jax.Array]]:
        net = build()
        for name, holder, attribute in list(affine_layers(net)):
            setattr(holder, attribute, Tapped(getattr(holder, attribute), added[name]))
        y, seen = net.with_dropped_inputs(x, randomness), {}
        y = y.T if net.axis == 0 else y
        for number, layer in enumerate(net.hidden):
            y = layer(y, randomness, net.axis)
            end = "transform.linear" if hasattr(layer, "transform") else "linear"
            seen[f"hidden.{number}.{end}"] = y if net.axis else y.T
        y = net.output(y if net.axis else y.T)
        return (y * readout).sum(), seen

    gradients, seen = jax.grad(cost, has_aux=True)(taps)
    found = {}
    for name, gradient in gradients.items():
        y = seen.get(name)
        forward = [jnp.nan] * 3 if y is None else [y.mean(), (y**2).mean(), (y[0] ** 2).mean()]
        found[name] = [*forward[:2], (gradient**2).mean(), forward[2]]
    return found


def measure_images(
    model: ModelConfig, features: int, outputs: int, rows: int, seeds: int, correlation: float
) -> dict[str, np.ndarray]:
    """Return mean, mean square, and mean square of gradients by net inputs, over seeds.

    Images have normal pixels of which any two of a channel correlate. Gradients are those by
    biases, a row at a time, over the square root of the number of positions.
    """
    run = jax.jit(partial(_one_of_images, model, features, outputs, rows, correlation))
    found = [run(jnp.uint32(seed)) for seed in range(seeds)]
    return {name: np.array([one[name] for one in found], np.float64) for name in found[0]}


def _one_of_images(
    model: ModelConfig,
    features: int,
    outputs: int,
    rows: int,
    correlation: float,
    seed: jax.Array,
) -> dict[str, list[jax.Array]]:
    draw, own, shared, of_weights = (jax.random.fold_in(jax.random.key(seed), n) for n in range(4))
    net = resolve("model", model.name)(model, features, outputs, draw)
    channels = net.shape.channels
    alike = jnp.repeat(jax.random.normal(shared, (rows, channels)), features // channels, axis=1)
    x = jax.random.normal(own, (rows, features))
    x = correlation**0.5 * alike + (1 - correlation) ** 0.5 * x
    readout = jax.random.normal(of_weights, (rows, outputs))
    randomness = Randomness(noise.make_key(seed), jnp.ones(rows, bool))
    graph, params, rest = nnx.split(net, nnx.Param, ...)

    def cost(params: nnx.State, weights: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        net, seen = nnx.merge(graph, params, rest), {}
        y = net.to_images(x)
        for number, block in enumerate(net.blocks):
            inner = y
            for place, layer in enumerate(block.layers):
                inner = seen[f"blocks.{number}.layers.{place}.linear"] = layer(inner, randomness)
            y = block(y, randomness)
        y = y.reshape(rows, -1)
        for number, layer in enumerate(net.hidden):
            y = seen[f"hidden.{number}.linear"] = layer(y, randomness)
        return (net.output(y) * weights).sum(), seen

    _, seen = cost(params, readout)
    one_row = jnp.eye(rows)[:, :, None] * readout[None]
    gradients = jax.lax.map(
        lambda weights: jax.grad(cost, has_aux=True)(params, weights)[0], one_row
    )
    found = {}
    for name, y in seen.items():
        at = gradients
        for step in name.removesuffix(".linear").split("."):
            at = at[int(step) if step.isdigit() else step]
        positions = y[0].size // y.shape[-1]
        gradient = (at["linear"]["bias"].get_value() ** 2).mean() / positions
        found[name] = [y.mean(), (y**2).mean(), gradient]
    return found
