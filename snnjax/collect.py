"""`python -m snnjax.collect DIR...`: everything that sweeps have left, in one table.

For sweeps that nobody waited for: handed to Slurm with hydra.launcher.detach=true, or stopped half
way. Prints what the launcher would have printed at the end, and writes a row for every run, those
that are left included. Reads files only, so that it may be called while the sweep runs.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from snnjax.config.errors import ConfigError, complaint, enumerate_names, nearest
from snnjax.endings import FAILED, gravest, told
from snnjax.status import describe, read_states
from snnjax.summary import print_summary, read_jobs
from snnjax.whole_file import write_whole

if TYPE_CHECKING:
    import pandas as pd

_FILE = "runs.csv"
_KINDS = (".csv", ".parquet")
_NOT_ENDED = ("running", "left")


def main(arguments: Sequence[str] | None = None) -> int:
    """Collect sweeps and return the exit code that training them would have ended with.

    Returns:
        0 when every run is done, 3 when one diverged, 1 when one failed or has not ended yet, 2
        for a mistake or a run that was refused.
    """
    parser = argparse.ArgumentParser(
        prog="python -m snnjax.collect",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="a sweep's folder")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=f"a .csv or .parquet file (DIR/{_FILE})"
    )
    given = parser.parse_args(arguments)
    return told(lambda: _collect(given.folders, given.out or given.folders[0] / _FILE))


def _collect(folders: Sequence[Path], file: Path) -> int:
    if file.suffix not in _KINDS:
        problem, allowed = "not the name of a table", f"names with {enumerate_names(_KINDS)}"
        raise ConfigError(
            complaint("--out", str(file), problem, allowed, nearest(file.suffix, _KINDS))
        )
    sweeps = {folder: read_states(folder) for folder in folders}
    for folder, states in sweeps.items():
        if not states:
            raise ConfigError(f"{folder}: no runs below this folder")
    codes = [code for folder, states in sweeps.items() for code in _summarize(folder, states)]
    table = collected(sweeps)
    write_table(table, file)
    print(f"{len(table)} runs: {file}")
    return gravest(codes)


def collected(sweeps: Mapping[Path, Mapping[Path, str]]) -> "pd.DataFrame":
    """Return the run table of sweeps with a row for each run that has no folder yet.

    Args:
        sweeps: For the folder of each the runs it consists of, see `status.read_states`.
    """
    import pandas as pd

    from snnjax.report.table import run_table

    begun = [sweep for sweep, states in sweeps.items() if any(map(Path.exists, states))]
    table = run_table(begun).runs if begun else pd.DataFrame({"folder": []})
    known = set(table["folder"])
    left = [
        {"folder": str(path.resolve()), "status": state}
        for states in sweeps.values()
        for path, state in states.items()
        if str(path.resolve()) not in known
    ]
    return pd.concat([table, pd.DataFrame(left)], ignore_index=True) if left else table


def write_table(table: "pd.DataFrame", file: Path) -> None:
    """Write a table whole or not at all, as its name says: CSV or Parquet.

    Raises:
        OSError: It cannot be written.
    """
    content = table.to_csv(index=False) if file.suffix == ".csv" else table.to_parquet(index=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, content)


def _summarize(sweep: Path, states: Mapping[Path, str]) -> list[int]:
    """Print how a sweep stands and what its runs have come to; return their exit codes."""
    waiting = [path for path, state in states.items() if state in _NOT_ENDED]
    not_ended = {path.resolve() for path in waiting}
    jobs = [job for job in read_jobs(sweep) if job.folder.resolve() not in not_ended]
    print_summary(jobs, sweep)
    print(describe(sweep, states))
    return [job.exit_code for job in jobs] + [FAILED] * bool(waiting)


if __name__ == "__main__":
    sys.exit(main())
