"""The words of a command line of baselines: which are theirs, which they share with networks."""

from collections.abc import Sequence
from typing import Any

from snnjax.baselines.config import METHODS, BaselineConfig
from snnjax.config.errors import complaint, enumerate_names, nearest, show
from snnjax.config.fields import annotations, leaves, own_leaves, suggest
from snnjax.config.schema import Config
from snnjax.config.sources import ADDED_GROUPS, groups

METHOD = "model"
SHARED = ("monitor",)
"""Of the training of networks this alone has a meaning here; the rest are baselines' own."""

_GROUPS = ("data", *ADDED_GROUPS)


def complaint_of(text: str) -> str:
    """Return what is wrong with the key of an override, as far as baselines know more of it."""
    if text.partition("=")[0] == "scale":
        return ""  # short for sweep.scale, which is judged with all other values
    key, equals, value = text.partition("=")
    bare = key.lstrip("+~")
    if not equals or is_own(bare) or is_common(bare):
        return ""
    allowed = "data, experiment, sweep, model, seed, data.*, sweep.*, training.monitor and refit"
    if bare in groups() or any(
        leaf.path == bare or leaf.path.startswith(f"{bare}.") for leaf in leaves(Config)
    ):
        return complaint(key, value, "is a key of networks, not of baselines", allowed)
    siblings = tuple(annotations(BaselineConfig))
    hint = suggest(BaselineConfig, bare, siblings)
    return complaint(key, value, "unknown key", allowed, hint)


def unknown_number(key: str, values: Sequence[Any], methods: Sequence[str]) -> str:
    """Return a complaint about a number that none of the methods has."""
    known = dict.fromkeys(name for method in methods for name in own_leaves(METHODS[method]))
    if key == "name":
        shown = ",".join(map(show, values))
        hint = f"{METHOD}={shown}"
        return complaint(f"{METHOD}.name", shown, "is set by choosing the model", hint=hint)
    if key in known:
        return ""
    names = [name for name in known if name != "name"]
    near = nearest(key, names)
    problem = f"no number of {' or '.join(methods)}"
    shown = ",".join(map(show, values))
    return complaint(
        f"{METHOD}.{key}", shown, problem, enumerate_names(names), near and f"{METHOD}.{near}"
    )


def is_own(key: str) -> bool:
    """Tell whether a key is one that only baselines have."""
    return key in (METHOD, "training.refit") or key.startswith(f"{METHOD}.")


def is_common(key: str) -> bool:
    """Tell whether a key means the same for networks and baselines."""
    is_shared = key == "seed" or key.startswith(("data.", "sweep."))
    is_shared = is_shared or key in {f"training.{name}" for name in SHARED}
    return is_shared or is_group(key)


def is_group(key: str) -> bool:
    """Tell whether a key chooses a file of `conf/`."""
    return key in _GROUPS


def key_of(text: str) -> str:
    """Return the key of an override."""
    return text.partition("=")[0]
