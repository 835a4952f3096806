"""`python -m snnjax.contact_sheet --out FILE [KEY=VALUE...]`: images of every class of a data set.

Takes what `python -m snnjax.train` takes, such as `data=shapeset`; of that only the data matter.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest
from snnjax.config.schema import DataConfig
from snnjax.endings import DONE, told

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from snnjax.data.dataset import Dataset

_FILES = (".png", ".svg", ".pdf")
_MOST_CLASSES = 50
_INCHES, _LABEL_INCHES, _GAP = 0.55, 1.9, 0.08  # an image, the names, what lies between as a share
_DOTS = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw a contact sheet; return 0, 1 for a failure, 2 for a mistake."""
    parser = argparse.ArgumentParser(prog="python -m snnjax.contact_sheet", description=__doc__)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for snnjax.train")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the picture")
    parser.add_argument("--images", type=int, default=12, help="of every class (12)")
    parser.add_argument("--split", default="train", help="train, validation or test (train)")
    given = parser.parse_args(arguments)
    return told(lambda: _save(given))


def _save(given: argparse.Namespace) -> int:
    _check(given)
    config = _data_config(given.overrides)
    sheet = draw(config, given.split, given.images)
    sheet.savefig(given.out, dpi=_DOTS, bbox_inches="tight")
    print(given.out)
    return DONE


def draw(config: DataConfig, split: str = "train", images: int = 12) -> "Figure":
    """Draw the first images of every class of a split, a class per line with its name.

    Args:
        config: A data set of images.
        split: `train`, `validation` or `test`.
        images: How many of every class; fewer where there are not so many.

    Raises:
        ConfigError: The data are no images, or have no such rows.
        DataError: They cannot be read.
    """
    from matplotlib.figure import Figure

    from snnjax.data import catalog
    from snnjax.data.load import load

    if (shape := catalog.entry_of(config).image) is None:
        sets = enumerate_names([*catalog.images(), catalog.IMAGES])
        raise ConfigError([complaint("data.name", config.name, "holds no images", sets)])
    data = load(replace(config, standardize="none"))
    rows = data.rows[split]
    if not len(rows):
        raise ConfigError([f"--split={split}: {data.name} has no such rows"])
    classes = min(data.outputs, _MOST_CLASSES)
    chosen = [rows[data.targets[rows] == label][:images] for label in range(classes)]
    size = _LABEL_INCHES + _INCHES * images, _INCHES * classes + 0.5
    figure = Figure(size, layout="constrained")
    axes = figure.subplots()
    sheet = _sheet(data, shape, chosen, images)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    names = data.classes or tuple(map(str, range(data.outputs)))
    step = len(sheet) / classes
    axes.set_yticks([step * (place + 0.5) for place in range(classes)], names[:classes])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    more = "" if classes == data.outputs else f", the first {classes} of {data.outputs} classes"
    height, width, channels = shape
    axes.set_title(f"{data.name}: {split}, {height} x {width} x {channels}{more}", fontsize=10)
    return figure


def _sheet(
    data: "Dataset",
    shape: tuple[int, int, int],
    chosen: "Sequence[NDArray[np.int32]]",
    images: int,
) -> "NDArray[np.float64]":
    """Lay images out, a line for each class, on white: (height, width, 1 or 3) in [0, 1]."""
    import numpy as np

    height, width, channels = shape
    gap = max(1, round(_GAP * height))
    lines = np.ones((len(chosen), images, channels, height + gap, width + gap))
    highest = 255 if data.features.dtype == np.uint8 else float(data.features.max())
    for line, rows in zip(lines, chosen, strict=True):
        pixels = data.features[rows].astype(np.float64) / highest
        line[: len(rows), :, gap // 2 : gap // 2 + height, gap // 2 : gap // 2 + width] = (
            pixels.reshape(-1, channels, height, width)
        )
    sheet = lines.transpose(0, 3, 1, 4, 2)
    return sheet.reshape(len(chosen) * (height + gap), images * (width + gap), channels)


def _check(given: argparse.Namespace) -> None:
    from snnjax.data.dataset import SPLITS

    if given.images < 1:
        raise ConfigError([f"--images={given.images}: out of range; allowed: an integer >= 1"])
    if given.split not in SPLITS:
        hint = nearest(given.split, SPLITS)
        allowed = enumerate_names(SPLITS)
        raise ConfigError([complaint("--split", given.split, "no such split", allowed, hint)])
    if given.out.suffix not in _FILES:
        allowed = f"a name that ends in {', '.join(_FILES)}"
        raise ConfigError([f"--out={given.out}: not the name of an image; allowed: {allowed}"])


def _data_config(overrides: Sequence[str]) -> DataConfig:
    from snnjax.config.preflight import the_only

    return the_only(overrides, "one data set at a time; allowed: one value for every key").data


if __name__ == "__main__":
    sys.exit(main())
