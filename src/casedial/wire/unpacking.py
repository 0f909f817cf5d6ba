"""A program of its own: a workbook at standard input becomes CSV at standard output, with a line of JSON beside it.

A small workbook can ask for all the memory of a machine, and the library that reads it then ends its process. So that
process is this one, with limits; ``workbooks.py`` starts it.
"""

from __future__ import annotations

import csv
import json
import resource
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, TextIO

import python_calamine

from casedial.wire.formulas import guarded

MEMORY = 1024 * 1024 * 1024  # bytes
SECONDS = 120  # of a processor
OUTPUT = 1024 * 1024 * 1024  # bytes of CSV: cells that are the same are stored once
REFUSED = 3  # the exit code; what is wrong stands at standard error
_HEAD = 20  # rows, the widest of which says how many cells the others have

_EXACT = 1e15  # from here on a number of a spreadsheet is none of our ids or phones


class _Refused(Exception):
    """What is wrong with a workbook: the rest of a sentence that begins with it."""


def _text(cell: Any) -> str:
    """Return a cell as a person would write it into CSV; a row stays on one line."""
    if isinstance(cell, str):
        return " ".join(cell.splitlines()) if "\n" in cell or "\r" in cell else cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _EXACT else repr(cell)
    if isinstance(cell, datetime):  # a serial number is a little off the second
        return (cell + timedelta(microseconds=500_000)).replace(microsecond=0).isoformat()
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _rows(sheet: Any) -> Iterator[list[str]]:
    """Yield the rows from the first of the sheet to the last with something in it; what is empty behind is left out."""
    empty = 0
    for cells in sheet.iter_rows():
        row = [guarded(_text(cell)) for cell in cells]
        while row and not row[-1].strip():
            row.pop()
        if not row:
            empty += 1
            continue
        for _ in range(empty):
            yield []
        empty = 0
        yield row


def _padded(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield rows of one length, which the first ones say: a spreadsheet has no end of a row."""
    head = list(islice(rows, _HEAD))
    width = max(map(len, head), default=0)
    for some in (head, rows):
        for row in some:
            yield row + [""] * (width - len(row))


def _chosen(book: Any, wanted: str | None) -> tuple[Any, list[str]]:
    """Return the sheet that was asked for, or the first with rows, and the names of all."""
    names = list(book.sheet_names)
    if wanted is not None:
        found = next((name for name in names if name.strip().casefold() == wanted.strip().casefold()), None)
        if found is None:
            raise _Refused(f"has no sheet {wanted[:80]!r}; it has {', '.join(map(repr, names[:20]))}")
        return book.get_sheet_by_name(found), names
    kinds = {one.name: one.typ for one in book.sheets_metadata}
    for name in names:
        if (
            kinds.get(name) is python_calamine.SheetTypeEnum.WorkSheet
            and (sheet := book.get_sheet_by_name(name)).height
        ):
            return sheet, names
    raise _Refused("is empty: none of its sheets has a row")


def _write(rows: Iterable[list[str]], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    for number, row in enumerate(rows):
        writer.writerow(row)
        if number % 1000 == 0 and out.buffer.tell() > OUTPUT:
            raise _Refused("holds more than a gigabyte of text")


def main() -> None:
    """Unpack standard input; the one argument, where it is there, names the sheet."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = open(sys.stdout.fileno(), "w", encoding="utf-8", errors="replace", newline="", closefd=False)  # noqa: SIM115
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(sys.stdin.buffer)
        sheet, names = _chosen(book, sys.argv[1] if len(sys.argv) > 1 else None)
        _write(_padded(_rows(sheet)), out)
        out.flush()
        print(json.dumps({"sheet": sheet.name, "sheets": names}), file=sys.stderr)
    except _Refused as error:
        _refuse(str(error))
    except python_calamine.PasswordError:
        _refuse("is protected with a password: save it without one")
    except (python_calamine.CalamineError, ValueError, KeyError):
        _refuse(
            "cannot be read, as if it were damaged or no workbook: open it in a spreadsheet program and save it again"
        )


def _refuse(why: str) -> None:
    print(why, file=sys.stderr)
    sys.exit(REFUSED)


if __name__ == "__main__":
    main()
