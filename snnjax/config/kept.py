"""The configuration that a run folder keeps."""

import json
from pathlib import Path

from snnjax.config.schema import Config
from snnjax.config.strict import convert
from snnjax.file_names import CONFIG_FILE


def read_config(folder: Path) -> Config:
    """Return the configuration of the run in a folder.

    Raises:
        OSError: The folder holds none, or it cannot be read.
        ValueError: The file is not JSON, or no configuration (a ConfigError).
    """
    return convert(Config, json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")))
