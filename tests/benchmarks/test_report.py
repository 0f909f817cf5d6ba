"""The table and the plot, from figures that are made up."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.book import Book
from benchmarks.goals import lines

from benchmarks import report


@pytest.fixture
def book(tmp_path: Path) -> Book:
    made = Book(tmp_path / "results" / "made.json", {})
    for number, (ours, theirs) in enumerate([(80.0, 100.0), (95.0, 100.0), (96.0, 100.0)], 1):
        made.note("claim 25 x 8", "casedial", number, rate=ours, p50=1, p99=2)
        made.note("claim 25 x 8", "own SQL", number, rate=theirs, p50=1, p99=2)
    for name, p50 in (("10k", 2.0), ("100k", 2.1), ("1M", 2.2), ("5M", 2.8)):
        made.note(f"claim, campaign, {name} cases", "casedial", 1, p50=p50, p99=9)
    return made


def test_a_ratio_is_of_medians_and_says_its_worst_round(book: Book) -> None:
    first = lines(book)[0]
    assert (first.ratio, first.worst_ratio, first.verdict) == (0.95, 0.8, "PASS")


def test_more_is_worse_where_time_is_measured(book: Book) -> None:
    grown = next(line for line in lines(book) if line.goal.row == "claim, campaign, 5M cases")
    assert (grown.ratio, grown.verdict) == (pytest.approx(1.4), "SHORT")


def test_results_are_read_as_they_were_written(book: Book) -> None:
    assert report.as_text(Book.read(book.path)) == report.as_text(book)


def test_the_table_goes_between_the_marks(book: Book, tmp_path: Path) -> None:
    page, plot = tmp_path / "page.md", tmp_path / "images" / "growth.svg"
    page.write_text("before\n<!-- table: begin -->\nold\n<!-- table: end -->\nafter\n")
    report.write(book, page, plot)
    report.write(book, page, plot)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert text.count("| claim 25 x 8 |") == 1
    assert "| SHORT |" in text
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")
