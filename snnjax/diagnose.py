"""`python -m snnjax.diagnose RUN [NAME...]`: look into the networks of a run that has ended.

Three networks are looked at: as it was before training, the best, and the last. Without names all
diagnostics are computed; `surface` is the loss over two weights. Results lie in RUN/diagnose (or
--out), which `python -m snnjax.figures RUN/diagnose` draws.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnjax.array_file import write_arrays
from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest, show
from snnjax.config.kept import read_config
from snnjax.config.schema import Config, DiagnosticsConfig
from snnjax.config.split import split
from snnjax.config.strict import convert
from snnjax.config.values import is_plain_number
from snnjax.diagnostics.predicted import predicted
from snnjax.diagnostics.record import Record
from snnjax.endings import told
from snnjax.file_names import CONFIG_FILE, SURFACE_FILE
from snnjax.registry import DIAGNOSTICS
from snnjax.whole_file import write_whole

if TYPE_CHECKING:
    from snnjax.arrays import Layout
    from snnjax.training import MemberState

SURFACE = "surface"
_SHOWN = (
    "activation_mean", "activation_variance", "predicted_variance", "activation_gradient_variance",
    "saturated", "dead", "layer_singular",
)  # fmt: skip


def main() -> int:
    """Look as `sys.argv` asks for; return 0, 1 for a failure, 2 for a mistake."""
    return told(_diagnose)


def _diagnose() -> int:
    given = _parser().parse_args()
    names = given.names or list(DIAGNOSTICS)
    _check(names)
    config = _config_of(given.run)
    out = given.out or given.run / "diagnose"
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / CONFIG_FILE, (given.run / CONFIG_FILE).read_bytes())
    layout, states = _states(given.run, config)
    rows = _rows_of(layout, given.rows)
    if measures := tuple(name for name in names if name != SURFACE):
        record = _look(config, layout, states, measures, rows, out)
        print("\n".join(_table(record.last)))
        print(record.path)
    if SURFACE in names:
        print(_surface(config, layout, states[-1], rows, given, out))
    return 0


def _check(names: Sequence[str]) -> None:
    """Refuse what is no diagnostic; functions of one's own are `package.module:function`."""
    known = (*DIAGNOSTICS, SURFACE)
    for name in names:
        if ":" in name:
            convert(DiagnosticsConfig, {"measures": [name]})
        elif name not in known:
            allowed, hint = enumerate_names(known), nearest(name, known)
            raise ConfigError(complaint("NAME", name, "no such diagnostic", allowed, hint))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m snnjax.diagnose",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="its folder, with networks kept")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join(DIAGNOSTICS)}, {SURFACE}, or package.module:function",
    )
    parser.add_argument("--rows", type=_count, default=300, help="rows to look at (300)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="by default RUN/diagnose")
    parser.add_argument("--span", type=_length, default=4.0, help="of the surface's weights (4)")
    parser.add_argument("--points", type=_count, default=41, help="along each of them (41)")
    return parser


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text}: allowed: integers from 2")
    return int(text)


def _length(text: str) -> float:
    if not (is_plain_number(text) and 0 < float(text) < math.inf):
        raise argparse.ArgumentTypeError(f"{text}: allowed: a number > 0")
    return float(text)


def _config_of(run: Path) -> Config:
    path = run / CONFIG_FILE
    try:
        return read_config(run)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{show(str(run))}: not the folder of a run (no {CONFIG_FILE})"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path}: not a configuration of a run ({error})") from error


def _states(run: Path, config: Config) -> "tuple[Layout, list[MemberState]]":
    """Return the data, and the networks before training, at its best and at its end."""
    import jax
    import jax.numpy as jnp

    from snnjax import training
    from snnjax.arrays import Arrays, lay_out
    from snnjax.checkpoint import load_problem, load_states
    from snnjax.data.load import load
    from snnjax.nn.products import types_of
    from snnjax.training import MemberState

    last = jax.tree.map(jnp.asarray, load_states(run))
    layout = lay_out(load(config.data), problem=load_problem(run))
    program, member = split(config)
    arrays = Arrays(layout.table, layout.views[0])
    with types_of(config.training.precision):
        first: MemberState = training.start(program, layout.problem, member, arrays)
        steps = training.pace_of(program, layout.problem, member, last, arrays).epoch_steps
        train = last.train._replace(network=last.best, step=jnp.uint32(steps * last.best_epoch))
    best = last._replace(train=train, epoch=last.best_epoch)
    states = {int(state.train.step): state for state in (first, best, last)}
    return layout, [states[step] for step in sorted(states)]


def _rows_of(layout: "Layout", rows: int) -> int:
    """Return how many rows are looked at: no more than the split has, but for padding."""
    sizes = layout.problem.validation_rows or layout.problem.train_rows
    return min(rows, sizes[-1])


def _look(
    config: Config,
    layout: "Layout",
    states: "Sequence[MemberState]",
    measures: tuple[str, ...],
    rows: int,
    out: Path,
) -> Record:
    """Measure networks one after another and write what was seen."""
    import jax

    from snnjax.compilation import compiled, keep_compiled
    from snnjax.diagnostics.look import Choice, labels, look_at_members
    from snnjax.nn.products import types_of
    from snnjax.strategy import Strategy

    keep_compiled()
    program, member = split(config)
    seat = member, layout.views[0]
    statics = program, layout.problem, Strategy(), Choice(measures, rows)
    record = Record(out)
    record.resume(0)
    with types_of(config.training.precision):
        for state in states:
            seats, alone = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (seat, state))
            names = labels(program, layout.problem, seats, alone, layout.table)
            look, _ = compiled(look_at_members, statics, (seats, alone, layout.table))
            seen = jax.device_get(look(seats, alone, layout.table))
            arrays = {name: array[0] for name, array in seen.items()}
            epoch, step = float(arrays.pop("epoch")), int(arrays.pop("step"))
            del arrays["status"]
            record.add(epoch, step, names, arrays | predicted(config.model, arrays))
    record.write()
    return record


def _surface(
    config: Config,
    layout: "Layout",
    state: "MemberState",
    rows: int,
    given: argparse.Namespace,
    out: Path,
) -> Path:
    from snnjax.arrays import Arrays
    from snnjax.diagnostics.scene import Scene
    from snnjax.diagnostics.surface import loss_surface
    from snnjax.nn.products import types_of

    if layout.problem.task != "classification":
        raise ConfigError(f"{SURFACE}: compares costs of classes; {config.data.name} has none")
    if config.model.norm == "weight":
        raise ConfigError(f"{SURFACE}: changes single weights; with norm=weight there are none")
    program, member = split(config)
    arrays = Arrays(layout.table, layout.views[0])
    with types_of(config.training.precision):
        scene = Scene(program, layout.problem, member, state, arrays, rows)
        surface = loss_surface(scene, given.span, given.points)
    write_arrays(out / SURFACE_FILE, surface._asdict())
    return out / SURFACE_FILE


def _table(look: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was seen of the last network, a line for each layer."""
    names = [name for name in _SHOWN if name in look]
    cells = [("layer", *(name.replace("_", " ") for name in names))]
    for place, label in enumerate(look["layers"]):
        columns = (look[name][place] for name in names if place < len(look[name]))
        numbers = (float(own[1]) if np.ndim(own) else float(own) for own in columns)
        cells.append((str(label), *(f"{number:.4g}" for number in numbers)))
    widths = [max(len(row[n]) for row in cells if n < len(row)) for n in range(len(cells[0]))]
    for row in cells:
        yield "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=False))


if __name__ == "__main__":
    sys.exit(main())
