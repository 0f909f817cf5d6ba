"""What is written of the results: the tables and sentences of docs/explanation/performance.md, and README's figures."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path

from benchmarks import pictures
from benchmarks.book import Book
from benchmarks.goals import US, Goal, Line, lines
from benchmarks.machine import ROOT
from benchmarks.pictures import SIZES, Bar

HEAD = ("row", "casedial (worst)", "beside", "it (worst)", "ratio (worst)", "goal", "")
AGENTS = {"a small firm": 5, "a large firm": 50, "a call center": 500}
CASES_A_MINUTE = 2  # that an agent works through, at most: the dialer hangs up where nobody answers
CLAIMS = ("claim 25 x 8", "claim 100 x 8", "claim 1 x 64")
_WIDTH = 120  # of a line of the documentation
# Whose time is shown together, of the shares of results/profile.json.
_SHARES = {
    "the driver (asyncpg)": ("asyncpg",),
    "statements (SQLAlchemy)": ("sqlalchemy",),
    "rows, parameters (`storage/`)": ("casedial/storage",),
    "HTTP, keys (`web/`, Granian)": ("casedial/web", "granian", "litestar"),
    "requests and replies (`wire/`)": ("casedial/wire", "msgspec"),
}


def cells(line: Line) -> tuple[str, ...]:
    """Return a line's cells as text; of a time that is compared with casedial's own, the difference, too."""
    goal = line.goal
    differs = f", {line.ours - line.other:+.2f} ms" if goal.of and goal.figure != "rate" else ""
    beside = goal.of or goal.other
    if not goal.of and goal.figure != "rate":
        beside = f"{goal.other}, {goal.figure}"
    return (
        goal.row,
        f"{_show(line.ours, goal)} ({_show(line.ours_worst, goal)})",
        beside,
        f"{_show(line.other, goal)} ({_show(line.other_worst, goal)})",
        f"{line.ratio:.2f} ({line.worst_ratio:.2f}){differs}",
        _goal(goal),
        line.verdict,
    )


def _show(value: float, goal: Goal) -> str:
    return f"{value:,.0f}/s" if goal.figure == "rate" else f"{value:,.1f} ms"


def _goal(goal: Goal) -> str:
    if goal.bound is None:
        return goal.note
    text = f"{'<=' if goal.at_most else '>='} {goal.bound:g}"
    return f"{text} ({goal.note})" if goal.note else text


def as_text(book: Book) -> str:
    """Return the table for a terminal."""
    rows = [HEAD, *map(cells, lines(book))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def as_markdown(book: Book) -> str:
    """Return the table for the documentation."""
    return _table((*HEAD[:-1], "verdict"), *map(cells, lines(book)))


def _table(*rows: tuple[str, ...]) -> str:
    head, *others = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *others))


def needs(book: Book) -> str:
    """Return what users need, in agents and cases a second, and which part of one server that is."""
    several, single, reports, lite = (
        book.median(row, US, "rate") for row in (CLAIMS[0], CLAIMS[2], "update 100 x 8", "SQLite claim 1 x 64")
    )
    rows = [
        (who, f"{agents:,}", f"{agents * CASES_A_MINUTE:,}", f"{(need := _needed(agents)):.1f}",
         _part(need, lite), _part(need, single))
        for who, agents in AGENTS.items()
    ]  # fmt: skip
    head = ("who", "agents", "cases a minute", "cases a second", "of a server on SQLite", "of one on PostgreSQL")
    table = _table(head, *rows)
    if not (several and single and reports and lite):
        return table
    center = AGENTS["a call center"]
    said = (
        f"**A call center with {center} agents needs about {_needed(center):.0f} cases a second. One server on "
        f"{_cores(book)} cores hands out about {_about(single)} a second one by one on PostgreSQL, {_about(several)} "
        f"in claims of 25, and {_about(lite)} one by one on SQLite.** It takes reports of {_about(reports)} cases a "
        "second, 100 at a time on PostgreSQL."
    )
    return f"{textwrap.fill(said, _WIDTH)}\n\n{table}"


def _part(need: float, rate: float | None) -> str:
    """Return which part of a rate is needed."""
    if not rate:
        return ""
    return _percent(need / rate, 1) if need / rate >= 0.001 else "under 0.1 %"


def _percent(part: float, digits: int = 0) -> str:
    return f"{100 * part:.{digits}f} %"


def _needed(agents: int) -> float:
    return agents * CASES_A_MINUTE / 60


def bars(book: Book) -> list[Bar]:
    """Return what users need beside what one server was measured to do."""
    needed = [Bar(f"{who}, {agents} agents", _needed(agents), True) for who, agents in AGENTS.items()]
    rows = {
        "SQLite, one by one": "SQLite claim 1 x 64",
        "SQLite, 25 at a time": "SQLite claim 25 x 64",
        "PostgreSQL, one by one": "claim 1 x 64",
        "PostgreSQL, 25 at a time": "claim 25 x 8",
        "PostgreSQL, 100 at a time": "claim 100 x 8",
    }
    found = {label: book.median(row, US, "rate") for label, row in rows.items()}
    return [*needed, *(Bar(label, rate, False) for label, rate in found.items() if rate)]


def reached(book: Book) -> str:
    """Return README's sentences: what is reached, beside what a team would write."""
    rates = [book.median(row, US, "rate") for row in CLAIMS]
    said = []
    if all(rates):
        several, many, single = (_about(rate or 0) for rate in rates)
        said.append(
            f"On {_cores(book)} cores that PostgreSQL and the clients share, one server hands out about {several} "
            f"cases a second in claims of 25, {many} in claims of 100, and {single} one by one."
        )
    ratios = [line.ratio for line in lines(book) if line.goal.row in CLAIMS and line.goal.other == "in-house"]
    if ratios:
        said.append(
            f"That is {min(ratios):.1f} to {max(ratios):.1f} times as many as a server that a team would write with "
            "an ORM, on the same tables."
        )
    if lite := book.median("SQLite claim 25 x 64", US, "rate"):
        said.append(f"On SQLite, claims of 25 reach about {_about(lite)} cases a second.")
    million, five = (book.median(f"claim, campaign, {size} cases", US, "p50") for size in ("1M", "5M"))
    if million and five:
        said.append(f"A claim of 25 takes {million:.1f} ms with 1 million cases, and {five:.1f} ms with 5 million.")
    return textwrap.fill(" ".join(said), _WIDTH)


def _about(value: float) -> str:
    """Return a number with its first two digits."""
    return f"{round(value, 1 - math.floor(math.log10(value))):,.0f}"


def _cores(book: Book) -> str:
    cores = str(book.machine.get("cores"))
    return {"1": "one", "2": "two", "4": "four"}.get(cores, cores)


def growth_table(book: Book) -> str:
    """Return what a claim costs at each size, with the difference to the smallest, beside what page images cost.

    What was not measured has no column.
    """
    columns = {
        "claim, by campaign": ("claim, campaign, {} cases", "p50", "{:.2f} ms"),
        "claim, no filter": ("claim, none, {} cases", "p50", "{:.2f} ms"),
        "WAL a case, first claims": ("claim, campaign+group, {} cases", "wal", "{:,.0f} bytes"),
        "claim, no filter, no page images": ("claim, none, {} cases, no page images", "p50", "{:.2f} ms"),
    }
    head, rows = ["cases"], {size: [size] for size in SIZES}
    for name, (row, figure, shown) in columns.items():
        found = {size: book.median(row.format(size), US, figure) for size in SIZES}
        if not all(found.values()):
            continue
        head.append(name)
        for size, value in found.items():
            first = found["10k"]
            beside = f" ({value - first:+.2f})" if figure == "p50" and size != "10k" and value and first else ""
            rows[size].append(shown.format(value) + beside)
    return _table(tuple(head), *(tuple(row) for row in rows.values()))


def time_spent(profiles: list[Mapping[str, object]]) -> str:
    """Return where the time of a claim goes, from results/profile.json."""
    rows: dict[str, list[str]] = {}
    for one in profiles:
        shares: dict[str, float] = one["shares_of_the_server"]  # type: ignore[assignment]
        figures = {
            "calls a second": f"{one['calls_a_second']:,}",
            "a core's time in the server, each call": f"{one['server_ms_a_call']:.2f} ms",
            "a core's time in PostgreSQL, each call": f"{one['postgresql_ms_a_call']:.2f} ms",
        }
        left = 1.0
        for name, whose in _SHARES.items():
            share = sum(shares.get(each, 0) for each in whose)
            left -= share
            figures[f"of the server: {name}"] = _percent(share)
        figures["of the server: the rest"] = _percent(left)
        for name, shown in figures.items():
            rows.setdefault(name, []).append(shown)
    head = ("", *(str(one["row"]).removeprefix("claim ") for one in profiles))
    return _table(head, *((name, *shown) for name, shown in rows.items()))


def measured(book: Book) -> str:
    """Return when and on what was measured."""
    about = {"commit": "casedial {}", "postgresql": "PostgreSQL {}", "python": "Python {}", "processor": "{}",
             "cores": "{} cores", "memory_gib": "{} GiB of memory"}  # fmt: skip
    said = [text.format(book.machine[name]) for name, text in about.items() if book.machine.get(name)]
    return textwrap.fill(f"The last rows were measured on {book.written[:10]}: {', '.join(said)}.", _WIDTH)


def write(book: Book, profiles: list[Mapping[str, object]], root: Path = ROOT) -> None:
    """Put everything that is made of results where it belongs: between the marks of two pages, and in two pictures."""
    page, images = root / "docs" / "explanation" / "performance.md", root / "docs" / "images"
    images.mkdir(parents=True, exist_ok=True)
    (images / "growth.svg").write_text(pictures.growth(book))
    (images / "capacity.svg").write_text(pictures.capacity(bars(book)))
    texts = {"needs": needs(book), "table": as_markdown(book), "growth": growth_table(book), "measured": measured(book)}
    for name, text in {**texts, "time": time_spent(profiles)}.items():
        _put(page, name, text)
    _put(root / "README.md", "figures", reached(book))


def _put(page: Path, name: str, text: str) -> None:
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, _, rest = page.read_text().partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{page} has no marks for {name}")
    page.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")
