"""Files as people have them: what a file is by its first bytes, what separates its cells, which line is the header."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any, TextIO

from casedial.domain.errors import MalformedDocument
from casedial.wire.columns import listed

csv.field_size_limit(1024 * 1024)

# What begins files that are no text, what they are, and what to do.
_SAVE = "open it in the spreadsheet and save it as CSV UTF-8 (File, Save As)"
_NO_TEXT = {
    b"PK\x03\x04": ("an Excel workbook (.xlsx) or another ZIP archive", _SAVE),
    b"PK\x05\x06": ("an empty ZIP archive", "export it anew, as CSV"),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook of the old kind (.xls)", _SAVE),
    b"\x1f\x8b": ("packed with gzip", "unpack it first"),
    b"%PDF": ("a PDF document", "export it anew, as CSV"),
    b"<": ("a web page or XML", _SAVE),
}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK = 1024 * 1024
_BEYOND_ASCII = re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")  # and no byte that was not UTF-8

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SAID = re.compile(r'"?sep=([^"\s]|\t)"?\s*', re.IGNORECASE)  # a line that is for Excel
_HEAD = 20  # lines, among which the header is
_DATA = re.compile(r"\d{3}")  # hardly in a name of a column


def seekable(raw: IO[bytes]) -> IO[bytes]:
    """Return a file that can be read twice: what comes through a pipe is kept in memory."""
    return raw if raw.seekable() else io.BytesIO(raw.read())


def as_text(raw: IO[bytes]) -> tuple[io.TextIOWrapper, list[str]]:
    """Open a file as text, by its bytes; return what is unusual, too. Raises MalformedDocument for what is none.

    What is not UTF-8 in a file that else is comes as lone surrogates: its row is a bad row, not the end of the import.
    """
    head = raw.read(4)
    if not head:
        raise MalformedDocument("The file is empty, it has 0 bytes: export it anew.")
    for begins, (what, advice) in _NO_TEXT.items():
        if head.startswith(begins):
            raise MalformedDocument(f"The file is {what}, whatever its name says: {advice}.")
    encoding, told = "utf-8-sig", []
    raw.seek(0)
    if head.startswith(_UTF_16):
        encoding = "utf-16"
        _check_utf_16(raw)
        told.append("The file is UTF-16.")
    elif not head.startswith(codecs.BOM_UTF8) and _is_windows_1252(raw):
        encoding = "cp1252"
        told.append("The file is not UTF-8, and was read as Windows-1252: see that names with accents are right.")
    raw.seek(0)
    return io.TextIOWrapper(raw, encoding=encoding, errors="surrogateescape", newline=""), told


def _check_utf_16(raw: IO[bytes]) -> None:
    decoder = codecs.getincrementaldecoder("utf-16")()
    try:
        while chunk := raw.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise MalformedDocument(
            f"The file is UTF-16, but damaged: {error.reason}. Export it anew, as CSV UTF-8."
        ) from None


def _is_windows_1252(raw: IO[bytes]) -> bool:
    """Tell whether a file holds more than ASCII, and nothing of it is UTF-8."""
    decoder, other = codecs.getincrementaldecoder("utf-8")("surrogateescape"), False
    while True:
        chunk = raw.read(_CHUNK)
        text = decoder.decode(chunk, final=not chunk)
        if not text.isascii():
            if _BEYOND_ASCII.search(text):
                return False
            other = True
        if not chunk:
            return other


@dataclass(frozen=True, slots=True)
class Sheet:
    """An open file of rows: its columns, the reader of what is below, how many lines are above, and what is unusual."""

    columns: list[str]
    reader: Any
    above: int
    told: list[str]


@dataclass(frozen=True, slots=True)
class Header:
    """How a header is known: by a question; what a file lacks that has none, in words, and advice by its columns."""

    lacks: str
    asks: Callable[[Sequence[str]], bool]
    advice: Callable[[Sequence[str]], str] = field(default=lambda columns: "Put a header above the rows.")


def open_sheet(stream: TextIO, header: Header) -> Sheet:
    """Find the header among the first lines, and what separates its cells; what is above it is left out.

    Raises MalformedDocument where there is none.
    """
    head = list(islice(stream, _HEAD))
    said = _SAID.fullmatch(head[0]) if head else None
    separators = dict.fromkeys((*([said[1]] if said else []), *SEPARATORS))
    first = 1 if said else 0
    for above in range(first, len(head)):
        for separator in separators:
            columns = _cells(head[above:], separator)
            if header.asks(columns):
                told = [f"Cells are separated by {_shown(separator)}."] if separator != "," else []
                told += [f"The header is line {above + 1}; what is above it was left out."] if above > first else []
                reader = csv.reader(chain(head[above:], stream), strict=True, delimiter=separator)
                next(reader)
                return Sheet(columns, reader, above, told)
    raise _no_header(head[first:], header)


def _shown(separator: str) -> str:
    return SEPARATORS.get(separator, repr(separator))


def _cells(lines: Sequence[str], separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader(lines, strict=True, delimiter=separator), [])]
    except csv.Error:
        return []


def _no_header(head: Sequence[str], header: Header) -> MalformedDocument:
    """Say what was found instead, and what to do. Cells that may be a person's are not shown."""
    text = next((line for line in head if line.strip()), "")
    if not text:
        return MalformedDocument("The file is empty, it has only blank lines: export it anew.")
    if "\0" in text:
        return MalformedDocument("The file is no text, or UTF-16 without its mark: save it as CSV UTF-8.")
    if text.lstrip().startswith(("{", "[")):
        return MalformedDocument("The file is JSON, not CSV: put one object on each line, and name the file .jsonl.")
    separator = max(SEPARATORS, key=text.count)
    columns = _cells([text], separator)
    missing = f"The first {_HEAD} lines have no {header.lacks}."
    if not columns or any(map(_DATA.search, columns)):
        return MalformedDocument(f"{missing} The first line looks like a row: put a header above it.")
    found = f"The first line has {listed(columns)}"
    split = f", separated by {_shown(separator)}" if separator in text else ""
    return MalformedDocument(f"{missing} {found}{split}. {header.advice(columns)}")
