"""Every data set by name: where its reader lives, its task and its number of folds.

Standard library only and quick to import, so that a configuration can be checked without NumPy.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from snnjax.config.errors import complaint, enumerate_names, nearest, show
from snnjax.metric_names import Task

if TYPE_CHECKING:
    from snnjax.config.schema import DataConfig

TABLE, IMAGES, TOX21 = "table", "images", "tox21"
CONFIGURED = (TABLE, IMAGES, TOX21)
"""Sets of which the configuration says more: tables and image folders of one's own, and tox21."""
UCI_TABLE = os.path.join(os.path.dirname(__file__), "uci121.csv")


class DataError(ValueError):
    """A data set that cannot be had as asked for; the message is one line for the user."""


class Entry(NamedTuple):
    """What is known of a data set before any file is opened.

    Attributes:
        reader: `package.module:function`, called with the name and the root folder; those of
            `CONFIGURED` with the configuration of the data.
        folds: Values `data.fold` may take: 0 to folds - 1.
        task: What its targets ask for.
        image: Height, width and channels if its rows are images, plane by plane.
    """

    reader: str
    folds: int
    task: Task = "classification"
    image: tuple[int, int, int] | None = None


class UciEntry(NamedTuple):
    """One row of `uci121.csv`.

    Attributes:
        rows: Number of rows.
        features: Number of predictors.
        classes: Number of classes.
        sha256: Hex digest over the four member files, see `uci.content_digest`; empty for
            miniboone, which the archive has with labels and folds but without predictors.
    """

    rows: int
    features: int
    classes: int
    sha256: str


_OTHERS: Mapping[str, Entry] = {
    "cifar10": Entry("snnjax.data.vision:read_cifar10", 5, image=(32, 32, 3)),
    "mnist": Entry("snnjax.data.vision:read_idx_set", 5, image=(28, 28, 1)),
    "fashion_mnist": Entry("snnjax.data.vision:read_idx_set", 5, image=(28, 28, 1)),
    "boston": Entry("snnjax.data.tabular:read_boston", 5, "regression"),
    "htru2": Entry("snnjax.data.tabular:read_htru2", 10),
    TOX21: Entry("snnjax.data.tox21.reader:read", 6, "multilabel"),
    "shapeset": Entry("snnjax.data.shapeset:read", 1, image=(32, 32, 1)),
    "sklearn_breast_cancer": Entry("snnjax.data.bundled:read", 5),
    "sklearn_diabetes": Entry("snnjax.data.bundled:read", 5, "regression"),
    "sklearn_digits": Entry("snnjax.data.bundled:read", 5, image=(8, 8, 1)),
    "sklearn_iris": Entry("snnjax.data.bundled:read", 5),
    "sklearn_linnerud": Entry("snnjax.data.bundled:read", 5, "regression"),
    "sklearn_wine": Entry("snnjax.data.bundled:read", 5),
    TABLE: Entry("snnjax.data.own_table:read", 5),
    IMAGES: Entry("snnjax.data.image_folder:read", 5),
}
_UCI = Entry("snnjax.data.uci:read", 4)


@cache
def uci_table() -> Mapping[str, UciEntry]:
    """Return the committed table of the 121 UCI sets, by name in alphabetical order."""
    with open(UCI_TABLE, encoding="ascii") as file:
        lines = file.read().splitlines()[1:]
    table = {}
    for line in lines:
        name, rows, features, classes, sha256 = line.split(",")
        table[name] = UciEntry(int(rows), int(features), int(classes), sha256)
    return table


@cache
def _entries() -> Mapping[str, Entry]:
    return {**_OTHERS, **dict.fromkeys(uci_table(), _UCI)}


def names() -> tuple[str, ...]:
    """Return the names `data.name` may take."""
    return tuple(_entries())


def entry(name: str) -> Entry:
    """Return what is known of `name`.

    Raises:
        DataError: There is no such data set; the message names the nearest one.
    """
    found = _entries().get(name)
    if found is None:
        known = names()
        hint = nearest(str(name), known)
        allowed = enumerate_names(known)
        raise DataError(complaint("data.name", show(name), "no such dataset", allowed, hint))
    return found


def entry_of(data: "DataConfig") -> Entry:
    """Return what is known of the data set that a configuration chooses.

    Raises:
        DataError: There is no such data set; the message names the nearest one.
    """
    known = entry(data.name)
    if data.name == TABLE:
        return known._replace(folds=data.folds, task=data.task)
    if data.name == IMAGES:
        return known._replace(folds=data.folds, image=(data.size, data.size, data.channels))
    return known


def folds(name: str) -> int:
    """Return how many values `data.fold` may take for data set `name`."""
    return entry(name).folds


@cache
def images() -> Mapping[str, tuple[int, int, int]]:
    """Return height, width and channels of the images in each published data set of such."""
    shapes = {name: entry(name).image for name in names()}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def missing_predictors(name: str) -> str:
    """Return why `name` cannot be loaded whatever the files, or an empty string if it can."""
    if name not in uci_table() or uci_table()[name].sha256:
        return ""
    allowed = f"the other {len(uci_table()) - 1} UCI sets, or any other name"
    problem = "its predictors are missing from the published archive"
    return complaint("data.name", name, problem, allowed)
