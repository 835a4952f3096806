"""Where the YAML files are, which groups they form, and how Hydra comes to know all of it.

In an installed package `conf` and `sweeps` lie inside it, in a checkout beside it.
"""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnjax.config.errors import ConfigError
from snnjax.config.fields import annotations, is_open, own_leaves, sections, tags
from snnjax.config.schema import Config

ADDED_GROUPS = ("experiment", "sweep")
"""Groups nothing is chosen of by default, before which Hydra wants a `+`."""


def folder(name: str) -> Path:
    """Return the folder of YAML files `name`: `conf` or `sweeps`.

    Raises:
        ConfigError: It is neither in the package nor beside it.
    """
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise ConfigError([f"{package / name}: no such folder; is the installation complete?"])


def groups(conf: Path | None = None) -> Mapping[str, tuple[str, ...]]:
    """Return every configuration group with its choices, both in alphabetical order.

    Hydra's own groups are left out.

    Args:
        conf: The folder with the groups in it; by default that of snnjax, with the sweeps.
    """
    root = conf or folder("conf")
    files: dict[str, list[str]] = {}
    for path in sorted(root.glob("*/**/*.yaml")):
        group = path.parent.relative_to(root).as_posix()
        if not group.startswith("hydra/"):
            files.setdefault(group, []).append(path.stem)
    if conf is None:
        files["sweep"] = sorted(path.stem for path in folder("sweeps").glob("*.yaml"))
    return {group: tuple(choices) for group, choices in files.items()}


def register() -> None:
    """Give Hydra the defaults of the dataclasses, the sweeps, and the list of groups for --help.

    The defaults go in as plain dictionaries, not as a structured config, so that mistakes reach
    the strict conversion and are told in its words.
    """
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    store = ConfigStore.instance()
    store.store(group="schema", name="config", node=defaults(Config), package="_global_")
    for name, annotation in annotations(Config).items():
        if len(sections(annotation)) > 1:
            for tag, schema in tags(annotation).items():
                store.store(group=f"schema/{name}", name=tag, node=defaults(schema))
    for path in folder("sweeps").glob("*.yaml"):
        node = OmegaConf.to_container(OmegaConf.load(path))
        store.store(group="sweep", name=path.stem, node=node, package="_global_")
    OmegaConf.register_new_resolver("snnjax_groups", describe_groups, replace=True)


def defaults(schema: type) -> dict[str, Any]:
    """Return the defaults of the dataclass `schema`, nested.

    A union of sections is left empty, to be filled by the YAML file that chooses one of them.
    """
    own = own_leaves(schema)
    found: dict[str, Any] = {}
    for name, annotation in annotations(schema).items():
        if name in own:
            found[name] = {} if is_open(own[name]) else own[name].default
        else:
            only, *others = sections(annotation)
            found[name] = {} if others else defaults(only)
    return found


def describe_groups() -> str:
    """Return the groups and their choices for the help page, aligned, within 100 columns."""
    listed = dict(groups())
    last = {name: listed.pop(name) for name in ADDED_GROUPS if name in listed}
    width = max(map(len, (*listed, *last)))
    lines: list[str] = []
    for group, choices in (*listed.items(), *last.items()):
        margin = " " * (width + 4)
        wrapped = textwrap.wrap(
            ", ".join(choices), 100, initial_indent=margin, subsequent_indent=margin
        )
        first = f"  {group:{width}}  {(wrapped or [''])[0].strip()}"
        lines += [first, *wrapped[1:]]
    return "\n".join(lines)
