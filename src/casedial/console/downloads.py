"""Files to keep: written whole to the server's disk first, so that an error can still be told, and sent from there."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import PurePath
from typing import IO

from casedial.console.answers import Download
from casedial.domain.errors import NoRoom
from casedial.wire.sheets import Form

_PART = 256 * 1024
_TYPES = {
    Form.CSV: "text/csv; charset=utf-8",
    Form.JSONL: "application/jsonl; charset=utf-8",
    Form.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FORMS = ((Form.XLSX.value, "Workbook (.xlsx)"), (Form.CSV.value, "CSV"), (Form.JSONL.value, "JSON Lines, for programs"))


async def download(name: str, form: Form, write: Callable[[IO[bytes]], Awaitable[object]]) -> Download:
    """Return a file that ``write`` makes. Raises NoRoom, and what it does."""
    raw = tempfile.TemporaryFile()  # noqa: SIM115  # open until it is sent
    try:
        await write(raw)
        raw.flush()
        raw.seek(0)
    except OSError as error:
        raw.close()
        raise NoRoom(
            f"The file cannot be put together in the server's folder {tempfile.gettempdir()}: "
            f"{error.strerror or error}. Tell who runs the server; nothing was changed."
        ) from None
    except BaseException:
        raw.close()
        raise
    return Download(f"{PurePath(name).name}.{form.value}", _TYPES[form], _parts(raw))


async def _parts(raw: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        while part := raw.read(_PART):
            yield part
    finally:
        raw.close()
