"""The table, as text and as Markdown, and the plot of growth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from benchmarks.book import Book
from benchmarks.goals import US, Goal, Line, lines

HEAD = ("row", "casedial (worst)", "beside", "it (worst)", "ratio (worst)", "goal", "")
SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000, "5M": 5_000_000}
FILTERS = {"campaign": "#1f77b4", "none": "#d62728", "group": "#2ca02c", "campaign+group": "#9467bd"}


def cells(line: Line) -> tuple[str, ...]:
    """Return a line's cells as text."""
    goal = line.goal
    beside = goal.of or goal.other
    if not goal.of and goal.figure != "rate":
        beside = f"{goal.other}, {goal.figure}"
    return (
        goal.row,
        f"{_show(line.ours, goal)} ({_show(line.ours_worst, goal)})",
        beside,
        f"{_show(line.other, goal)} ({_show(line.other_worst, goal)})",
        f"{line.ratio:.2f} ({line.worst_ratio:.2f})",
        _goal(goal),
        line.verdict,
    )


def _show(value: float, goal: Goal) -> str:
    return f"{value:,.0f}/s" if goal.figure == "rate" else f"{value:,.1f} ms"


def _goal(goal: Goal) -> str:
    if goal.bound is None:
        return goal.note
    text = f"{'<=' if goal.at_most else '>='} {goal.bound:g}"
    if goal.worst:
        text += f", worst >= {goal.worst:g}"
    return f"{text} ({goal.note})" if goal.note else text


def as_text(book: Book) -> str:
    """Return the table for a terminal."""
    rows = [HEAD, *map(cells, lines(book))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def as_markdown(book: Book) -> str:
    """Return the table for the documentation."""
    rows = [(*HEAD[:-1], "verdict"), ("---",) * len(HEAD), *map(cells, lines(book))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def growth(book: Book) -> str:
    """Return the plot of claim p50 (ms, from zero) over the number of cases (logarithmic), as SVG."""
    points = {
        filters: [
            (size, found)
            for name, size in SIZES.items()
            if (found := book.median(f"claim, {filters}, {name} cases", US, "p50")) is not None
        ]
        for filters in FILTERS
    }
    top = 1.25 * max((y for line in points.values() for _, y in line), default=1.0)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360" font-family="sans-serif" font-size="13">',
        "<title>p50 of a claim of 25 cases over the number of cases</title>",
        '<rect width="640" height="360" fill="white"/>',
        '<text x="70" y="24" font-size="15">Claim of 25 cases: p50 in ms over the number of cases</text>',
        *_axes(top),
    ]
    for number, (filters, line) in enumerate(points.items()):
        parts += _curve(filters, line, top, number)
    return "\n".join([*parts, "</svg>", ""])


def _x(size: float) -> float:
    return 70 + 400 * (math.log10(size) - 4) / (math.log10(5_000_000) - 4)


def _y(value: float, top: float) -> float:
    return 310 - 260 * value / top


def _axes(top: float) -> list[str]:
    parts = ['<path d="M70 50V310H490" fill="none" stroke="black"/>']
    for name, size in SIZES.items():
        parts.append(f'<text x="{_x(size):.0f}" y="330" text-anchor="middle">{name}</text>')
    for step in range(5):
        value = top * step / 4
        y = _y(value, top)
        parts.append(f'<path d="M66 {y:.1f}H490" stroke="#ddd"/>')
        parts.append(f'<text x="60" y="{y + 4:.1f}" text-anchor="end">{value:.1f}</text>')
    return parts


def _curve(filters: str, line: Sequence[tuple[int, float]], top: float, number: int) -> list[str]:
    color = FILTERS[filters]
    path = " ".join(f"{_x(size):.1f},{_y(value, top):.1f}" for size, value in line)
    dots = [f'<circle cx="{_x(size):.1f}" cy="{_y(value, top):.1f}" r="3" fill="{color}"/>' for size, value in line]
    label = {"none": "no filter", "group": "CaseGroup", "campaign": "Campaign"}.get(filters, "Campaign and CaseGroup")
    return [
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>',
        *dots,
        f'<text x="500" y="{70 + 20 * number}" fill="{color}">{label}</text>',
    ]


def write(book: Book, page: Path, plot: Path) -> None:
    """Put the table between the marks of a page, and the plot in its file."""
    plot.parent.mkdir(parents=True, exist_ok=True)
    plot.write_text(growth(book))
    begin, end = "<!-- table: begin -->\n", "<!-- table: end -->"
    before, _, rest = page.read_text().partition(begin)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{begin}\n{as_markdown(book)}\n{end}{after}")
