"""Values inside a network, shown to whoever watches while it is traced; nothing otherwise.

Layers show their nonlinearities and what they hand on. A watcher may change what it is shown,
such as by adding a zero whose gradient is asked for. Networks of one's own that are built from
`Hidden` are seen like all others.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

import jax

from snnjax.nn.padding import Size

if TYPE_CHECKING:
    from snnjax.nn.units import Unit


Moments = tuple[jax.Array, jax.Array]
"""Means and variances of units."""


class Watcher(Protocol):
    """What is shown a network's values, each as it is computed; see `activated` and `handed_on`."""

    def activate(
        self, unit: Callable[[jax.Array], jax.Array], number: int, x: jax.Array, used: Size
    ) -> jax.Array:
        """Return the activations for pre-activations (rows, columns) of layer `number`.

        The first `used` units are not padding.
        """
        ...

    def hand_on(self, x: jax.Array) -> jax.Array:
        """Return what a layer of a stack hands on, (rows, ..., units)."""
        ...

    def compare(self, batch: Moments, running: Moments) -> None:
        """See the moments of the units of a batch, and the running ones before it."""
        ...


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Show the watcher the networks that are traced inside; only their own thread's."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def activated(
    unit: "Unit",
    number: int,
    x: jax.Array,
    axis: int = 1,
    key: jax.Array | None = None,
    used: Size | None = None,
) -> jax.Array:
    """Apply a nonlinearity, before a watcher's eyes if there is one.

    Args:
        unit: The nonlinearity.
        number: Of the layer; no two of a network may share one.
        x: (rows, columns), with the features along `axis` 0 transposed.
        axis: Where the features lie.
        key: Of random slopes.
        used: How many units are not padding; None for all.
    """
    if (watcher := _watcher.get()) is None:
        return unit(x, axis, key)
    rows_first = x.T if axis == 0 else x
    used = rows_first.shape[1] if used is None else used
    y = watcher.activate(lambda z: unit(z, 1, key), number, rows_first, used)
    return y.T if axis == 0 else y


def handed_on(x: jax.Array, axis: int = 1) -> jax.Array:
    """Return what a layer of a stack hands on, shown to a watcher if there is one."""
    if (watcher := _watcher.get()) is None:
        return x
    return watcher.hand_on(x.T).T if axis == 0 else watcher.hand_on(x)


def compared(batch: Moments, running: Moments) -> None:
    """Show the moments that a batch is normalised by beside the running ones."""
    if (watcher := _watcher.get()) is not None:
        watcher.compare(batch, running)
