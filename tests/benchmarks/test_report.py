"""The table and the plot, from figures that are made up."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.book import Book
from benchmarks.goals import lines

from benchmarks import pictures, report


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


def test_growth_says_the_difference_too(book: Book) -> None:
    grown = next(line for line in lines(book) if line.goal.row == "claim, campaign, 5M cases")
    assert report.cells(grown)[4] == "1.40 (1.40), +0.80 ms"
    table = report.growth_table(book).splitlines()
    assert table[0] == "| cases | claim, by campaign |"  # what was not measured has no column
    assert table[-1] == "| 5M | 2.80 ms (+0.80) |"


def test_page_images_are_shown_where_they_were_measured(book: Book) -> None:
    for name, wal in (("10k", 900.0), ("100k", 2000.0), ("1M", 8777.0), ("5M", 9000.0)):
        book.note(f"claim, campaign+group, {name} cases", "casedial", 1, p50=2, p99=9, wal=wal)
        book.note(f"claim, none, {name} cases, no page images", "casedial", 1, p50=1.5, p99=9)
    assert "| 8,777 bytes | 1.50 ms (+0.00) |" in report.growth_table(book)


def test_what_users_need_is_beside_what_was_measured(book: Book) -> None:
    assert "| a call center | 500 | 1,000 | 16.7 |  |  |" in report.needs(book)  # the other figures are not there yet
    for row, rate in (("claim 1 x 64", 4993.0), ("update 100 x 8", 17424.0), ("SQLite claim 1 x 64", 835.0)):
        book.note(row, "casedial", 1, rate=rate, p50=1, p99=2)
    said = report.needs(book)
    assert "500 agents needs about 17 cases a second." in said
    assert "| a small firm | 5 | 10 | 0.2 | under 0.1 % | under 0.1 % |" in said
    assert "| a call center | 500 | 1,000 | 16.7 | 2.0 % | 0.3 % |" in said
    assert all(len(line) <= 120 for line in said.splitlines())


def test_readme_says_what_is_reached_beside_what_a_team_would_write(book: Book) -> None:
    assert "that a team would write" not in report.reached(book)
    for row, ours, theirs in (("claim 25 x 8", 22904.0, 8766.0), ("claim 100 x 8", 38405.0, 13257.0)):
        book.note(row, "casedial", 4, rate=ours, p50=1, p99=2)
        book.note(row, "in-house", 4, rate=theirs, p50=1, p99=2)
    book.note("claim 1 x 64", "casedial", 1, rate=4993, p50=1, p99=2)
    said = " ".join(report.reached(book).split())
    assert "38,000 in claims of 100, and 5,000 one by one" in said
    assert "times as many as a server that a team would write" in said


def test_the_capacity_of_a_server_is_drawn_as_it_is(book: Book) -> None:
    drawn = ElementTree.fromstring(pictures.capacity(report.bars(book)))
    widths = [float(bar.attrib["width"]) for bar in drawn.findall("{*}rect")][1:]
    assert len(widths) == 4  # three who need something, and the one rate that was measured
    assert widths == sorted(widths)
    texts = [text.text for text in drawn.findall("{*}text")]
    assert {"0.1", "1", "10", "1,000", "100,000", "17", "95"} <= set(texts)


PROFILE = {
    "row": "claim 25 x 8",
    "calls_a_second": 1856,
    "server_ms_a_call": 0.5,
    "postgresql_ms_a_call": 0.25,
    "shares_of_the_server": {"asyncpg": 0.4, "casedial/web": 0.2, "granian": 0.1, "asyncio": 0.3},
}


def test_results_go_between_the_marks(book: Book, tmp_path: Path) -> None:
    page, readme = tmp_path / "docs" / "explanation" / "performance.md", tmp_path / "README.md"
    page.parent.mkdir(parents=True)
    marks = {page: ("needs", "measured", "table", "growth", "time"), readme: ("figures",)}
    for path, names in marks.items():
        parts = "".join(f"<!-- {name}: begin -->\nold\n<!-- {name}: end -->\n" for name in names)
        path.write_text(f"before\n{parts}after\n")
    report.write(book, [PROFILE], tmp_path)
    first = page.read_text()
    report.write(book, [PROFILE], tmp_path)
    assert page.read_text() == first
    for path in marks:
        text = path.read_text()
        assert text.startswith("before\n")
        assert text.endswith("\nafter\n")
        assert "old" not in text
    assert first.count("| claim 25 x 8 |") == 1
    assert "| SHORT |" in first
    assert "| of the server: HTTP, keys (`web/`, Granian) | 30 % |" in first
    for picture in ("growth", "capacity"):
        drawn = ElementTree.parse(tmp_path / "docs" / "images" / f"{picture}.svg")
        assert drawn.getroot().tag.endswith("svg")


def test_a_page_without_marks_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(ValueError, match="no marks for table"):
        report._put(page, "table", "rows")
    assert page.read_text() == "text\n"
