"""A report as Markdown, its tables as CSV."""

import re

from snnjax.report.section import Chapter, Report, Section, Table, cells

_LONG = 200  # rows that a table of the whole report shows


def table_text(table: Table) -> str:
    """Return a table as Markdown, the values below each cell after it in brackets."""
    rows = cells(table)
    if table.below is not None:
        rows = with_below(table, rows)
    names = [str(name) for name in table.frame.columns]
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(map(_escaped, line)) + " |" for line in lines)


def with_below(table: Table, rows: list[list[str]]) -> list[list[str]]:
    """Return cells as text with those of the second table in brackets."""
    below = table.below
    if below is None:
        return rows
    names = [str(name) for name in table.frame.columns]
    found = []
    for number, row in enumerate(rows):
        line = []
        for name, cell in zip(names, row, strict=True):
            value = below_text(below.iloc[number].get(name, ""))
            line.append(f"{cell} ({value})" if value else cell)
        found.append(line)
    return found


def below_text(value: object) -> str:
    """Return what stands below a cell, nothing for what is missing."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.4f}"
    return "" if value is None else str(value)


def report_text(report: Report) -> str:
    """Return the whole report as Markdown; figures are the files beside it."""
    parts = [f"# {report.title}", *report.summary, *_warned(report.warnings)]
    for chapter in report.chapters:
        parts.append(f"## {chapter.title}")
        parts += chapter.summary
        for section in chapter.sections:
            parts += _section(chapter, section)
    return "\n\n".join(parts) + "\n"


def _section(chapter: Chapter, section: Section) -> list[str]:
    parts = [f"### {section.title}", *section.text, *_warned(section.warnings)]
    for picture in section.pictures:
        parts.append(f"![{picture.caption}]({chapter.name}_{picture.name}.svg)")
        parts.append(picture.caption)
    for table in section.tables:
        parts.append(table.caption)
        if len(table.frame) <= _LONG:
            parts.append(table_text(table))
        else:
            name = f"{chapter.name}_{table.name}.csv"
            parts.append(f"{len(table.frame):,} rows: [{name}]({name})")
    return parts


def _warned(warnings: object) -> list[str]:
    lines = [f"- **Note:** {warning}" for warning in warnings]  # type: ignore[attr-defined]
    return ["\n".join(lines)] if lines else []


def _escaped(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
