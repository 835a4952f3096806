"""`python -m snnjax.theory NAME ...`: the mathematics of self-normalisation as a program.

Every module in `commands` is a subcommand of its name, and is imported when it is asked for. It has
`SUMMARY`, one line; `add_arguments(parser)`; and `run(given)`, which returns the exit code.
"""

import argparse
import importlib
import pkgutil
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest
from snnjax.endings import DONE, told
from snnjax.theory import commands

_PROGRAM = "python -m snnjax.theory"
_ORDER = ("map", "fixed", "constants", "prove", "check", "predict", "figures")
# argparse takes such a negative number for an option.
_WITH_EXPONENT = re.compile(r"-(\d+\.?\d*|\.\d+)[eE][+-]?\d+")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; return 0 for done, 1 for false or failed, 2 for a mistake."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return told(lambda: _start(words))


def _start(words: Sequence[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print("\n".join(_help()))
        return DONE
    return _run(words[0], [_plain(word) for word in words[1:]])


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Tells defaults, where there are any."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_none = action.default is None or action.default is False
        return action.help if has_none else super()._get_help_string(action)


class _Parser(argparse.ArgumentParser):
    """Tells of a mistake in one line."""

    def options(self) -> list[str]:
        """Return the names of all options."""
        return [option for action in self._actions for option in action.option_strings]

    def error(self, message: str) -> NoReturn:
        option = re.fullmatch(r"argument (--\S+): (.*)", message, re.DOTALL)
        raise ConfigError(": ".join(option.groups()) if option else message)


def _run(name: str, words: Sequence[str]) -> int:
    names = _names()
    if name not in names:
        problem = "no such subcommand"
        raise ConfigError(
            complaint(name, None, problem, enumerate_names(names), nearest(name, names))
        )
    command = _load(name)
    parser = _Parser(
        prog=f"{_PROGRAM} {name}",
        description=command.SUMMARY,
        allow_abbrev=False,
        formatter_class=_Formatter,
    )
    command.add_arguments(parser)
    given, unknown = parser.parse_known_args(words)
    if unknown:
        options = parser.options()
        problem, hint = "no such argument", nearest(unknown[0].partition("=")[0], options)
        raise ConfigError(complaint(unknown[0], None, problem, enumerate_names(options), hint))
    return int(command.run(given))


def _help() -> list[str]:
    names = _names()
    widest = max(map(len, names))
    lines = [f"usage: {_PROGRAM} NAME ...", "", "How mean and variance pass through layers:"]
    lines += [f"  {name:{widest}}  {_load(name).SUMMARY}" for name in names]
    return [*lines, "", f"{_PROGRAM} NAME --help tells the arguments."]


def _names() -> list[str]:
    """List the subcommands there are, in the order of `_ORDER`."""
    found = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    return [name for name in _ORDER if name in found] + sorted(found - {*_ORDER})


def _load(name: str) -> Any:
    return importlib.import_module(f"{commands.__name__}.{name}")


def _plain(word: str) -> str:
    """Return a negative number with an exponent as one without, equal to the last digit."""
    from decimal import Decimal

    return f"{Decimal(word):f}" if _WITH_EXPONENT.fullmatch(word) else word


if __name__ == "__main__":
    sys.exit(main())
