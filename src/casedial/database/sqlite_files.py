"""The files of a SQLite database: whether they are those that a session has open, and are on the disk."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from casedial.database.files import sync
from casedial.domain.errors import StorageUnavailable

_ROOM = 4 * 1024 * 1024  # bytes, for a claim of a thousand cases
_MODE_AT, _IN_WAL_MODE = 18, b"\x02"  # in the header of a file

Number = tuple[int, int] | None  # of a file: its device and inode; None where there is none


def number_of(path: str | Path) -> Number:
    """Return which file a name stands for."""
    try:
        found = os.stat(path)  # noqa: PTH116  # twice as fast, and every transaction asks
    except OSError:
        return None
    return found.st_dev, found.st_ino


def replaced(name: str) -> StorageUnavailable:
    """Return the refusal of a database whose file is another than the one that is open."""
    return StorageUnavailable(
        "The database file was removed or replaced while the server runs, so nothing can be saved: the administrator "
        "must put it back or restart the server.",
        f"{name}: not the file that the server has open",
    )


def refuse_foreign_log(path: Path) -> None:
    """Raise StorageUnavailable where the log beside a file is another's: SQLite would write it over what is there.

    Such as that of the file before, beside a copy that ``casedial backup`` made: a copy is not in WAL mode.
    """
    log = Path(f"{os.path.realpath(path)}-wal")
    try:
        if not log.stat().st_size:
            return
        with path.open("rb") as file:
            mode = file.read(_MODE_AT + 1)[_MODE_AT:]
    except OSError:  # there is none, or SQLite says what is wrong
        return
    if mode != _IN_WAL_MODE:
        advice = "Move the log and its -shm file away, and start again."
        raise StorageUnavailable(f"{log} belongs to another database file, and would destroy {path}. {advice}")


def see_room(path: Path) -> None:
    """Raise StorageUnavailable where the disk is full: a small write may still fit where a large one does not."""
    disk = os.statvfs(path.parent)
    if disk.f_bavail * disk.f_frsize < _ROOM:
        raise StorageUnavailable("The disk of the database file is full.", f"{path}: less than {_ROOM} bytes are free")


class Files:
    """The files that a session has open: their names may come to stand for others, or for none.

    The log and its index stay the same for as long as anybody has the database open.
    """

    def __init__(self, path: Path, number: Number) -> None:
        """Look for what is beside a database; ``number`` is its own, from before it was opened."""
        self.path, real = path, os.path.realpath(path)
        beside = ((name, number_of(name)) for name in (f"{real}-wal", f"{real}-shm"))
        self._open = [(str(path), number), *((name, found) for name, found in beside if found)]

    def check(self) -> None:
        """Raise StorageUnavailable where one was removed or replaced."""
        for name, number in self._open:
            if number_of(name) != number:
                raise replaced(name)


async def settle(path: Path) -> bool:
    """Sync the folder of a file from which a COMMIT has just removed the journal; tell whether that went well.

    SQLite leaves it out. After a power cut the journal could be there again, and undo what was answered.
    """
    for _ in range(2):
        try:
            await asyncio.to_thread(sync, path.parent)
        except OSError:
            continue
        return True
    return False
