"""Figures of what has just been trained, where its configuration asks for them."""

import json
from pathlib import Path

from snnjax.config.errors import ConfigError
from snnjax.file_names import CONFIG_FILE, DIAGNOSTICS_FILE


def draw_after(folder: Path) -> str | None:
    """Draw every figure of a run or a sweep that was looked into.

    Returns:
        A line that says where the figures are, or why there are none; None where none were wanted.
    """
    from snnjax.figures.records import holding

    if not folder.is_dir() or not any(
        _wants_figures(run) for run in holding(folder, CONFIG_FILE, inside=False)
    ):
        return None
    from snnjax.figures.drawing import draw

    try:
        drawn = draw([folder])
    except (ConfigError, OSError) as error:
        return f"no figures: {error}"
    except Exception as error:  # what was trained is done, whatever becomes of its pictures
        return f"no figures: unexpected {type(error).__name__}: {error}"
    names = dict.fromkeys(path.stem for path in drawn)
    return f"figures: {drawn[0].parent} ({', '.join(names)})"


def _wants_figures(run: Path) -> bool:
    if not (run / DIAGNOSTICS_FILE).is_file():
        return False
    try:
        config = json.loads((run / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(config.get("diagnostics", {}).get("figures"))
