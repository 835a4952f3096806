"""How a report is written: one page that needs nothing else, Markdown, CSV, SVG."""

import csv
import html.parser
import io
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from snnjax.report import drawing
from snnjax.report.markdown import report_text, table_text
from snnjax.report.page import page
from snnjax.report.section import Chapter, Picture, Report, Section, Table, cells, written
from snnjax.report.writing import csv_text, write

NASTY = '<script>alert("x")</script> | & `code` \n new line'
VOID = {"meta", "br", "use", "path"}


class Reader(html.parser.HTMLParser):
    """Notes what a page holds, and whether every tag is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], Counter(), [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def table():
    frame = pd.DataFrame(
        {"name": ["a", NASTY], "score": [0.123456, np.nan], "runs": [1234567, 2], "p": [1e-5, 1]}
    )
    below = pd.DataFrame({"score": [0.5, np.nan]})
    marks = pd.DataFrame({"score": ["off", ""]})
    return Table("numbers", frame, NASTY, {"p": ".2g"}, marks=marks, below=below)


@pytest.fixture
def report(table):
    figures = [
        Picture(name, drawing.lines(pd.DataFrame({"a": [1.0, 2]}), "x", "y"), NASTY)
        for name in ("first", "second")
    ]
    sections = [Section("One & two", [NASTY], [table], figures, [NASTY]), Section("Three")]
    chapters = [Chapter("uci", "UCI <1>", [NASTY], sections), Chapter("runs", "Others", [], [])]
    return Report("All | of it", ["What was read."], [NASTY], chapters)


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(report):
    text = page(report)
    reader = Reader(text)
    assert reader.tags["svg"] == reader.tags["figure"] == 2
    assert reader.tags["table"] == 1
    assert not reader.tags.keys() & {"script", "link", "iframe", "img", "object", "base"}
    links = [value for name, value in reader.attributes if name in ("href", "xlink:href", "src")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"@import|url\((?!#)", text)


def test_every_link_and_every_reference_leads_to_one_place(report):
    text = page(report)
    places = Counter(value for name, value in Reader(text).attributes if name == "id")
    assert set(places.values()) == {1}
    asked = re.findall(r'href="#([^"]+)"', text) + re.findall(r"url\(#([^)]+)\)", text)
    assert set(asked) <= set(places)
    assert {"uci", "uci-one-two", "uci-three", "runs"} <= set(asked)


def test_text_is_shown_as_it_is(report):
    shown = "".join(Reader(page(report)).text)
    assert shown.count('<script>alert("x")</script> | & code') == 8
    assert "UCI <1>" in shown


def test_cells_are_written_as_they_are_read(table):
    assert cells(table)[0] == ["a", "0.1235", "1,234,567", "1e-05"]
    assert cells(table)[1][1:] == ["", "2", "1"]
    assert 'class="n off">0.1235<small>0.5000</small></td>' in page(
        Report("", [], [], [Chapter("a", "b", [], [Section("c", [], [table])])])
    )


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (None, ".4f", ""), (np.nan, ".4f", ""), (True, ".4f", "yes"), (12345, ".4f", "12,345"),
        (-1e-9, "+.4f", "+0.0000"), (-1e-9, ".2f", "0.00"), (0.051, ".0%", "5%"), ("x", ".4f", "x"),
        (1234.0, ",.0f", "1,234"), (8.1e-7, ".2g", "8.1e-07"),
    ],
)  # fmt: skip
def test_values_in_cells(value, spec, text):
    assert written(value, spec) == text


def test_a_row_of_markdown_has_as_many_cells_as_its_head(table, report):
    lines = table_text(table).splitlines()
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {5}
    assert len(lines) == 4
    assert "0.1235 (0.5000)" in lines[2]
    text = report_text(report)
    assert "![" in text
    assert "(uci_first.svg)" in text
    assert "## UCI <1>" in text


def test_csv_keeps_all_digits_and_what_stands_below(table):
    rows = list(csv.reader(io.StringIO(csv_text(table))))
    assert rows[0] == ["name", "score", "runs", "p", "score (below)"]
    assert rows[1] == ["a", "0.123456", "1234567", "1e-05", "0.5"]
    assert rows[2] == [NASTY, "", "2", "1.0", ""]


def test_all_files_are_written_and_the_page_comes_first(report, tmp_path):
    files = write(report, tmp_path / "new" / "folder")
    assert [path.name for path in files] == [
        "report.html", "report.md", "uci_numbers.csv", "uci_first.svg", "uci_second.svg",
    ]  # fmt: skip
    assert all(path.stat().st_size for path in files)
    again = {path.name: path.read_bytes() for path in files}
    write(report, tmp_path / "new" / "folder")
    assert {path.name: path.read_bytes() for path in files} == again


def test_methods_of_a_diagram_stand_beside_their_ranks():
    average = pd.Series({"a": 1.5, "b": 2.25, "c": 2.25})
    svg = drawing.critical_difference(average, 1.0, [["a", "b", "c"]])
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
    assert {"a 1.50", "b 2.25", "c 2.25", "critical difference 1.00", "1", "2", "3"} == set(texts)
