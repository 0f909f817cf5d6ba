"""The pictures of docs/explanation/performance.md, as SVG: what users need beside what a server does, and growth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.book import Book
from benchmarks.goals import US

SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000, "5M": 5_000_000}
FILTERS = {"campaign": "#1f77b4", "none": "#d62728", "group": "#2ca02c", "campaign+group": "#9467bd"}

_LEFT, _RIGHT, _TOP, _BAR = 235, 575, 62, 30  # where the bars begin and end, and the height of each
_GAP = 10  # between what is needed and what is done
_LEAST, _MOST = 0.1, 100_000.0  # cases a second, of the axis
_NEEDED, _DONE = "#9467bd", "#1f77b4"


@dataclass(frozen=True, slots=True)
class Bar:
    """So many cases a second, that somebody needs or that a server does."""

    label: str
    rate: float
    is_need: bool


def capacity(bars: Sequence[Bar]) -> str:
    """Return the picture of what users need beside what one server does, cases a second (logarithmic), as SVG."""
    bottom = _TOP + _BAR * len(bars) + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {bottom + 52}" font-family="sans-serif" '
        'font-size="13">',
        "<title>Cases a second: what users need, and what one server does</title>",
        f'<rect width="640" height="{bottom + 52}" fill="white"/>',
        '<text x="20" y="24" font-size="15">Cases a second: '
        f'<tspan fill="{_NEEDED}">what users need</tspan>, and '
        f'<tspan fill="{_DONE}">what one server does</tspan></text>',
        '<text x="20" y="44" fill="#555">Each line is ten times the one before it.</text>',
    ]
    for power in range(round(math.log10(_LEAST)), round(math.log10(_MOST)) + 1):
        x = _along(10.0**power)
        parts.append(f'<path d="M{x:.1f} {_TOP}V{bottom + 8}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 26}" text-anchor="middle">{_written(10.0**power)}</text>')
    for number, bar in enumerate(bars):
        y, end = _TOP + _BAR * number + (0 if bar.is_need else _GAP), _along(bar.rate)
        parts += [
            f'<text x="{_LEFT - 10}" y="{y + 20}" text-anchor="end">{bar.label}</text>',
            f'<rect x="{_LEFT}" y="{y + 5}" width="{end - _LEFT:.1f}" height="{_BAR - 9}" '
            f'fill="{_NEEDED if bar.is_need else _DONE}"/>',
            f'<text x="{end + 6:.1f}" y="{y + 20}">{_written(bar.rate)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _written(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{round(rate, 1):g}"


def _along(rate: float) -> float:
    part = math.log(min(max(rate, _LEAST), _MOST) / _LEAST) / math.log(_MOST / _LEAST)
    return _LEFT + (_RIGHT - _LEFT) * part


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
    top = 2 * math.ceil(0.6 * max((y for line in points.values() for _, y in line), default=1.0))  # four whole halves
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
    return 70 + 366 * (math.log10(size) - 4) / (math.log10(5_000_000) - 4)


def _y(value: float, top: float) -> float:
    return 310 - 260 * value / top


def _axes(top: float) -> list[str]:
    parts = ['<path d="M70 50V310H456" fill="none" stroke="black"/>']
    for name, size in SIZES.items():
        parts.append(f'<text x="{_x(size):.0f}" y="330" text-anchor="middle">{name}</text>')
    for step in range(5):
        value = top * step / 4
        y = _y(value, top)
        parts.append(f'<path d="M66 {y:.1f}H456" stroke="#ddd"/>')
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
        f'<text x="466" y="{70 + 20 * number}" fill="{color}">{label}</text>',
    ]
