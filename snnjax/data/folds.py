"""Which rows are test, validation and training rows: pure functions of fixed seeds.

Shuffles sort the raw output of PCG64, the one stream NumPy promises to keep (NEP 19), so that a
split is the same under every NumPy version. None depends on the seed of a run.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from snnjax.data.content import Mask

Rows = NDArray[np.int32]
DEFAULT_SHARE = 0.15  # Klambauer et al. 2017, appendix A4.1: 15 % of the training data
_PARTITION_SEED, _DRAW_SEED = 2017, 1706


def shuffled(count: int, *seed: int) -> NDArray[np.intp]:
    """Return 0 .. count - 1 in an order that depends on `seed` alone."""
    noise = np.random.PCG64(list(seed)).random_raw(count)
    return np.argsort(noise, kind="stable")


def partition(strata: NDArray[np.integer], folds: int) -> NDArray[np.intp]:
    """Deal rows out to folds, stratified: sizes differ by at most 1, in all and per stratum.

    Args:
        strata: (rows,) class indices, or zeros in regression.
        folds: Number of folds.

    Returns:
        (rows,) the fold, 0 .. folds - 1, in which a row is a test row.
    """
    order = shuffled(len(strata), _PARTITION_SEED)
    order = order[np.argsort(strata[order], kind="stable")]
    fold = np.empty(len(strata), dtype=np.intp)
    fold[order] = np.arange(len(strata)) % folds
    return fold


def as_masks(fold: NDArray[np.intp], folds: int) -> Mask:
    """Return (rows, folds), True where the row belongs to that fold."""
    return fold[:, None] == np.arange(folds)


def draw(strata: NDArray[np.integer], share: float, fold: int) -> Mask:
    """Draw a share of rows, stratified, to the nearest row.

    A stratum gives its share rounded down; what is missing to `round(share * rows)` comes from
    the strata with the largest remainders. Each stratum keeps a row as long as that leaves
    anything to draw; a share above 0 of two or more rows draws at least one and leaves one.

    Args:
        strata: (rows,) class indices, or zeros in regression.
        share: In [0, 1).
        fold: Folds draw different rows.

    Returns:
        (rows,) True where drawn.
    """
    drawn = np.zeros(len(strata), dtype=np.bool_)
    if share == 0 or len(strata) < 2:
        return drawn
    _, members, counts = np.unique(strata, return_inverse=True, return_counts=True)
    if len(counts) == len(strata):  # nothing but singletons: nothing to stratify
        members, counts = np.zeros_like(members), np.array([len(strata)])
    take = _apportion(counts, share)
    order = shuffled(len(strata), _DRAW_SEED, fold)
    order = order[np.argsort(members[order], kind="stable")]
    starts = np.cumsum(counts) - counts
    place = np.arange(len(strata)) - np.repeat(starts, counts)
    drawn[order] = place < np.repeat(take, counts)
    return drawn


def _apportion(counts: NDArray[np.intp], share: float) -> NDArray[np.intp]:
    total = max(1, round(share * int(counts.sum())))
    quota = share * counts
    take = np.minimum(np.floor(quota).astype(np.intp), counts - 1)
    by_remainder = np.argsort(take - quota, kind="stable")
    open_strata = by_remainder[take[by_remainder] < counts[by_remainder] - 1]
    take[open_strata[: max(0, total - int(take.sum()))]] += 1
    return take


def split(
    strata: NDArray[np.integer],
    test: Mask,
    own_validation: Mask | None,
    validation: Literal["default"] | float,
    fold: int,
) -> dict[str, Rows]:
    """Return the sorted training, validation and test rows of one fold.

    Args:
        strata: (rows,) class indices, or zeros in regression.
        test: (rows, folds), True where a row is a test row.
        own_validation: (rows, folds), the set's own validation rows; None if it defines none.
        validation: `default` (the set's own rows, else 15 % of the rows outside the test set), or
            the share in [0, 1) of the rows outside the test set; at 0 all of them are trained on.
        fold: Column of the masks.
    """
    held_out = test[:, fold]
    if validation == "default" and own_validation is not None:
        chosen = own_validation[:, fold]
    else:
        share = DEFAULT_SHARE if validation == "default" else validation
        chosen = np.zeros_like(held_out)
        chosen[~held_out] = draw(strata[~held_out], share, fold)
    parts = {"train": ~held_out & ~chosen, "validation": chosen, "test": held_out}
    return {name: np.flatnonzero(mask).astype(np.int32) for name, mask in parts.items()}
