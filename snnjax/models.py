"""`python -m snnjax.models`: the names there are; with overrides, the network they describe."""

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config
from snnjax.config.sources import folder
from snnjax.endings import told
from snnjax.registry import KINDS, resolve

if TYPE_CHECKING:
    from snnjax.model_summary import ModelSummary
    from snnjax.theory.moments.moment_map import Moments

_HELP = """\
usage: python -m snnjax.models [key=value | group=choice] ...

Without arguments: every name that a model can be put together from, with a line on each.
With overrides as for `python -m snnjax.train`: the network that they describe, layer by layer."""
_PLURALS = {
    "model": "models",
    "activation": "activations",
    "initializer": "initialisers",
    "normalization": "normalisations",
    "dropout": "dropouts",
    "optimizer": "optimizers",
    "diagnostic": "diagnostics",
}
_KEYS = {
    "model": "model=",
    "activation": "model.activation=",
    "initializer": "model.init=",
    "normalization": "model.norm=",
    "dropout": "model.dropout_kind=",
    "optimizer": "optimizer=",
    "diagnostic": "diagnostics.measures=",
}
_WIDTH = 100
_SENTENCE = re.compile(r"(?<=[.:])\s+(?=[A-Z])")


def main() -> int:
    """Print what `sys.argv` asks for; return 0, or 2 for what cannot be used."""
    return told(_show)


def _show() -> int:
    arguments = sys.argv[1:]
    if {"-h", "--help"} & {*arguments}:
        print(_HELP)
        return 0
    if options := [argument for argument in arguments if argument.startswith("-")]:
        raise ConfigError(f"{options[0]}: no such option; allowed: --help, overrides")
    print("\n".join(_summary_lines(arguments) if arguments else table_of_names()))
    return 0


def table_of_names() -> Iterator[str]:
    """Yield the lines of the table of names: by kind, one description each."""
    listed = {kind: _described(kind) for kind in KINDS}
    widest = max(len(name) for names in listed.values() for name in names)
    for kind, names in listed.items():
        yield f"{_PLURALS[kind]} ({_KEYS[kind]}...)"
        for name, text in names.items():
            first, after = f"  {name:{widest}}  ", " " * (widest + 4)
            yield from textwrap.wrap(
                text, _WIDTH, initial_indent=first, subsequent_indent=after
            ) or [first.rstrip()]
        yield ""
    yield "python -m snnjax.models model=snn model.depth=8 shows a network layer by layer."


def _described(kind: str) -> dict[str, str]:
    """Return what each name of a kind is: the file that sets it up says so, or the code."""
    files = {path.stem: path for path in sorted((folder("conf") / kind).glob("*.yaml"))}
    found = {name: _first_line(kind, name) for name in KINDS[kind] if name not in files}
    for name, path in files.items():
        found[name] = _first_comment(path.read_text(encoding="utf-8"))
    order = [*KINDS[kind], *(name for name in files if name not in KINDS[kind])]
    return {name: found[name] for name in order}


def _first_line(kind: str, name: str) -> str:
    text = inspect.getdoc(resolve(kind, name)) or ""
    return text.partition("\n")[0]


def _first_comment(text: str) -> str:
    """Return the first sentence of the comment that a file begins with."""
    lines = text.splitlines()
    end = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    comment = " ".join(line.lstrip("# ") for line in lines[:end] if "@package" not in line)
    return _SENTENCE.split(comment)[0]


def configured(overrides: Sequence[str]) -> Config:
    """Return the one configuration that overrides describe.

    Raises:
        ConfigError: They describe none, or several.
    """
    from snnjax.config.preflight import the_only

    problem = f"{' '.join(overrides)}: a sweep of several networks; name one of them"
    return the_only(overrides, problem)


def _summary_lines(overrides: Sequence[str]) -> list[str]:
    """Return the table of the network that overrides describe.

    Raises:
        ConfigError: They are no valid configuration.
        DataError: Its data cannot be read, which say how many inputs and outputs there are.
    """
    config = configured(overrides)
    from snnjax.data.load import load
    from snnjax.fit import check
    from snnjax.guard import Guard, inputs_of, tell
    from snnjax.model_summary import summarize_model
    from snnjax.theory.commands.predict import likeness
    from snnjax.theory.depth.network import STANDARD, Ends
    from snnjax.theory.moments.moment_map import Moments

    data = load(config.data)
    check(config, data)
    inputs = inputs_of(data)
    is_raw = config.data.standardize == "none"
    start = Moments(inputs.mean, inputs.variance) if is_raw else STANDARD
    summary = summarize_model(config.model, Ends(*inputs[:2]), start, likeness(config, data))
    tell(Guard().judge(config, data))
    return list(_table(config, summary, start))


def _table(config: Config, summary: "ModelSummary", start: "Moments") -> Iterator[str]:
    from snnjax.theory.faults import show_mean

    moments = summary.moments or ()
    cells = [("layer", "weights", "parameters", "FLOPs/row", "mean", "variance")]
    cells.append(("inputs", "", "", "", show_mean(start), f"{start.variance:.3g}"))
    for number, row in enumerate(summary.rows):
        after = moments[number] if number < len(moments) else None
        own = (show_mean(after), f"{after.variance:.3g}") if after is not None else ("", "")
        shape = " x ".join(map(str, row.shape))
        cells.append((row.name, shape, f"{row.parameters:,}", f"{row.flops:,}", *own))
    if summary.other:
        cells.append(("other", "", f"{summary.other:,}", "", "", ""))
    cells.append(("total", "", f"{summary.parameters:,}", f"{summary.flops:,}", "", ""))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    model = config.model
    yield f"{model.name} on {config.data.name}: {_choices(config)}"
    for line in cells:
        left = [f"{cell:{width}}" for cell, width in zip(line[:2], widths, strict=False)]
        right = [f"{cell:>{width}}" for cell, width in zip(line[2:], widths[2:], strict=True)]
        yield "  ".join([*left, *right]).rstrip()
    yield "FLOPs of the products with weights, forward; mean and variance of the activations at"
    yield (
        "initialisation by the moment map, without dropout."
        if summary.moments
        else "initialisation are not known for this network."
    )


def _choices(config: Config) -> str:
    model = config.model
    norm = "" if model.norm == "none" else f", {model.norm} norm"
    dropout = f", {model.dropout_kind} dropout {model.dropout:g}" if model.dropout else ""
    return f"{model.activation}, {model.init}{norm}{dropout}"


if __name__ == "__main__":
    sys.exit(main())
