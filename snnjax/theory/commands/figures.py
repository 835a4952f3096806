"""`python -m snnjax.theory figures`: the pictures of the theory."""

import argparse
from pathlib import Path

SUMMARY = "draw the moment map, its contraction, the activations, moments by depth"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the subcommand takes."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="of figures; by default all")
    parser.add_argument(
        "--out-dir", type=Path, default=Path(), metavar="DIR", help="made if needed"
    )
    parser.add_argument("--formats", nargs="+", default=["svg", "png"], help="svg, png or pdf")


def run(given: argparse.Namespace) -> int:
    """Write each figure in each format, and print the names of the files."""
    from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest
    from snnjax.figures.style import SUFFIXES, save
    from snnjax.theory.pictures import FIGURES

    for name in given.names:
        if name not in FIGURES:
            known = list(FIGURES)
            problem, hint = "no such figure", nearest(name, known)
            raise ConfigError(complaint(name, None, problem, enumerate_names(known), hint))
    for kind in given.formats:
        if f".{kind}" not in SUFFIXES:
            raise ConfigError(f"--formats {kind}: no such format; allowed: svg, png, pdf")
    try:
        given.out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out-dir={given.out_dir}: cannot be made: {error.strerror}") from error
    for name in dict.fromkeys(given.names or FIGURES):
        figure = FIGURES[name]()
        for kind in given.formats:
            path = given.out_dir / f"{name}.{kind}"
            save(figure, path)
            print(path)
    return 0
