"""A report as one HTML page that needs nothing else: no network, no scripts, figures inside."""

import html
import re
from collections.abc import Sequence
from pathlib import Path

from snnjax.report.markdown import below_text
from snnjax.report.section import Chapter, Picture, Report, Section, Table, cells, several

_LOOKS = Path(__file__).with_name("page.css")


def page(report: Report) -> str:
    """Return the page."""
    body = [
        f"<header><h1>{_text(report.title)}</h1>",
        *_paragraphs(report.summary),
        *_warnings(report.warnings),
        _contents(report.chapters),
        "</header>",
        *(_chapter(chapter) for chapter in report.chapters),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(report.title)}</title>\n<style>{_LOOKS.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _contents(chapters: Sequence[Chapter]) -> str:
    items = []
    for chapter in chapters:
        links = " · ".join(
            f'<a href="#{_anchor(chapter, section)}">{_text(section.title)}</a>'
            for section in chapter.sections
        )
        items.append(f'<li><a href="#{chapter.name}">{_text(chapter.title)}</a><br>{links}</li>')
    return f"<nav><ul>{''.join(items)}</ul></nav>" if chapters else ""


def _chapter(chapter: Chapter) -> str:
    parts = [f'<section class="chapter" id="{chapter.name}"><h2>{_text(chapter.title)}</h2>']
    parts += _paragraphs(chapter.summary)
    parts += [_section(chapter, section) for section in chapter.sections]
    return "\n".join([*parts, "</section>"])


def _section(chapter: Chapter, section: Section) -> str:
    title = _text(section.title)
    parts = [f'<section id="{_anchor(chapter, section)}"><h3>{title}</h3>']
    parts += _paragraphs(section.text) + _warnings(section.warnings)
    for place, picture in enumerate(section.pictures):
        parts.append(_figure(picture, f"{_anchor(chapter, section)}-{place}"))
    parts += [_table(table) for table in section.tables]
    return "\n".join([*parts, "</section>"])


def _figure(picture: Picture, prefix: str) -> str:
    svg = picture.svg[picture.svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    # Names inside one page must differ between figures.
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    caption = _text(picture.caption)
    said = html.escape(picture.caption)
    label = svg.replace("<svg ", f'<svg role="img" aria-label="{said}" ', 1)
    return f'<figure><div class="wide">{label}</div><figcaption>{caption}</figcaption></figure>'


def _table(table: Table) -> str:
    names = [str(name) for name in table.frame.columns]
    numeric = [_is_number(table, name) for name in names]
    head = "".join(
        f'<th scope="col"{" class=n" if is_n else ""}>{_text(name)}</th>'
        for name, is_n in zip(names, numeric, strict=True)
    )
    rows = [
        "<tr>" + "".join(_cells(table, number, row, names, numeric)) + "</tr>"
        for number, row in enumerate(cells(table))
    ]
    content = (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    caption = _text(table.caption)
    if table.is_folded:
        count = f" ({several(len(rows), 'row')})"
        return f"<details><summary>{caption}{count}</summary>{content}</details>"
    return f'<p class="caption">{caption}</p>{content}'


def _cells(
    table: Table, number: int, row: Sequence[str], names: Sequence[str], numeric: Sequence[bool]
) -> list[str]:
    below = None if table.below is None else table.below.iloc[number]
    marks = None if table.marks is None else table.marks.iloc[number]
    found = []
    for place, (name, text, is_n) in enumerate(zip(names, row, numeric, strict=True)):
        small = "" if below is None else below_text(below.get(name, ""))
        mark = "" if marks is None else str(marks.get(name, "") or "")
        looks = " ".join(word for word in ("n" if is_n else "", mark) if word)
        kind = f' class="{looks}"' if looks else ""
        content = _text(text) + (f"<small>{_text(small)}</small>" if small else "")
        tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
        found.append(f"<{tag}{scope}{kind}>{content}</{tag}>")
    return found


def _is_number(table: Table, name: str) -> bool:
    return table.frame[name].dtype.kind in "iuf"


def _paragraphs(texts: Sequence[str]) -> list[str]:
    return [f"<p>{_text(text)}</p>" for text in texts]


def _warnings(warnings: Sequence[str]) -> list[str]:
    if not warnings:
        return []
    items = "".join(f"<li>{_text(warning)}</li>" for warning in warnings)
    return [f'<ul class="warnings">{items}</ul>']


def _anchor(chapter: Chapter, section: Section) -> str:
    return f"{chapter.name}-" + re.sub(r"\W+", "-", section.title.lower()).strip("-")


def _text(text: str) -> str:
    """Return text for a page, names between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
