"""What a report is made of, before anybody decides how it looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table of a report, written as CSV and Markdown and shown on the page.

    Attributes:
        name: What its files are called.
        frame: Its rows; the first column names them.
        caption: A sentence or two: what it shows, how it was computed.
        formats: How numbers of a column are written, as `format` takes it; `.4f` without.
        marks: Names of the look of single cells, of the shape of `frame`: `off`, `good`; or None.
        below: A second table of the same shape whose values stand small below those of `frame`.
        is_folded: Whether the page shows it only when asked to, because it is long.
    """

    name: str
    frame: pd.DataFrame
    caption: str
    formats: Mapping[str, str] = field(default_factory=dict)
    marks: pd.DataFrame | None = None
    below: pd.DataFrame | None = None
    is_folded: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure of a report.

    Attributes:
        name: What its file is called.
        svg: The figure.
        caption: What it shows, for those too who cannot see it.
    """

    name: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of a report under one heading.

    Attributes:
        title: The heading.
        text: Paragraphs.
        tables: In order.
        pictures: In order, before the tables.
        warnings: What a reader must know before believing any of it, a line each.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Chapter:
    """All sections about one study.

    Attributes:
        name: The short name of the study, part of file names.
        title: What the study is.
        summary: Sentences with what came out.
        sections: In order.
    """

    name: str
    title: str
    summary: Sequence[str]
    sections: Sequence[Section]


@dataclass(frozen=True)
class Report:
    """A whole report: what was read, then a chapter for each study."""

    title: str
    summary: Sequence[str]
    warnings: Sequence[str]
    chapters: Sequence[Chapter]


def several(count: int, noun: str) -> str:
    """Return a number of things in words: `1 run`, `2,000 runs`."""
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def written(value: object, spec: str = ".4f") -> str:
    """Return a value as a cell shows it; nothing for what is missing."""
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        sign, rest = ("+", spec[1:]) if spec.startswith("+") else ("", spec)
        return format(value, f"{sign}z{rest}")  # z: no minus before what is rounded to 0
    return str(value)


def cells(table: Table) -> list[list[str]]:
    """Return the cells of a table as text, row by row."""
    columns = []
    for name, column in table.frame.items():
        spec = table.formats.get(str(name), ".4f")
        columns.append([written(value, spec) for value in column.astype(object).tolist()])
    return [list(row) for row in zip(*columns, strict=True)]
