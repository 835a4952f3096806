"""Rules of what a run says about the sweep that it belongs to."""

import re

from snnjax.config.errors import complaint, nearest, show
from snnjax.config.schema import Config

STUDIES = ("uci", "htru2", "tox21", "figure1", "keras", "glorot_table1")
"""Published tables and figures that sweeps reproduce."""


def study_is_a_name(config: Config) -> str:
    """Refuse names of studies that could not be those of files or columns."""
    study = config.sweep.study
    if study is None or re.fullmatch(r"[A-Za-z0-9_]+", study):
        return ""
    allowed = f"{', '.join(STUDIES)}, or a name of letters, digits and _; null for none"
    return complaint("sweep.study", show(study), "not a name", allowed, nearest(study, STUDIES))
