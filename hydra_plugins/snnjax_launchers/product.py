"""`hydra/sweeper=product`: every combination of the swept values, composed once."""

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper


class ProductSweeper(BasicSweeper):
    """Hydra's own sweeper without its rehearsal, which composes every job a second time.

    What a rehearsal is for has been done: the command line was checked before, and the launcher
    composes all jobs before it starts the first.
    """

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Trust the launcher."""
