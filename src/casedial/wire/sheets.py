"""Files as people have them: what a file is by its first bytes, what separates its cells, which line is the header."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice
from pathlib import PurePath
from typing import IO, Any, TextIO

from casedial.domain.errors import MalformedDocument
from casedial.wire.columns import is_known, listed

csv.field_size_limit(1024 * 1024)

# What begins files that are no text, what they are, and what to do.
_SAVE = "open it in a spreadsheet program and save it as CSV UTF-8 (File, Save As)"
_NO_TEXT = {
    b"PK\x05\x06": ("an empty ZIP archive", "export it again as CSV"),
    b"\x1f\x8b": ("compressed with gzip", "decompress it first"),
    b"%PDF": ("a PDF document", "export it again as CSV"),
    b"<": ("a web page or XML", _SAVE),
}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK = 1024 * 1024
_BEYOND_ASCII = re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")  # and no byte that was not UTF-8

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SAID = re.compile(r'"?sep=([^"\s]|\t)"?\s*', re.IGNORECASE)  # a line that is for Excel
_HEAD = 20  # lines, among which the header is
_DATA = re.compile(r"\d{3}")  # hardly in a name of a column


class Form(StrEnum):
    """The forms of a file of rows."""

    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"


def form_of(path: PurePath) -> Form:
    """Tell a file's form by its name."""
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        return Form.XLSX
    return Form.JSONL if suffix in (".jsonl", ".ndjson", ".json") else Form.CSV


@contextmanager
def text_of(raw: IO[bytes]) -> Iterator[TextIO]:
    """Write text to a stream of bytes, which stays open."""
    stream = io.TextIOWrapper(raw, encoding="utf-8", newline="")
    try:
        yield stream
    finally:
        stream.flush()
        stream.detach()


def seekable(raw: IO[bytes]) -> IO[bytes]:
    """Return a file that can be read twice: what comes through a pipe is kept in memory."""
    return raw if raw.seekable() else io.BytesIO(raw.read())


def as_text(raw: IO[bytes]) -> tuple[io.TextIOWrapper, list[str]]:
    """Open a file as text, by its bytes; return what is unusual, too. Raises MalformedDocument for what is none.

    What is not UTF-8 in a file that else is comes as lone surrogates: its row is a bad row, not the end of the import.
    """
    head = raw.read(4)
    if not head:
        raise MalformedDocument("The file is empty (0 bytes): export it again.")
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
        told.append("The file is not UTF-8 and was read as Windows-1252: check that names with accents are right.")
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
            f"The file is UTF-16, but damaged: {error.reason}. Export it again as CSV UTF-8."
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
    """How a header is known: by a question; what a file lacks that has none, in words, and advice by its columns.

    ``knows`` tells which names of columns mean something here.
    """

    lacks: str
    asks: Callable[[Sequence[str]], bool]
    advice: Callable[[Sequence[str]], str] = field(default=lambda columns: "Put a header above the rows.")
    knows: Callable[[str], bool] = is_known


def open_sheet(stream: TextIO, header: Header, guesses: bool = False) -> Sheet:
    """Find the header among the first lines, and what separates its cells; what is above it is left out.

    Where there is none, one that ``guesses`` takes the line that is most like one. Raises MalformedDocument.
    """
    head = list(islice(stream, _HEAD))
    said = _SAID.fullmatch(head[0]) if head else None
    separators = dict.fromkeys((*([said[1]] if said else []), *SEPARATORS))
    first = 1 if said else 0
    for above in range(first, len(head)):
        for separator in separators:
            columns = _cells(head[above:], separator)
            if header.asks(columns):
                return _below(head, stream, above, first, separator)
    if guesses:
        line, columns, separator = _most_like_a_header(head, header)
        if columns:
            return _below(head, stream, line - 1, first, separator)
    raise _no_header(head, header)


def _below(head: Sequence[str], stream: TextIO, above: int, first: int, separator: str) -> Sheet:
    """Return what is below a header."""
    told = [f"Cells are separated by {_shown(separator)}."] if separator != "," else []
    told += [f"The header is line {above + 1}; the lines above it were skipped."] if above > first else []
    reader = csv.reader(chain(head[above:], stream), strict=True, delimiter=separator)
    return Sheet([cell.strip() for cell in next(reader)], reader, above, told)


def _shown(separator: str) -> str:
    return SEPARATORS.get(separator, repr(separator))


def _cells(lines: Sequence[str], separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader(lines, strict=True, delimiter=separator), [])]
    except csv.Error:
        return []


def _no_header(head: Sequence[str], header: Header) -> MalformedDocument:
    """Say what was found instead, and what to do. Cells that may be a person's are not shown."""
    text = next((line for line in head if line.strip() and not _SAID.fullmatch(line)), "")
    if not text:
        return MalformedDocument("The file has only blank lines: export it again.")
    if "\0" in text:
        return MalformedDocument("The file is not text, or is UTF-16 without a byte order mark: save it as CSV UTF-8.")
    if text.lstrip().startswith(("{", "[")):
        return MalformedDocument("The file is JSON, not CSV: put one object on each line, and name the file .jsonl.")
    missing = f"There is no {header.lacks} in the first {_HEAD} lines."
    line, columns, separator = _most_like_a_header(head, header)
    if not columns:
        return MalformedDocument(f"{missing} The first line looks like a row: put a header above it.")
    found = f"Line {line} has {listed(columns)}"
    split = f", separated by {_shown(separator)}" if len(columns) > 1 else ""
    return MalformedDocument(f"{missing} {found}{split}. {header.advice(columns)}")


def _most_like_a_header(head: Sequence[str], header: Header) -> tuple[int, list[str], str]:
    """Return the line, cells and separator of what may be a header: most known columns, then most cells.

    A line with what may be a person's is none.
    """
    best, most = (0, list[str](), ","), (0, 0)
    for line, text in enumerate(head, 1):
        for separator in SEPARATORS:
            columns = _cells([text], separator)
            if any(_DATA.search(cell) or cell.isdigit() for cell in columns):
                continue
            known = sum(map(header.knows, columns)), sum(map(bool, columns))
            if known > most:
                best, most = (line, columns, separator), known
    return best
