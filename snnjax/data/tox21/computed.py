"""The features of all compounds: computed side by side once, then taken from the cache folder."""

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator, Sequence

from snnjax import interruption
from snnjax.data.tox21 import raw, structures
from snnjax.data.tox21.raw import Raw
from snnjax.data.tox21.structures import Part

_CHUNK = 100  # compounds: half a second
_FORMAT = 1  # of the file, and of whatever else the key cannot see
_logger = logging.getLogger(__name__)


def features(smiles: Sequence[str]) -> Raw:
    """Return the features of compounds, from the cache folder if they were computed before.

    Raises:
        DataError: RDKit is not installed.
    """
    key = key_of(smiles)
    if (kept := raw.restore(key, len(smiles))) is not None:
        return kept
    parts = [*_parts(smiles)]
    _tell(smiles, parts)
    computed = raw.assemble(parts)
    raw.keep(key, computed)
    return computed


def key_of(smiles: Sequence[str]) -> str:
    """Return the digest of all that features depend on."""
    how = [_FORMAT, structures.version(), structures.RADIUS, *smiles]
    return hashlib.sha256(json.dumps(how).encode()).hexdigest()


def _parts(smiles: Sequence[str]) -> Iterator[Part]:
    """Compute features in processes of their own, one per core, telling how far they are."""
    import joblib
    from joblib.externals.loky import get_reusable_executor
    from rich.console import Console
    from rich.progress import track

    chunks = [smiles[start : start + _CHUNK] for start in range(0, len(smiles), _CHUNK)]
    workers = min(joblib.cpu_count(), len(chunks))
    told = f"Features of {len(smiles):,} compounds (once)"
    run = joblib.Parallel(n_jobs=workers, return_as="generator")
    results = run(joblib.delayed(structures.describe)(chunk) for chunk in chunks)
    try:
        console = Console(stderr=True)
        for part in track(results, told, len(chunks), console=console, disable=workers == 1):
            interruption.check()
            yield part
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of results that nobody waits for any more
            results.close()
        if workers > 1:
            get_reusable_executor().shutdown(kill_workers=True)


def _tell(smiles: Sequence[str], parts: Sequence[Part]) -> None:
    """Say which structures RDKit does not take as they are."""
    cases = {
        "is_lenient": "have atoms of unknown valence, which is not checked in them",
        "is_missing": "cannot be parsed: they have no substructures, and median descriptors",
    }
    for name, problem in cases.items():
        marks = [mark for part in parts for mark in getattr(part, name)]
        wrong = [text for text, mark in zip(smiles, marks, strict=True) if mark]
        if wrong:
            text = "tox21: %d of %d structures %s; the first is %s"
            _logger.warning(text, len(wrong), len(smiles), problem, wrong[0])
