"""Layer by layer: activations, gradients, weights, units, moments of batch normalisation.

A measure maps a `Scene` to arrays by name; those of layers lead with the layers.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from snnjax.diagnostics.kernels import Kernel, trained_weights_of, weights_of
from snnjax.diagnostics.scene import Scene
from snnjax.diagnostics.statistics import Statistics, Values, describe, describe_each
from snnjax.diagnostics.watcher import Layer

Measured = dict[str, jax.Array]

# A value is saturated where the activation rises less than this share of its steepest slope, and
# flat where it does not rise at all but for rounding.
_SATURATED, _FLAT = 0.05, 1e-6

_PREDICTING = ("activation_mean", "activation_variance", "omega", "tau")


def activations(scene: Scene) -> Measured:
    """Mean, variance, 98th percentile and histogram of pre-activations and activations."""
    measured: Measured = {}
    for kind in ("preactivation", "activation"):
        arrays = {name: getattr(layer, kind) for name, layer in scene.layers.items()}
        measured |= _described(kind, _of_layers(scene, arrays))
    return measured


def gradients(scene: Scene) -> Measured:
    """The same of back-propagated gradients, by (pre-)activations, and of weight gradients."""
    measured: Measured = {}
    for kind, arrays in zip(("preactivation", "activation"), scene.gradients, strict=True):
        measured |= _described(f"{kind}_gradient", _of_layers(scene, arrays))
    by_weights = scene.laid_out(trained_weights_of(scene.weight_gradients))
    measured |= _described("weight_gradient", [_entries(own) for own in by_weights.values()])
    return measured | {"gradient_norm": _norms(by_weights)}


def weights(scene: Scene) -> Measured:
    """The same of weights; their norms, those of the next update, and sums by unit."""
    kernels = scene.kernels
    measured = _described("weight", [_entries(own) for own in kernels.values()])
    after = scene.laid_out(weights_of(scene.next_params))
    updates = {
        name: own._replace(weights=after[name].weights - own.weights)
        for name, own in kernels.items()
    }
    measured |= {"weight_norm": _norms(kernels), "update_norm": _norms(updates)}
    return measured | _sums(scene)


def units(scene: Scene) -> Measured:
    """Share of saturated values, and which units are flat on every row of the split."""
    layers = scene.layers
    if not layers:
        return {}
    dead = scene.never_rising(_FLAT)
    alive = {name: jnp.zeros(own.activation.shape[1], bool) for name, own in layers.items()}
    return {
        "saturated": jnp.stack([_saturated(scene, layer) for layer in layers.values()]),
        "is_dead": _side_by_side(alive | dead, fill=False),
        "widths": jnp.stack([layer.used for layer in layers.values()]),
    }


def theory(scene: Scene) -> Measured:
    """What the moment map needs to predict every layer from the one below it."""
    inputs = Values(scene.batch.inputs, scene.batch.mask, _used_inputs(scene))
    described = describe(inputs)
    measured = activations(scene) | _sums(scene)
    return {
        **{name: own for name, own in measured.items() if name in _PREDICTING},
        "input_mean": described.mean,
        "input_variance": described.variance,
    }


def drift(scene: Scene) -> Measured:
    """How far running moments of batch normalisation are from those of the probe rows.

    The mean over units of the squared distance of the means in units of the running variance, and
    of the logarithm of the variances' ratio, squared.
    """
    if not scene.drifts:
        return {}
    means, variances = zip(*scene.drifts, strict=True)
    return {"drift_mean": jnp.stack(means), "drift_variance": jnp.stack(variances)}


def _sums(scene: Scene) -> Measured:
    """Return omega and tau: of every unit the sum of its weights, and of their squares."""
    hidden = {name: own for name, own in scene.kernels.items() if name in scene.layers}
    if not hidden:
        return {}
    powers = {"omega": lambda w: w.sum(0), "tau": lambda w: (w**2).sum(0)}
    return {
        kind: _side_by_side(
            {n: jnp.where(own.columns, power(own.weights), jnp.nan) for n, own in hidden.items()}
        )
        for kind, power in powers.items()
    }


def _used_inputs(scene: Scene) -> jax.Array:
    columns = jnp.arange(scene.batch.inputs.shape[1])
    return columns < (len(columns) if scene.used is None else scene.used.features)


def _described(kind: str, values: list[Values]) -> Measured:
    if not values:
        return {}
    described: Statistics = describe_each(values)
    return {f"{kind}_{name}": leaf for name, leaf in described._asdict().items()}


def _of_layers(scene: Scene, arrays: Mapping[str, jax.Array]) -> list[Values]:
    """Say which of the values of layers count."""
    values = []
    for name, array in arrays.items():
        columns = jnp.arange(array.shape[1])
        # Several pieces of a unit lie side by side, and none of them is padding.
        is_whole = array.shape[1] != scene.layers[name].activation.shape[1]
        used = jnp.where(is_whole, array.shape[1], scene.layers[name].used)
        values.append(Values(array, scene.rows_of(array), columns < used))
    return values


def _entries(kernel: Kernel) -> Values:
    return Values(kernel.weights, kernel.rows, kernel.columns)


def _norms(kernels: Mapping[str, Kernel]) -> jax.Array:
    return jnp.stack([jnp.sqrt((own.weights**2).sum()) for own in kernels.values()])


def _saturated(scene: Scene, layer: Layer) -> jax.Array:
    if layer.slope is None or layer.steepest is None:
        return jnp.zeros(())
    is_used = jnp.arange(layer.slope.shape[1]) < layer.used
    valid = scene.rows_of(layer.slope)[:, None] & is_used[None, :]
    flat = jnp.abs(layer.slope) < _SATURATED * layer.steepest[None, :]
    share = (valid & flat).sum() / valid.sum()
    return jnp.where((valid & jnp.isnan(layer.slope)).any(), jnp.nan, share)


def _side_by_side(columns: Mapping[str, jax.Array], fill: float = jnp.nan) -> jax.Array:
    """Stack vectors of several lengths, filled up."""
    widest = max(len(column) for column in columns.values())
    return jnp.stack([
        jnp.pad(column, (0, widest - len(column)), constant_values=fill)
        for column in columns.values()
    ])  # fmt: skip
