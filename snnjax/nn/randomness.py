"""What a network is given in training and not in evaluation."""

from typing import NamedTuple

import jax

from snnjax.nn import noise


class Randomness(NamedTuple):
    """Given to a network in training mode.

    Attributes:
        key: A `noise` key, new at every step.
        mask: (rows,) bool, False for the padding of a shorter batch. Without one, normalisation
            takes its running moments as in evaluation: this is Monte-Carlo dropout.
    """

    key: jax.Array
    mask: jax.Array | None = None

    def stream(self, number: int) -> jax.Array:
        """Return the key of a place in the network; no two places may share a number."""
        return noise.fold(self.key, number)
