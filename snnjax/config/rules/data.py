"""What the data set decides: judged by its entry in the catalog, before any file is opened."""

from pathlib import Path

from snnjax.config.errors import complaint, show
from snnjax.config.schema import Config

# Data of one's own: how what data.path names is looked for, and what it is to be.
_OWN_DATA = {
    "table": (Path.is_file, "file", "a CSV file with a header"),
    "images": (Path.is_dir, "folder", "a folder of images"),
}


def own_data_exist(config: Config) -> str:
    """Refuse a table of one's own without a file, and images without a folder."""
    data = config.data
    if data.name not in _OWN_DATA:
        return ""
    is_there, kind, what = _OWN_DATA[data.name]
    if data.path and is_there(Path(data.path).expanduser()):
        return ""
    problem = f"is not an existing {kind}" if data.path else f"data.name={data.name} needs a {kind}"
    return complaint("data.path", show(data.path), problem, what)


def data_set_has_predictors(config: Config) -> str:
    """Refuse a data set that was published without its predictors."""
    from snnjax.data import catalog

    return catalog.missing_predictors(config.data.name)


def root_exists(config: Config) -> str:
    """Refuse a `data.root` that is no folder."""
    return no_such_folder("data.root", config.data.root) if config.data.root else ""


def fold_exists(config: Config) -> str:
    """Refuse a fold that the data set does not have."""
    from snnjax.data import catalog

    folds = catalog.entry_of(config.data).folds
    if config.data.fold < folds:
        return ""
    allowed = f"0 to {folds - 1} for {config.data.name}"
    return complaint("data.fold", show(config.data.fold), "out of range", allowed, str(folds - 1))


def no_such_folder(key: str, path: str) -> str:
    """Return a complaint about the value `path` of `key` unless it is an existing folder."""
    if Path(path).expanduser().is_dir():
        return ""
    return complaint(key, path, "is not an existing folder")
