"""Workbooks of spreadsheet programs (.xlsx and its kin), read as the CSV that they would be saved as.

A row of a sheet becomes a line of the same number, so that all that is said of lines is true of rows.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

from casedial.domain.errors import InvalidSetting, MalformedDocument, NoRoom
from casedial.wire import unpacking

_BEGIN = {
    b"PK\x03\x04": "an Excel workbook (.xlsx) or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
}
_MOST_UNPACKED = 1024 * 1024 * 1024  # bytes
_SECONDS = unpacking.SECONDS + 30
_TOO_LARGE = "It takes more memory than casedial gives to a workbook: delete empty rows and columns, or save it as CSV."


@contextmanager
def as_csv(raw: IO[bytes], sheet: str | None = None) -> Iterator[tuple[IO[bytes], list[str]]]:
    """Yield a file that can be read from its beginning, and what is to be said of it: a workbook comes as CSV.

    ``sheet`` is that of the workbook; by default the first with rows. Raises MalformedDocument for a workbook that
    cannot be read, InvalidSetting where there is no room for it, or a sheet is asked for in what is no workbook.
    """
    head = raw.read(4)
    raw.seek(0)
    what = next((what for begins, what in _BEGIN.items() if head.startswith(begins)), None)
    if what is None:
        if sheet is not None:
            raise InvalidSetting("A sheet can only be chosen of a workbook, such as an .xlsx file; this file is none.")
        yield raw, []
        return
    with ExitStack() as stack:
        if head.startswith(b"PK"):
            _refuse_bomb(raw, what)
        packed = stack.enter_context(_real_file(raw))
        unpacked = stack.enter_context(tempfile.TemporaryFile())
        yield unpacked, _told(_unpack(packed, unpacked, sheet, what), sheet)


def _refuse_bomb(raw: IO[bytes], what: str) -> None:
    """Raise MalformedDocument for an archive that is damaged, or says itself that it is enormous."""
    try:
        with zipfile.ZipFile(raw) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise _refused(what, "is incomplete or damaged: export or copy it again") from None
    if size > _MOST_UNPACKED:
        raise _refused(what, f"unpacks to {size / 2**30:.1f} GiB, which is no list of cases: save it as CSV")
    raw.seek(0)


def _refused(what: str, why: str) -> MalformedDocument:
    return MalformedDocument(f"The file is {what}, and {why}.")


@contextmanager
def _real_file(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield a file that another process can read."""
    try:
        raw.fileno()
    except (OSError, AttributeError):
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(raw, copy)
            copy.seek(0)
            yield copy
    else:
        yield raw


def _unpack(packed: IO[bytes], unpacked: IO[bytes], sheet: str | None, what: str) -> Any:
    """Let a process of its own read a workbook; return what it says of it."""
    command = [sys.executable, "-m", unpacking.__name__, *([] if sheet is None else [sheet])]
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=packed, stdout=unpacked, stderr=subprocess.PIPE, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise MalformedDocument(f"The file is {what}, and takes too long to read: save it as CSV.") from None
    except OSError as error:
        raise InvalidSetting(f"No process can be started to read the workbook: {error.strerror}.") from None
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode == unpacking.REFUSED:
        raise _refused(what, said.rstrip("."))
    if done.returncode and "No space left" in said:
        raise NoRoom(f"There is no room in {tempfile.gettempdir()} to unpack the workbook.")
    if done.returncode:
        raise MalformedDocument(f"The file is {what}. {_TOO_LARGE}")
    unpacked.seek(0)
    return json.loads(said.splitlines()[-1])


def _told(found: Any, wanted: str | None) -> list[str]:
    others = [name for name in found["sheets"] if name != found["sheet"]]
    if not others:
        return []
    named = ", ".join(repr(name[:80]) for name in others[:10])
    how = "" if wanted else "; --sheet reads another one"
    return [f"The sheet {found['sheet'][:80]!r} was read, and not {named}{how}."]
