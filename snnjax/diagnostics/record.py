"""`diagnostics.npz` of a run: every look at its network, one behind the other. NumPy only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnjax.array_file import NotArraysError, read_arrays, write_arrays
from snnjax.file_names import DIAGNOSTICS_FILE

Arrays = Mapping[str, NDArray[Any]]

_NAMES = ("layers", "kernels")
# Arrays whose second axis is named, and by what.
_BY_KERNEL = ("weight_", "update_", "gradient_norm")
# What lines of metrics.jsonl say of every layer; the file says more.
_SCALARS = frozenset({
    "activation_mean", "activation_variance", "activation_p98", "preactivation_variance",
    "activation_gradient_variance", "preactivation_gradient_variance", "weight_gradient_variance",
    "weight_norm", "update_norm", "gradient_norm", "saturated", "dead", "revived",
    "drift_mean", "drift_variance", "noise_scale",
})  # fmt: skip
_FIXED = ("fixed_mean", "fixed_variance")


class UnreadableError(OSError, ValueError):
    """A file that holds no diagnostics; the message names it."""


class Record:
    """The looks at one run.

    Args:
        folder: Of the run; the file lies in it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / DIAGNOSTICS_FILE
        self._looks: list[dict[str, NDArray[Any]]] = []
        self._constant: dict[str, NDArray[Any]] = {}

    def resume(self, epoch: int) -> None:
        """Go on after an epoch with what the file holds up to then; 0 removes it."""
        if not epoch:
            self.path.unlink(missing_ok=True)
            return
        if not self.path.exists():
            return
        held = read(self.path)
        self._constant = {name: held[name] for name in (*_NAMES, *_FIXED) if name in held}
        # Looks inside the next epoch belong to what was reported of this one.
        kept = np.flatnonzero(np.floor(held["epoch"]) <= epoch)
        self._looks = [
            {name: array[place] for name, array in held.items() if name not in self._constant}
            for place in kept
        ]

    def add(
        self, epoch: float, step: int, names: Mapping[str, Sequence[str]], arrays: Arrays
    ) -> bool:
        """Take in a look; those that are not later than the last are passed over.

        Returns:
            Whether it was taken in.
        """
        if self._looks and step <= int(self._looks[-1]["step"]):
            return False
        own = {name: np.asarray(array) for name, array in arrays.items()}
        self._constant |= {name: np.array(list(names[name]), str) for name in _NAMES}
        self._constant |= {name: own.pop(name) for name in _FIXED if name in own}
        when: dict[str, Any] = {"epoch": np.float64(epoch), "step": np.int64(step)}
        self._looks.append({**when, **self._with_revived(own)})
        return True

    def write(self) -> None:
        """Write the file, whole or not at all; nothing where there was no look.

        Raises:
            OSError: It cannot be written.
        """
        if not self._looks:
            return
        stacked: dict[str, Any] = {
            name: np.stack([look[name] for look in self._looks])
            for name in self._looks[-1]
            if all(name in look for look in self._looks)
        }
        write_arrays(self.path, stacked | self._constant)

    @property
    def last(self) -> dict[str, NDArray[Any]]:
        """The last look, with what is the same of all."""
        return self._constant | self._looks[-1]

    def scalars(self) -> dict[str, float]:
        """Return the single numbers of the last look, `name` or `name.layer`."""
        return scalars(self.last)

    def histograms(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Return the counts and the edges of the last look's histograms, by `name.layer`."""
        last = self.last
        found = {}
        for name, counts in last.items():
            if not name.endswith("_histogram"):
                continue
            kind = name.removesuffix("_histogram")
            if f"{kind}_edges" not in last:
                continue  # a measure of one's own that means something else
            for place, label in enumerate(_labels(name, last)):
                low, high = map(float, last[f"{kind}_edges"][place])
                if np.isfinite(low):
                    # Of values that are all alike the edges must rise too.
                    high = max(high, low + max(1e-6 * abs(low), 1e-30))
                    edges = np.linspace(low, high, counts.shape[1] + 1)
                    found[f"{kind}.{label}"] = counts[place], edges
        return found

    def _with_revived(self, own: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Say how many units are dead, and how many no longer are; NaN where all became NaN."""
        if "is_dead" not in own:
            return own
        is_unknown = np.isnan(own.get("saturated", np.zeros(())))
        now, widths = own["is_dead"], np.where(is_unknown, np.nan, own.pop("widths"))
        before = self._looks[-1]["is_dead"] if self._looks and "is_dead" in self._looks[-1] else now
        back = (before & ~now).sum(1) / widths
        return own | {
            "dead": (now.sum(1) / widths).astype(np.float32),
            "revived": back.astype(np.float32),
        }


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file, as docs/diagnostics.md lists them.

    Raises:
        FileNotFoundError: There is none.
        UnreadableError: It is damaged, or something else.
    """
    try:
        arrays = read_arrays(path)
    except NotArraysError as error:
        raise UnreadableError(f"{path}: no diagnostics of a run ({error}); remove it") from error
    if not {"epoch", "step", *_NAMES} <= arrays.keys():
        raise UnreadableError(f"{path}: no diagnostics of a run; remove it")
    return arrays


def scalars(look: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Return the single numbers of one look."""
    found = {}
    for name, array in look.items():
        if name not in _SCALARS:
            continue
        if array.ndim == 0:
            found[name] = float(array)
        elif array.ndim == 1:
            labels = _labels(name, look)
            found |= {f"{name}.{label}": float(v) for label, v in zip(labels, array, strict=True)}
    if "whole_singular" in look:
        found["whole_singular"] = float(look["whole_singular"][1])
    means = look["layer_singular"][:, 1] if "layer_singular" in look else ()
    return found | {f"layer_singular.{n}": float(mean) for n, mean in enumerate(means, 1)}


def _labels(name: str, look: Mapping[str, NDArray[Any]]) -> Sequence[str]:
    """Return what the entries along the axis of layers are called."""
    axis = "kernels" if name.startswith(_BY_KERNEL) else "layers"
    if name.startswith("drift_"):
        return [str(place) for place in range(1, len(look[name]) + 1)]
    return [str(label) for label in look[axis]]
