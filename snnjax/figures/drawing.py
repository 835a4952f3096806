"""From folders to files: which figures can be drawn, and writing them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest
from snnjax.figures.captions import caption
from snnjax.figures.curves import has_metrics
from snnjax.figures.groups import Group, group_runs
from snnjax.figures.picture import Choices
from snnjax.figures.records import Run, Surface, read_runs, read_surfaces
from snnjax.figures.registry import NAMES, PICTURES, SURFACE, Picture
from snnjax.figures.style import SUFFIXES, add_caption, save, styled
from snnjax.figures.surfaces import MOST_SURFACES, draw_surfaces
from snnjax.file_names import CONFIG_FILE, DIAGNOSTICS_FILE, METRICS_FILE, SURFACE_FILE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = tuple(suffix.removeprefix(".") for suffix in SUFFIXES)
FOLDER = "figures"
"""Where figures go, below the first folder they are drawn from."""


def draw(
    folders: Sequence[Path],
    names: Sequence[str] = (),
    out: Path | None = None,
    *,
    formats: Sequence[str] = ("svg", "png"),
    choices: Choices = Choices(),  # noqa: B008  frozen
) -> list[Path]:
    """Draw figures of the runs in and below some folders; return the files in order.

    Args:
        folders: Run folders, sweep folders.
        names: Of figures; without, all those that the folders hold the data for.
        out: Where the files go, made if needed; None for `figures` in the first folder.
        formats: Of `FORMATS`; each figure is written in each.
        choices: What can be chosen about single figures.

    Raises:
        ConfigError: No such folder, figure or format; a file that is broken; nothing to draw.
        OSError: A file cannot be written.
    """
    check_names(names, NAMES, "no such figure")
    check_names(formats, FORMATS, "no such format")
    runs, surfaces = read_runs(folders), read_surfaces(folders)
    if not runs and not surfaces:
        files = f"{CONFIG_FILE} beside {METRICS_FILE} or {DIAGNOSTICS_FILE}"
        raise ConfigError(f"{_listed(folders)}: no runs in or below it: no {files}")
    groups, wanted = group_runs(runs), list(dict.fromkeys(names))
    for name in wanted:
        _refuse_absent(name, groups, surfaces, folders)
    where = folders[0] / FOLDER if out is None else out
    written = []
    for name, figure in _figures(groups, surfaces, wanted or NAMES, choices):
        try:
            where.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{where}: cannot be made: {error.strerror}") from error
        for kind in dict.fromkeys(formats):
            path = where / f"{name}.{kind}"
            save(figure, path)
            written.append(path)
    if not written:
        raise ConfigError(
            f"{_listed(folders)}: nothing to draw: runs without metrics or diagnostics"
        )
    return written


def check_names(names: Sequence[str], known: Sequence[str], problem: str) -> None:
    """Refuse names that are not among those known.

    Raises:
        ConfigError: The first that is not, with what is allowed.
    """
    for name in names:
        if name not in known:
            hint = nearest(name, known)
            raise ConfigError(complaint(name, None, problem, enumerate_names(known), hint))


def suited(name: str, groups: Sequence[Group]) -> list[Group]:
    """Return the groups that hold what a figure needs, with those of their runs that do."""
    picture = PICTURES[name]
    kept = [
        replace(group, runs=tuple(run for run in group.runs if _is_suited(picture, run)))
        for group in groups
    ]
    return [group for group in kept if group.runs]


def _is_suited(picture: Picture, run: Run) -> bool:
    if not picture.needs and not picture.one_of:
        return has_metrics(run)
    has_one = not picture.one_of or any(key in run.record for key in picture.one_of)
    return has_one and all(key in run.record for key in picture.needs)


def _figures(
    groups: Sequence[Group],
    surfaces: Sequence[Surface],
    names: Sequence[str],
    choices: Choices,
) -> Iterator[tuple[str, "Figure"]]:
    for name in names:
        if name == SURFACE:
            if surfaces:
                yield name, _drawn_surfaces(surfaces)
        elif own := suited(name, groups):
            yield name, _drawn(name, own, len(groups), choices)


@styled
def _drawn(name: str, groups: Sequence[Group], of: int, choices: Choices) -> "Figure":
    picture = PICTURES[name]
    shown = _spread(groups, picture.most)
    drawn = picture.draw(shown, choices)
    keys = (*picture.needs, *picture.one_of)
    add_caption(drawn.figure, caption(drawn.seen, shown, of, keys))
    return drawn.figure


def _spread(groups: Sequence[Group], most: int) -> Sequence[Group]:
    """Return so many groups, evenly spread over all."""
    count = min(most, len(groups))
    return [groups[place * len(groups) // count] for place in range(count)]


@styled
def _drawn_surfaces(surfaces: Sequence[Surface]) -> "Figure":
    shown = surfaces[:MOST_SURFACES]
    drawn = draw_surfaces(shown)
    more = f"{len(shown)} of {len(surfaces)} files are drawn." if shown != surfaces else ""
    add_caption(drawn.figure, " ".join([*drawn.seen, more]).strip())
    return drawn.figure


def _refuse_absent(
    name: str, groups: Sequence[Group], surfaces: Sequence[Surface], folders: Sequence[Path]
) -> None:
    """Raise where the data of a figure are not there, naming them and how they come to be."""
    where = _listed(folders)
    if name == SURFACE:
        if not surfaces:
            raise ConfigError(f"{name}: no {SURFACE_FILE} in {where}")
        return
    if suited(name, groups):
        return
    picture = PICTURES[name]
    if not picture.needs and not picture.one_of:
        raise ConfigError(f"{name}: no metrics in {METRICS_FILE} of the runs in {where}")
    held = {key for group in groups for run in group.runs for key in run.record}
    missing = [key for key in picture.needs if key not in held]
    lacking = ", ".join(missing) or " or ".join(picture.one_of) or ", ".join(picture.needs)
    switch = "measured where `diagnostics=...` is switched on with the measure that gives it"
    if not held:
        problem = f"no run in {where} has {DIAGNOSTICS_FILE}; {switch}: {lacking}"
    else:
        problem = f"no {lacking} in {DIAGNOSTICS_FILE} of {where}; {switch}"
    raise ConfigError(f"{name}: {problem}")


def _listed(folders: Sequence[Path]) -> str:
    return enumerate_names([str(folder) for folder in folders])
