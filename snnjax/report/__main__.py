"""`python -m snnjax.report DIR...`: one page from run folders, with CSV, Markdown and SVG files.

DIR is a run folder, the folder of a sweep, or one above several. Runs that belong to a published
table (sweep.study) are set beside it. What was read of a sweep is kept in its folder as
runs.parquet, so that the next report reads only what is new.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from snnjax.config.errors import ConfigError
from snnjax.endings import DONE, INTERRUPTED, complain, explain, nobody_reads

_OUT = "report"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a report and print where its page is; return 0, 1 for a failure, 2 for a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m snnjax.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR", help="runs or sweeps")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to write, by default DIR/report"
    )
    given = parser.parse_args(arguments)
    try:
        for line in _report(given.folders, given.out):
            print(line)
        sys.stdout.flush()  # so that nobody reading is noticed here, not at the exit
    except KeyboardInterrupt:
        return complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        return nobody_reads()
    except Exception as error:
        return complain(*explain(error))
    return DONE


def _report(folders: Sequence[Path], out: Path | None) -> list[str]:
    if not folders:
        raise ConfigError("no folder given; allowed: DIR..., run folders or sweep folders")
    from snnjax.report.chapters import make_report
    from snnjax.report.table import run_table
    from snnjax.report.writing import write

    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: not a folder; allowed: a folder, which need not exist")
    table = run_table(folders)
    report = make_report(table)
    files = write(report, out or folders[0] / _OUT)
    warnings = [f"snnjax: {line}" for line in report.warnings]
    return [*warnings, *report.summary, str(files[0])]


if __name__ == "__main__":
    sys.exit(main())
