"""Tables as lines of text. On a narrow screen only text is folded, between words: a time or a number stays whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len, chop_cells

_GAP = 2
_LONGEST = 40  # a longer word is folded, too; the id of a claim has 36 characters
# A blank that text may be folded at: beside a letter or behind a comma. The one in (402) 555-0123 is not.
_BLANK = re.compile(r"(?<=[^\W\d_]) |(?<=[,;:.]) | (?=[^\W\d_])")

Cells = Sequence[str]


def table(columns: Cells, rows: Sequence[Cells], width: int | None) -> Iterator[str]:
    """Lay a table out: its header first. Where no text is left to fold, each row is a block of names and values.

    Without a width, as in a pipe, each row is one line.
    """
    if width is None:
        rows = [[" ".join(cell.splitlines()) for cell in row] for row in rows]
    every = [columns, *rows]
    natural = [max(map(_length, column)) for column in zip(*every, strict=True)]
    widths: Sequence[int] | None = natural
    if width is not None:
        least = [max(map(_least, column)) for column in zip(*every, strict=True)]
        widths = _fitted(natural, least, width - _GAP * (len(columns) - 1))
    if widths is None:
        yield from _blocks(columns, rows, width or 0)
        return
    for row in every:
        cells = [_fold(cell, size) for cell, size in zip(row, widths, strict=True)]
        yield "\n".join(_lines(cells, widths))


def _length(cell: str) -> int:
    return max(map(cell_len, cell.split("\n")))


def _least(cell: str) -> int:
    """Return how narrow a cell may become."""
    return max(min(cell_len(word), _LONGEST) for line in cell.split("\n") for word in _BLANK.split(line))


def _fitted(natural: Sequence[int], least: Sequence[int], room: int) -> list[int] | None:
    """Return widths that fit, taken from the widest column first; None where there are none."""
    if sum(least) > room:
        return None
    widths = [min(size, room) for size in natural]
    while sum(widths) > room:
        foldable = [at for at, size in enumerate(widths) if size > least[at]]
        widths[max(foldable, key=lambda at: widths[at])] -= 1
    return widths


def _fold(cell: str, width: int) -> list[str]:
    lines = []
    for paragraph in cell.split("\n"):
        line: str | None = None
        for word in _BLANK.split(paragraph):
            if line is not None and cell_len(line) + 1 + cell_len(word) <= width:
                line = f"{line} {word}"
                continue
            lines += [] if line is None else [line]
            *whole, line = chop_cells(word, width) if cell_len(word) > width else [word]
            lines += whole
        lines.append(line or "")
    return lines


def _lines(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for number in range(max(map(len, cells))):
        parts = [cell[number] if number < len(cell) else "" for cell in cells]
        padded = (part + " " * (size - cell_len(part)) for part, size in zip(parts, widths, strict=True))
        yield (" " * _GAP).join(padded).rstrip()


def _blocks(columns: Cells, rows: Sequence[Cells], width: int) -> Iterator[str]:
    """Show each row as lines of name and value. The names are the header, so there is none above."""
    yield ""
    names = max(map(cell_len, columns))
    room = max(width - names - _GAP, _LONGEST)
    for number, row in enumerate(rows):
        shown = [
            line
            for name, cell in zip(columns, row, strict=True)
            for line in _lines([[name], _fold(cell, room)], [names, room])
        ]
        yield "\n".join([*([""] if number else []), *shown])
