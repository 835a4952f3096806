"""The files of a report: one page, Markdown, a CSV file for each table, an SVG for each figure."""

from collections.abc import Iterator
from pathlib import Path

from snnjax.report.markdown import report_text
from snnjax.report.page import page
from snnjax.report.section import Report, Table
from snnjax.whole_file import write_whole

PAGE, TEXT = "report.html", "report.md"


def write(report: Report, folder: Path) -> list[Path]:
    """Write the files of a report and return them, the page first.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in _files(report):
        write_whole(folder / name, content)
        written.append(folder / name)
    return written


def _files(report: Report) -> Iterator[tuple[str, str]]:
    yield PAGE, page(report)
    yield TEXT, report_text(report)
    for chapter in report.chapters:
        for section in chapter.sections:
            for table in section.tables:
                yield f"{chapter.name}_{table.name}.csv", csv_text(table)
            for picture in section.pictures:
                yield f"{chapter.name}_{picture.name}.svg", picture.svg


def csv_text(table: Table) -> str:
    """Return a table as CSV with all digits; what stands below a cell gets a column of its own."""
    frame = table.frame
    if table.below is not None:
        below = table.below.reset_index(drop=True).add_suffix(" (below)")
        frame = frame.reset_index(drop=True).join(below)
    return str(frame.to_csv(index=False, lineterminator="\n"))
