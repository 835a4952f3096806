"""What a network is given in training and not in evaluation."""

from typing import NamedTuple

import jax

from snnjax.nn import noise


class Randomness(NamedTuple):
    """Given to a network in training, and in passes with dropout left on.

    Attributes:
        key: A `noise` key, new at every step; None where nothing is drawn: what is dropped and what
            slopes are random is then as in evaluation, and normalisation as in training.
        mask: (rows,) bool, False for the padding of a shorter batch. Without one, normalisation
            takes its running moments as in evaluation: this is Monte-Carlo dropout.
        first_row: The place of the first row among those that are looked at in parts; None where
            they are looked at together.
    """

    key: jax.Array | None
    mask: jax.Array | None = None
    first_row: jax.Array | int | None = None

    def stream(self, number: int, part: int | None = None, rows: int = 1) -> jax.Array | None:
        """Return the key of a place in the network, None where nothing is drawn.

        Args:
            number: Of the place; no two may share one.
            part: What is drawn there beside the place's own numbers.
            rows: How many rows there are at this place for each of the batch.
        """
        if self.key is None:
            return None
        key = noise.fold(self.key, number)
        if part is not None:
            key = noise.fold(key, part)
        # Last, for what is derived from a key does not know of its row.
        return key if self.first_row is None else noise.from_row(key, self.first_row * rows)


SLOPES = 0
"""The part of a place that random slopes of its activation are drawn from."""
