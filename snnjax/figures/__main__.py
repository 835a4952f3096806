"""`python -m snnjax.figures DIR...`: figures from run folders.

DIR is a run folder or the folder of a sweep. Runs that differ in nothing but their seed are one
group, drawn with bands. Without --only, every figure is drawn that the folders hold the data for.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from snnjax.config.errors import ConfigError
from snnjax.endings import DONE, told


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw figures and print their files; return 0, 1 for a failure, 2 for a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m snnjax.figures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR", help="runs or sweeps")
    parser.add_argument("--only", type=_names, default=[], metavar="NAME,...", help="which figures")
    parser.add_argument("--list", action="store_true", help="print the names of all figures")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="by default DIR/figures")
    parser.add_argument(
        "--format", type=_names, default=["svg", "png"], metavar="KIND,...", help="svg, png, pdf"
    )
    parser.add_argument(
        "--layer", metavar="LABEL", help="of weights_over_time, by default the last"
    )
    given = parser.parse_args(arguments)
    return told(lambda: _print(_listing() if given.list else _draw(given)))


def _print(lines: Iterable[object]) -> int:
    for line in lines:
        print(line)
    return DONE


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _listing() -> list[str]:
    from snnjax.figures.registry import NAMES, PICTURES, SURFACE
    from snnjax.figures.surfaces import draw_surfaces

    summaries = {name: picture.summary for name, picture in PICTURES.items()}
    summaries[SURFACE] = (draw_surfaces.__doc__ or "").splitlines()[0]
    widest = max(map(len, NAMES))
    return [f"{name:{widest}}  {summaries[name]}" for name in NAMES]


def _draw(given: argparse.Namespace) -> list[Path]:
    from snnjax.figures.drawing import draw
    from snnjax.figures.picture import Choices

    if not given.folders:
        raise ConfigError("no folder given; allowed: DIR..., run folders or sweep folders")
    choices = Choices(layer=given.layer)
    return draw(
        given.folders, given.only, given.out, formats=given.format or ["svg"], choices=choices
    )


if __name__ == "__main__":
    sys.exit(main())
