"""What is seen of a network while it runs: its nonlinearities, what layers hand on, moments."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from snnjax.nn.padding import Size
from snnjax.nn.taps import Moments

# The points of pre-activations at which an activation's slopes are looked at, and how far they
# may lie apart from 0: within, all activations have their steepest place, or nearly.
_GRID = np.linspace(-8.0, 8.0, 161)


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


def _slopes(unit: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """Return the derivative of an elementwise function at every x; NaN where x is."""
    y, pullback = jax.vjp(unit, x)
    # A ReLU takes what is no number for negative: flat, although nothing is known of it.
    return jnp.where(jnp.isnan(x), jnp.nan, pullback(jnp.ones_like(y))[0])
