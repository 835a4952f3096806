"""Whole sweeps here and in PyTorch, both cores, as wall time of whole commands, in turns.

    python benchmarks/sweep.py --out benchmarks/results/sweep.json                # against PyTorch
    python benchmarks/sweep.py --growth --out benchmarks/results/sweep.json       # trials, sets
    python benchmarks/sweep.py --strategies --out benchmarks/results/sweep.json   # the planner
    python benchmarks/sweep.py --device gpu --out benchmarks/results/sweep_gpu.json

Start of the interpreter, imports, compilation and run folders are all counted; the ratios are also
given without the time that importing the libraries takes each side. `cold` begins with an empty
compilation cache, `warm` is the second start. The trials differ in seed and learning rate;
all take the same rows, batches and number of epochs, and evaluate the validation rows every epoch.
`torch_sweep.py` says what the forms of PyTorch are. Results are kept after every command: started
again with the same --out, the benchmark goes on where it stopped. On an accelerator the peer is one
run after another, and PyTorch is not needed. Needs the `oracles` extra otherwise.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tables
from cases import (
    CASES,
    COLD,
    STRATEGY_CASES,
    WARM,
    Case,
    flops_of,
    load_rows,
)
from contestants import (
    FORMS,
    CommandError,
    Contestant,
    contestants_of,
    network_overrides,
    snnjax,
    sweep_overrides,
)
from records import Records, take_turns

TRIALS = (1, 4, 16, 64, 256, 1024)
DATA_SETS = (1, 10, 30, 100)
GROWING = Case("letter", 8, 32, trials=1, epochs=2)

AUTO = "auto"
# Members in lockstep, the launcher's `lanes`: one after another, several, all of a population.
LANES = (1, 4, 8)
WORKERS = (1, 2)

Task = tuple[str, str, dict[str, Any], dict[str, Contestant]]  # table, row, facts, who takes part


def peers_tasks(arguments: argparse.Namespace) -> Iterator[Task]:
    """Measure sweeps against their peers."""
    for case in _chosen(CASES, arguments):
        rows = load_rows(case)
        facts = {
            "samples": case.trials * case.epochs * len(rows["features"]),
            "flops": flops_of(case, rows),
            "wanted": [one._asdict() for one in case.wanted],
        }
        yield (
            "peers",
            case.name,
            facts,
            contestants_of(case, arguments.peers, arguments.device),
        )


def growth_tasks(arguments: argparse.Namespace) -> Iterator[Task]:
    """Measure the same network with more and more trials, and on more and more data sets."""
    case = GROWING.shortened(arguments.epochs_share, None)
    for trials in TRIALS[: arguments.growth_steps]:
        several = Case(case.data, case.depth, case.width, trials, case.epochs)
        yield from _growing(several.name, sweep_overrides(several), trials, arguments.device)
    for count in DATA_SETS[: arguments.growth_steps]:
        overrides = [*network_overrides(case), f"data.name={','.join(smallest_sets(count))}"]
        name = f"UCI d{case.depth} w{case.width}, {count} data sets, {case.epochs} epochs"
        yield from _growing(name, overrides, count, arguments.device)


def _growing(name: str, overrides: list[str], runs: int, device: str) -> Iterator[Task]:
    both = {start: snnjax(overrides, runs, start, device) for start in (COLD, WARM)}
    yield "growth", name, {"runs": runs}, both


def strategies_tasks(arguments: argparse.Namespace) -> Iterator[Task]:
    """Measure what the planner chooses against every fixed strategy, all of them warm."""
    for case in _chosen(STRATEGY_CASES, arguments):
        overrides = sweep_overrides(case)
        ways: dict[str, list[str]] = {AUTO: []} | {
            f"lanes {lanes} x {workers}": [
                f"hydra.launcher.lanes={lanes}",
                f"hydra.launcher.workers={workers}",
            ]
            for lanes in LANES
            for workers in WORKERS
            if lanes <= case.trials
        }
        yield (
            "strategies",
            case.name,
            {},
            {
                name: snnjax([*overrides, *way], case.trials, WARM, arguments.device, name)
                for name, way in ways.items()
            },
        )


def smallest_sets(count: int) -> list[str]:
    """Return the UCI sets with the fewest rows."""
    from snnjax.data import catalog

    table = {name: entry for name, entry in catalog.uci_table().items() if entry.sha256}
    return sorted(table, key=lambda name: (table[name].rows, name))[:count]


def _chosen(cases: tuple[Case, ...], arguments: argparse.Namespace) -> Iterator[Case]:
    for case in cases:
        if arguments.cases in case.network:
            yield case.shortened(arguments.epochs_share, arguments.trials)


def describe_machine(device: str) -> dict[str, Any]:
    """Describe the machine in a process of its own, so that this one holds no device."""
    program = Path(__file__).with_name("machine.py")
    command = [sys.executable, str(program), "--device", device]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if ended.returncode:  # it has said why
        sys.exit(ended.returncode)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def print_tables(records: Records, device: str) -> None:
    """Print a table for everything that was measured so far."""
    peak = records.content["machine"]["peak_gflops"]
    if rows := records.rows("peers"):
        print("\n" + tables.throughput_table(rows, peak))
        if device == "cpu":
            print("\n" + tables.peers_table(rows, records.content["machine"]["import_seconds"]))
        else:
            print("\n" + tables.alone_table(rows))
    if rows := records.rows("growth"):
        print("\n" + tables.growth_table(rows))
    if rows := records.rows("strategies"):
        print("\n" + tables.strategies_table(rows, AUTO))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--growth", action="store_true", help="against trials and data sets")
    which.add_argument("--strategies", action="store_true", help="the planner's choice")
    which.add_argument("--show", action="store_true", help="only print what --out holds")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--cases", default="", help="only cases whose name contains this")
    parser.add_argument("--epochs-share", type=float, default=1.0, help="of every case's epochs")
    parser.add_argument("--trials", type=int, help="at most so many trials")
    parser.add_argument(
        "--peers", nargs="*", choices=FORMS, default=FORMS, help="forms of PyTorch; none: only ours"
    )
    parser.add_argument("--growth-steps", type=int, help="only the first steps of --growth")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--out", type=Path, required=True, help="JSON file, continued if it exists")
    return parser.parse_args()


def measure(records: Records, arguments: argparse.Namespace) -> int:
    """Measure what is asked for and not measured yet; return the exit code."""
    make = peers_tasks
    if arguments.growth or arguments.strategies:
        make = growth_tasks if arguments.growth else strategies_tasks
    try:
        for table, name, facts, contestants in make(arguments):
            with tempfile.TemporaryDirectory() as kept:
                take_turns(records, table, name, facts, contestants, arguments.turns, Path(kept))
    except KeyboardInterrupt:
        return 130
    except CommandError as error:
        print(f"sweep.py: error: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    arguments = read_arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # commands under way end as well
    if arguments.show:
        if not arguments.out.exists():
            sys.exit(f"--out {arguments.out}: no such file, nothing was measured yet")
        machine = json.loads(arguments.out.read_text())["machine"]
    else:
        machine = describe_machine(arguments.device)
    print(json.dumps(machine), flush=True)
    records = Records(arguments.out, machine)
    code = 0 if arguments.show else measure(records, arguments)
    print_tables(records, machine["device"])
    return code


if __name__ == "__main__":
    sys.exit(main())
