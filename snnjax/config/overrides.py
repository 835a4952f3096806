"""The command line, checked before Hydra sees it: every key must exist, every choice too.

What a value may be is the business of the strict conversion; what Hydra itself is told
(`hydra.run.dir=...`, `hydra/launcher=...`) is Hydra's.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest
from snnjax.config.fields import TAG, annotations, is_open, leaves, sections, suggest
from snnjax.config.schema import Config
from snnjax.config.sources import ADDED_GROUPS, groups

Groups = Mapping[str, tuple[str, ...]]

_SHORT = {"scale": "sweep.scale"}
"""Words of the command line for keys that are often set."""
_CHOSEN_WHOLE = ("model",)  # `model.name=msra` alone would leave a SELU network of that name
_TAKES_VALUE = {
    *("--cfg", "-c", "--package", "-p", "--info", "-i", "--experimental-rerun"),
    *("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"),
}
_OVERRIDE = re.compile(
    r"(?P<prefix>\+\+|\+|~)?(?P<key>[^=@]+)(@[^=]*)?(=(?P<value>.*))?", re.DOTALL
)
_CHOICE = re.compile(r"choice\((?P<names>.*)\)")
_FUNCTION = re.compile(r"\w+\(.*\)")  # glob(*) and the like, which Hydra works out


def check_overrides(argv: Sequence[str]) -> list[str]:
    """Return the command line `argv` as Hydra wants it.

    `scale` becomes `sweep.scale`. `experiment=NAME` and `sweep=NAME` get the `+` that Hydra asks
    for, keys of the user's own the `++` with which they may be there already.

    Args:
        argv: What follows the program's name: options and overrides.

    Raises:
        ConfigError: With a line for every key or choice that does not exist.
    """
    arguments = list(argv)
    if {"--shell-completion", "-sc"} & set(arguments):
        return arguments
    known = _known_groups(arguments)
    mistakes = []
    for position in _override_positions(arguments):
        token = arguments[position] = _in_full(arguments[position])
        if mistake := _check(token, known):
            mistakes.append(mistake)
        elif token.partition("=")[0] in ADDED_GROUPS:
            arguments[position] = f"+{token}"
        elif _is_below_open(token.partition("=")[0]):
            arguments[position] = f"++{token}"
    if mistakes:
        raise ConfigError(mistakes)
    return arguments


def _in_full(token: str) -> str:
    key, equals, value = token.partition("=")
    return f"{_SHORT[key]}={value}" if equals and key in _SHORT else token


def _known_groups(arguments: Sequence[str]) -> Groups:
    """Return snnjax's groups and those of the folders named by `--config-dir`/`--config-path`."""
    found = dict(groups())
    for option, value in _option_values(arguments):
        if option in ("--config-dir", "-cd", "--config-path", "-cp"):
            for group, names in groups(Path(value)).items():
                found[group] = tuple(dict.fromkeys((*found.get(group, ()), *names)))
    return found


def _option_values(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for position, token in enumerate(arguments):
        option, equals, attached = token.partition("=")
        if option in _TAKES_VALUE:
            yield option, attached if equals else "".join(arguments[position + 1 : position + 2])


def _override_positions(arguments: Sequence[str]) -> Iterator[int]:
    """Yield where the overrides are: neither options nor the values of options."""
    previous = ""
    for position, token in enumerate(arguments):
        if not token.startswith("-") and previous not in _TAKES_VALUE:
            yield position
        previous = token


def _check(token: str, known: Groups) -> str:
    """Return what is wrong with one override, or an empty string."""
    match = _OVERRIDE.fullmatch(token)
    if match is None:
        return f"{token}: not of the form key=value"
    prefix, key, value = match["prefix"] or "", match["key"], match["value"]
    if key == "hydra" or key.startswith(("hydra.", "hydra/")):
        return ""
    if value is None and prefix != "~":
        return _check_bare_word(token, known)
    if prefix == "~" and (key in known or key in _paths()):
        problem = "nothing can be deleted, its default would stand in"
        allowed = enumerate_names(known[key]) if key in known else "another value"
        return complaint(f"~{key}", value, problem, allowed)
    if key in known and value is not None:
        return _check_choice(prefix, key, value, known)
    return _check_key(prefix, key, value, known)


def _check_bare_word(token: str, known: Groups) -> str:
    homes = [group for group, names in known.items() if token in names]
    hint = f"; did you mean {homes[0]}={token}?" if homes else ""
    return f"{token}: not of the form key=value{hint}"


def _check_choice(prefix: str, group: str, value: str, known: Groups) -> str:
    """Return what is wrong with the choice of `value` (several in a sweep) out of `group`."""
    if prefix.startswith("+") and group not in ADDED_GROUPS:
        problem = "has a choice already, to be changed without a +"
        return complaint(prefix + group, value, problem, hint=f"{group}={value}")
    allowed = enumerate_names(known[group])
    if value.startswith("[") and group not in ADDED_GROUPS:
        problem = f"one {group} at a time; -m with {group}=... and commas makes several runs"
        return complaint(group, value, problem, allowed)
    for name in _chosen(value):
        if name not in known[group]:
            hint = _likely_choice(group, name, known)
            return complaint(group, name, "no such choice", allowed, hint)
    return ""


def _chosen(value: str) -> Iterator[str]:
    """Yield the names in the value of a group: one, a list, or the values of a sweep."""
    choice = _CHOICE.fullmatch(value)
    if _FUNCTION.fullmatch(value) and not choice:
        return
    listed = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    is_whole = value.startswith("{") or "${" in value
    for name in [value] if is_whole else (choice["names"] if choice else listed).split(","):
        yield name.strip().strip("'\"").removesuffix(".yaml")


def _likely_choice(group: str, name: str, known: Groups) -> str:
    if group == "data":
        from snnjax.data import catalog

        if name in catalog.names():
            return f"data.name={name}"
    return nearest(name, known[group])


def _check_key(prefix: str, key: str, value: str | None, known: Groups) -> str:
    """Return what is wrong with the configuration key `key`."""
    section, _, field = key.partition(".")
    union = len(sections(annotations(Config).get(section))) > 1
    renamed = section in _CHOSEN_WHOLE and value in known[section]
    if field == TAG and (union or renamed):
        problem = f"is set by choosing the {section}"
        return complaint(key, value, problem, enumerate_names(known[section]), f"{section}={value}")
    if _is_below_open(key):
        return ""
    if key in _paths():
        if prefix == "+":
            return complaint(f"+{key}", value, "exists already, to be set without a +", hint=key)
        return ""
    return _unknown_key(prefix + key, key, value, known)


def _is_below_open(key: str) -> bool:
    """Tell whether a key is one of the user's own, such as an argument of an optimizer."""
    parent = key.rpartition(".")[0]
    return any(is_open(leaf) and leaf.path == parent for leaf in leaves(Config))


def _paths() -> set[str]:
    """Return the dotted keys of all fields and of all sections."""
    paths = {leaf.path for leaf in leaves(Config)}
    return paths | {path.rpartition(".")[0] for path in paths} - {""}


def _unknown_key(shown: str, key: str, value: str | None, known: Groups) -> str:
    parent = key.rpartition(".")[0]
    allowed = _children(parent) or tuple(dict.fromkeys((*annotations(Config), *known)))
    if not parent:
        hint = _likely_top(key, allowed)
        if value in known.get(hint, ()):
            hint = f"{hint}={value}"
    elif (hint := suggest(Config, key, allowed)) in allowed:
        hint = f"{parent}.{hint}"
    return complaint(shown, value, "unknown key", enumerate_names(allowed), hint)


def _likely_top(key: str, allowed: Sequence[str]) -> str:
    """Return the nearest group or top-level key, or else the nearest key of any section."""
    exact = any(leaf.key == key for leaf in leaves(Config))
    return (not exact and nearest(key, allowed)) or suggest(Config, key, ())


def _children(path: str) -> tuple[str, ...]:
    """Return the keys directly under `path`; none if there is no such section."""
    prefix = f"{path}." if path else ""
    found = (leaf.path for leaf in leaves(Config) if leaf.path.startswith(prefix))
    return tuple(dict.fromkeys(p[len(prefix) :].partition(".")[0] for p in found)) if path else ()
