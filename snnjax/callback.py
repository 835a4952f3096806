"""What Hydra calls at the end of a multirun; named in `conf/config.yaml`."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from snnjax.endings import SESSION


class SummaryCallback(Callback):
    """Tells the program where a multirun wrote its runs, whichever launcher ran them."""

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        """Note the folder of the multirun that has ended."""
        SESSION.sweep = Path(config.hydra.sweep.dir)
