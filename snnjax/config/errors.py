"""What a user reads when a configuration is wrong: one line per mistake."""

from collections.abc import Iterable, Sequence
from typing import Any

_SHOWN_NAMES = 12
_SHOWN_CHARACTERS = 60


class ConfigError(ValueError):
    """A configuration that cannot be run.

    Attributes:
        mistakes: One line each; `str` of the error is these lines.
    """

    def __init__(self, mistakes: str | Iterable[str]) -> None:
        lines = (mistakes,) if isinstance(mistakes, str) else mistakes
        self.mistakes = tuple(dict.fromkeys(lines))
        super().__init__("\n".join(self.mistakes))

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[tuple[str, ...]]]:
        return type(self), (self.mistakes,)  # picklable: a job may fail in another process


def complaint(key: str, value: str | None, problem: str, allowed: str = "", hint: str = "") -> str:
    """Return `key=value: problem; allowed: ...; did you mean ...?` on one line.

    Args:
        key: The dotted key.
        value: What was given, as text (see `show`); None where there was nothing but the key.
        problem: What is wrong with it.
        allowed: What could stand there.
        hint: The valid choice nearest to what was given.
    """
    line = key if value is None else f"{key}={value}"
    line += f": {problem}"
    if allowed:
        line += f"; allowed: {allowed}"
    if hint:
        line += f"; did you mean {hint}?"
    return line


def show(value: Any) -> str:
    """Return `value` as it would be written on the command line, cut to a readable length."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = " ".join(str(value).split())
    if isinstance(value, str) and (not text or is_like_number(text)):
        text = f"'{text}'"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def is_like_number(text: str) -> bool:
    """Return whether `text` reads as a number, so that quotes around it make a difference."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def enumerate_names(names: Sequence[str]) -> str:
    """Return `names` separated by commas, the first few of them if there are many."""
    if len(names) <= _SHOWN_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:_SHOWN_NAMES])} and {len(names) - _SHOWN_NAMES} more"


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the one of `names` that `name` was most likely meant to be, or an empty string."""
    import difflib  # only on the way to an error

    folded = {_fold(candidate): candidate for candidate in names}
    wanted = _fold(name)
    close = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.6)
    if not close and wanted:
        close = [key for key in folded if key.startswith(wanted) or wanted.startswith(key)][:1]
    return folded[close[0]] if close else ""


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")
